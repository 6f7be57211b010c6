import type {
  AutoscaleInfo,
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesPrimitive,
  ISeriesPrimitiveAxisView,
  SeriesAttachedParameter,
  Time,
  UTCTimestamp,
} from "lightweight-charts";
import type { Sealed } from "../state/trail.ts";
import type { Palette } from "./palette.ts";

type Target = Parameters<IPrimitivePaneRenderer["draw"]>[0];

/** Where the fan starts: the close of the last bar that the forecast knew. */
export interface Anchor {
  t: number;
  price: number;
}

interface Node {
  x: number;
  point: number;
  lower90: number;
  lower50: number;
  upper50: number;
  upper90: number;
}

/** The sealed forecast ahead of the last candle: 90 % and 50 % bands and the path of points. */
export class Fan implements ISeriesPrimitive<Time> {
  #p: SeriesAttachedParameter<Time> | undefined;
  #items: readonly Sealed[] = [];
  #anchor: Anchor | undefined;
  #horizon = 1;
  #palette: Palette;
  #format: (v: number) => string;

  constructor(palette: Palette, format: (v: number) => string) {
    this.#palette = palette;
    this.#format = format;
  }

  attached(p: SeriesAttachedParameter<Time>): void {
    this.#p = p;
  }

  detached(): void {
    this.#p = undefined;
  }

  set(items: readonly Sealed[], anchor: Anchor | undefined, horizon: number): void {
    this.#items = items;
    this.#anchor = anchor;
    this.#horizon = horizon;
    this.#p?.requestUpdate();
  }

  restyle(palette: Palette, format: (v: number) => string): void {
    this.#palette = palette;
    this.#format = format;
    this.#p?.requestUpdate();
  }

  autoscaleInfo(): AutoscaleInfo | null {
    const range = this.#p?.chart.timeScale().getVisibleRange();
    const last = this.#items[this.#items.length - 1];
    if (!range || last === undefined || this.#anchor === undefined) return null;
    if (Number(range.to) * 1000 < this.#anchor.t) return null;
    let minValue = this.#anchor.price;
    let maxValue = minValue;
    for (const f of this.#items) {
      minValue = Math.min(minValue, f.lower90);
      maxValue = Math.max(maxValue, f.upper90);
    }
    return { priceRange: { minValue, maxValue } };
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return [
      { zOrder: () => "bottom", renderer: () => ({ draw: t => this.#draw(t, "bands") }) },
      { zOrder: () => "top", renderer: () => ({ draw: t => this.#draw(t, "path") }) },
    ];
  }

  priceAxisViews(): readonly ISeriesPrimitiveAxisView[] {
    const chosen = this.#items.find(f => f.horizon === this.#horizon);
    const y = chosen === undefined ? null : this.#y(chosen.point);
    if (chosen === undefined || y === null) return [];
    return [
      {
        coordinate: () => y,
        text: () => this.#format(chosen.point),
        textColor: () => this.#palette.panel,
        backColor: () => this.#palette.forecast,
        visible: () => true,
      },
    ];
  }

  #y(price: number): number | null {
    return this.#p?.series.priceToCoordinate(price) ?? null;
  }

  #nodes(): Node[] {
    const scale = this.#p?.chart.timeScale();
    const a = this.#anchor;
    if (scale === undefined || a === undefined || this.#items.length === 0) return [];
    const nodes: Node[] = [];
    const add = (t: number, v: Omit<Node, "x">): void => {
      const x = scale.timeToCoordinate((t / 1000) as UTCTimestamp);
      const ys = [v.point, v.lower90, v.lower50, v.upper50, v.upper90].map(p => this.#y(p));
      if (x === null || ys.some(y => y === null)) return;
      const [point, lower90, lower50, upper50, upper90] = ys as [number, number, number, number, number];
      nodes.push({ x, point, lower90, lower50, upper50, upper90 });
    };
    const p = a.price;
    add(a.t, { point: p, lower90: p, lower50: p, upper50: p, upper90: p });
    for (const f of this.#items) add(f.t, f);
    return nodes;
  }

  #draw(target: Target, what: "bands" | "path"): void {
    const nodes = this.#nodes();
    if (nodes.length < 2) return;
    const chosen = this.#items.findIndex(f => f.horizon === this.#horizon) + 1;
    target.useMediaCoordinateSpace(({ context: c }) => {
      if (what === "bands") {
        band(
          c,
          nodes,
          this.#palette.band90,
          n => n.upper90,
          n => n.lower90,
        );
        band(
          c,
          nodes,
          this.#palette.band50,
          n => n.upper50,
          n => n.lower50,
        );
        return;
      }
      c.strokeStyle = this.#palette.forecast;
      c.fillStyle = this.#palette.forecast;
      c.lineWidth = 1.75;
      c.beginPath();
      nodes.forEach((n, i) => {
        if (i === 0) c.moveTo(n.x, n.point);
        else c.lineTo(n.x, n.point);
      });
      c.stroke();
      nodes.forEach((n, i) => {
        if (i === 0) return;
        c.beginPath();
        c.arc(n.x, n.point, i === chosen ? 3.5 : 2, 0, 2 * Math.PI);
        c.fill();
      });
      const n = nodes[chosen];
      if (chosen > 0 && n !== undefined) {
        c.lineWidth = 1.25;
        c.beginPath();
        c.moveTo(n.x, n.upper90);
        c.lineTo(n.x, n.lower90);
        for (const y of [n.upper90, n.lower90]) {
          c.moveTo(n.x - 3, y);
          c.lineTo(n.x + 3, y);
        }
        c.stroke();
      }
    });
  }
}

function band(
  c: CanvasRenderingContext2D,
  nodes: readonly Node[],
  fill: string,
  upper: (n: Node) => number,
  lower: (n: Node) => number,
): void {
  c.fillStyle = fill;
  c.beginPath();
  nodes.forEach((n, i) => {
    if (i === 0) c.moveTo(n.x, upper(n));
    else c.lineTo(n.x, upper(n));
  });
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i] as Node;
    c.lineTo(n.x, lower(n));
  }
  c.closePath();
  c.fill();
}
