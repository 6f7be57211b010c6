import type {
  AutoscaleInfo,
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesPrimitive,
  SeriesAttachedParameter,
  Time,
  UTCTimestamp,
} from "lightweight-charts";
import { lowerBound } from "../state/bars.ts";
import type { Sealed } from "../state/trail.ts";
import type { Palette } from "./palette.ts";

type Target = Parameters<IPrimitivePaneRenderer["draw"]>[0];

interface Step {
  left: number;
  right: number;
  x: number;
  point: number;
  upper: number;
  lower: number;
  actual: number | null;
  miss: boolean;
}

/**
 * What was forecast for bars that are over, for one model and horizon: a stepped
 * line with its 90 % band, and a cross where the outcome fell outside.
 */
export class Path implements ISeriesPrimitive<Time> {
  #p: SeriesAttachedParameter<Time> | undefined;
  /** False where no bar of the series is drawn that a forecast could belong to. */
  shown = true;
  #items: readonly Sealed[];
  #palette: Palette;
  #comparable: () => number;

  /** comparable tells the first bar whose forecasts are in the unit of the chart's prices. */
  constructor(items: readonly Sealed[], palette: Palette, comparable: () => number) {
    this.#items = items;
    this.#palette = palette;
    this.#comparable = comparable;
  }

  attached(p: SeriesAttachedParameter<Time>): void {
    this.#p = p;
  }

  detached(): void {
    this.#p = undefined;
  }

  refresh(): void {
    this.#p?.requestUpdate();
  }

  restyle(palette: Palette): void {
    this.#palette = palette;
    this.#p?.requestUpdate();
  }

  /** The settled forecasts whose targets are in sight. */
  #visible(): readonly Sealed[] {
    const range = this.#p?.chart.timeScale().getVisibleRange();
    if (!range || !this.shown) return [];
    const from = lowerBound(this.#items, Math.max(Number(range.from) * 1000, this.#comparable()));
    const to = lowerBound(this.#items, Number(range.to) * 1000 + 1);
    return this.#items.slice(from, to).filter(f => f.status === "scored");
  }

  autoscaleInfo(): AutoscaleInfo | null {
    let minValue = Number.POSITIVE_INFINITY;
    let maxValue = Number.NEGATIVE_INFINITY;
    for (const f of this.#visible()) {
      minValue = Math.min(minValue, f.lower90);
      maxValue = Math.max(maxValue, f.upper90);
    }
    return minValue <= maxValue ? { priceRange: { minValue, maxValue } } : null;
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return [
      { zOrder: () => "bottom", renderer: () => ({ draw: t => this.#draw(t, "band") }) },
      { zOrder: () => "top", renderer: () => ({ draw: t => this.#draw(t, "line") }) },
    ];
  }

  /** Runs of neighbouring steps; a bar without a forecast parts two runs. */
  #runs(): { runs: Step[][]; spacing: number } {
    const p = this.#p;
    if (p === undefined) return { runs: [], spacing: 0 };
    const scale = p.chart.timeScale();
    const spacing = scale.options().barSpacing;
    const runs: Step[][] = [];
    let run: Step[] = [];
    let before = Number.NaN;
    for (const f of this.#visible()) {
      const x = scale.timeToCoordinate((f.t / 1000) as UTCTimestamp);
      const point = p.series.priceToCoordinate(f.point);
      const upper = p.series.priceToCoordinate(f.upper90);
      const lower = p.series.priceToCoordinate(f.lower90);
      if (x === null || point === null || upper === null || lower === null) continue;
      if (Math.abs(x - before - spacing) > 0.5 && run.length > 0) {
        runs.push(run);
        run = [];
      }
      before = x;
      const actual = f.actual === null ? null : p.series.priceToCoordinate(f.actual);
      run.push({
        x,
        left: x - spacing / 2,
        right: x + spacing / 2,
        point,
        upper,
        lower,
        actual,
        miss: f.hit === false,
      });
    }
    if (run.length > 0) runs.push(run);
    return { runs, spacing };
  }

  #draw(target: Target, what: "band" | "line"): void {
    const { runs, spacing } = this.#runs();
    target.useMediaCoordinateSpace(({ context: c }) => {
      for (const run of runs) {
        if (what === "band") {
          c.fillStyle = this.#palette.trailBand;
          c.beginPath();
          steps(c, run, s => s.upper, true);
          steps(c, [...run].reverse(), s => s.lower, false);
          c.closePath();
          c.fill();
          continue;
        }
        c.strokeStyle = this.#palette.trail;
        c.lineWidth = 1.25;
        c.lineJoin = "round";
        c.beginPath();
        steps(c, run, s => s.point, true);
        c.stroke();
      }
      if (what === "band") return;
      const r = Math.min(4, Math.max(1.75, spacing * 0.45));
      for (const heavy of [true, false]) {
        c.strokeStyle = heavy ? this.#palette.panel : this.#palette.miss;
        c.lineWidth = heavy ? 4 : 1.75;
        c.beginPath();
        for (const s of runs.flat()) {
          if (!s.miss || s.actual === null) continue;
          c.moveTo(s.x - r, s.actual - r);
          c.lineTo(s.x + r, s.actual + r);
          c.moveTo(s.x - r, s.actual + r);
          c.lineTo(s.x + r, s.actual - r);
        }
        c.stroke();
      }
    });
  }
}

/** Adds a stepped line to the path; forward goes from left to right. */
function steps(
  c: CanvasRenderingContext2D,
  run: readonly Step[],
  y: (s: Step) => number,
  forward: boolean,
): void {
  run.forEach((s, i) => {
    const [a, b] = forward ? [s.left, s.right] : [s.right, s.left];
    if (i === 0 && forward) c.moveTo(a, y(s));
    else c.lineTo(a, y(s));
    c.lineTo(b, y(s));
  });
}
