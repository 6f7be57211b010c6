// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { COLOURS, Paper, stage } from "../../dev/canvas.ts";
import type { Sealed } from "../state/trail.ts";
import { Fan } from "./fan.ts";
import { type Palette, readPalette } from "./palette.ts";
import { Path } from "./path.ts";

/** A bar is ten pixels wide and its second stands at ten times its number; prices grow upwards. */
const X = (t: number): number => t / 100;
const Y = (price: number): number => 1000 - 10 * price;

const forecast = (n: number, more: Partial<Sealed> = {}): Sealed => ({
  ...{ t: n * 1000, end: n * 1000 + 1000, entry: n, hash: "h", model: "auto", version: "v", horizon: 1 },
  ...{ cutoff: n * 1000, issued: n * 1000, openedMs: 0, late: false, last: 50, point: 50 },
  ...{ lower90: 48, lower50: 49, upper50: 51, upper90: 52 },
  ...{ status: "scored", actual: 50.5, error: 0.5, percentError: 1, hit: true },
  ...more,
});

let palette: Palette;
let paper: Paper;
let updates: number;
let range: { from: number; to: number } | null;
/** Times that have no place on the scale, prices that have none. */
let hidden: Set<number>;
let hiddenPrice: number | null;

const attachment = () =>
  ({
    requestUpdate: () => updates++,
    chart: {
      timeScale: () => ({
        getVisibleRange: () => range,
        options: () => ({ barSpacing: 10 }),
        timeToCoordinate: (t: number) => (hidden.has(t) ? null : X(t * 1000)),
      }),
    },
    series: { priceToCoordinate: (p: number) => (p === hiddenPrice ? null : Y(p)) },
  }) as never;

/** Draws all views of a layer, the lower ones first, and tells what was drawn. */
function draw(layer: Fan | Path): Paper {
  paper.clear();
  for (const view of layer.paneViews()) {
    view.renderer()?.draw({
      useMediaCoordinateSpace: (f: (s: unknown) => void) =>
        f({ context: paper.context, mediaSize: { width: 800, height: 400 } }),
    } as never);
  }
  return paper;
}

beforeEach(() => {
  const { strike } = stage(800, 400);
  palette = readPalette(document.body);
  strike();
  paper = new Paper();
  updates = 0;
  range = { from: 0, to: 100 };
  hidden = new Set();
  hiddenPrice = null;
});
afterEach(() => void vi.restoreAllMocks());

it("reads one palette from the style sheet, every colour of it", () => {
  expect(Object.values(palette).filter(v => v === "")).toEqual([]);
  const {
    line,
    "up-volume": upVolume,
    "down-volume": downVolume,
    "trail-band": trailBand,
    ...same
  } = COLOURS;
  expect(palette).toEqual({ ...same, border: line, upVolume, downVolume, trailBand, font: "Stage" });
});

describe("what was forecast", () => {
  let items: Sealed[];
  let from: number;
  let path: Path;

  beforeEach(() => {
    items = [1, 2, 3].map(n => forecast(n));
    from = 0;
    path = new Path(items, palette, () => from);
    path.attached(attachment());
  });

  it("is a band from upper to lower, and a stepped line through the points", () => {
    const { strokes } = draw(path);
    const fill = strokes.find(s => s.op === "fill");
    expect(fill?.fill).toBe(palette.trailBand);
    // Forward along the upper edge, back along the lower one.
    expect(paper.said("moveTo", "lineTo").slice(0, 13)).toEqual([
      "moveTo 5 480",
      "lineTo 15 480",
      "lineTo 15 480",
      "lineTo 25 480",
      "lineTo 25 480",
      "lineTo 35 480",
      "lineTo 35 520",
      "lineTo 25 520",
      "lineTo 25 520",
      "lineTo 15 520",
      "lineTo 15 520",
      "lineTo 5 520",
      "moveTo 5 500",
    ]);
    expect(strokes.filter(s => s.op === "stroke")[0]).toMatchObject({ stroke: palette.trail, width: 1.25 });
  });

  it("draws the band under the candles and the line over them", () => {
    expect(path.paneViews().map(v => v.zOrder?.())).toEqual(["bottom", "top"]);
  });

  it("parts where a bar had no forecast", () => {
    items.splice(1, 1);
    expect(draw(path).said("fill")).toHaveLength(2);
    expect(paper.said("moveTo").filter(s => s.endsWith(" 500"))).toEqual(["moveTo 5 500", "moveTo 25 500"]);
  });

  it("crosses the outcomes outside the band, at the outcome, twice: on a ground and in colour", () => {
    items[1] = forecast(2, { hit: false, actual: 60 });
    draw(path);
    const crosses = paper.strokes.filter(
      s => s.op === "moveTo" && s.args[1] !== undefined && s.args[1] < 450,
    );
    expect(crosses.map(s => [s.stroke, s.width, ...s.args])).toEqual([
      [palette.panel, 4, 16, 396],
      [palette.panel, 4, 16, 404],
      [palette.miss, 1.75, 16, 396],
      [palette.miss, 1.75, 16, 404],
    ]);
  });

  it("shows nothing of what is open or void, out of sight, in another unit, or not to be placed", () => {
    items[0] = forecast(1, { status: "open" });
    items[1] = forecast(2, { status: "void" });
    expect(draw(path).said("fill")).toHaveLength(1);
    expect(path.autoscaleInfo()?.priceRange).toEqual({ minValue: 48, maxValue: 52 });
    from = 3001;
    expect(draw(path).said("fill")).toEqual([]);
    expect(path.autoscaleInfo()).toBeNull();
    from = 0;
    range = { from: 0, to: 2 };
    expect(draw(path).said("fill")).toEqual([]);
    range = null;
    expect(draw(path).said("fill")).toEqual([]);
    range = { from: 0, to: 100 };
    hidden.add(3);
    expect(draw(path).said("fill")).toEqual([]);
    hidden.clear();
    hiddenPrice = 52;
    expect(draw(path).said("fill")).toEqual([]);
    hiddenPrice = null;
    path.shown = false;
    expect(draw(path).said("fill")).toEqual([]);
    expect(path.autoscaleInfo()).toBeNull();
  });

  it("asks for room for all of it that is in sight", () => {
    items.push(forecast(4, { lower90: 10, upper90: 99 }), forecast(500, { lower90: 1, upper90: 1000 }));
    expect(path.autoscaleInfo()?.priceRange).toEqual({ minValue: 10, maxValue: 99 });
  });

  it("is drawn anew when told, in new colours, and not after it was taken away", () => {
    path.refresh();
    path.restyle({ ...palette, trail: "red" });
    expect(updates).toBe(2);
    draw(path);
    expect(paper.strokes.some(s => s.stroke === "red")).toBe(true);
    path.detached();
    path.refresh();
    expect(updates).toBe(2);
    expect(draw(path).said("fill")).toEqual([]);
  });
});

describe("the fan", () => {
  let fan: Fan;
  const ahead = [1, 2, 3].map(h =>
    forecast(10 + h, {
      horizon: h,
      status: "open",
      point: 50 + h,
      lower90: 50 - 2 * h,
      lower50: 50 - h,
      upper50: 50 + 2 * h,
      upper90: 50 + 3 * h,
    }),
  );
  const anchor = { t: 10_000, price: 50 };

  beforeEach(() => {
    fan = new Fan(palette, v => `$${v}`);
    fan.attached(attachment());
    fan.set(ahead, anchor, 2);
  });

  it("opens at the last close and holds both bands, the wide one first", () => {
    draw(fan);
    expect(
      paper.strokes
        .filter(s => s.op === "fill")
        .slice(0, 2)
        .map(s => s.fill),
    ).toEqual([palette.band90, palette.band50]);
    expect(paper.said("moveTo", "lineTo").slice(0, 8)).toEqual([
      "moveTo 100 500",
      "lineTo 110 470",
      "lineTo 120 440",
      "lineTo 130 410",
      "lineTo 130 560",
      "lineTo 120 540",
      "lineTo 110 520",
      "lineTo 100 500",
    ]);
  });

  it("marks every point, the chosen horizon's with a larger dot and its interval", () => {
    draw(fan);
    expect(paper.said("arc").map(s => s.split(" ").slice(0, 4).join(" "))).toEqual([
      "arc 110 490 2",
      "arc 120 480 3.5",
      "arc 130 470 2",
    ]);
    expect(paper.said("moveTo", "lineTo").slice(-6)).toEqual([
      "moveTo 120 440",
      "lineTo 120 540",
      "moveTo 117 440",
      "lineTo 123 440",
      "moveTo 117 540",
      "lineTo 123 540",
    ]);
  });

  it("labels the chosen point on the axis of prices", () => {
    const [label] = fan.priceAxisViews();
    expect(fan.priceAxisViews()).toHaveLength(1);
    expect([
      label?.coordinate(),
      label?.text(),
      label?.textColor(),
      label?.backColor(),
      label?.visible?.(),
    ]).toEqual([480, "$52", palette.panel, palette.forecast, true]);
    fan.restyle({ ...palette, forecast: "red" }, v => `${v} EUR`);
    expect(fan.priceAxisViews()[0]?.text()).toBe("52 EUR");
    fan.set(ahead, anchor, 9); // a horizon that it has not
    expect(fan.priceAxisViews()).toEqual([]);
    hiddenPrice = 52;
    fan.set(ahead, anchor, 2);
    expect(fan.priceAxisViews()).toEqual([]);
  });

  it("draws no interval where the chosen horizon is not among them", () => {
    fan.set(ahead, anchor, 9);
    expect(draw(fan).said("arc")).toHaveLength(3);
    expect(paper.said("stroke")).toHaveLength(1);
  });

  it.each([
    ["without forecasts", () => fan.set([], anchor, 1)],
    ["without the bar that it begins at", () => fan.set(ahead, undefined, 1)],
    ["without a place for any target", () => void [11, 12, 13].map(t => hidden.add(t))],
    ["before it is attached", () => fan.detached()],
  ])("is not drawn %s", (_, prepare) => {
    prepare();
    expect(draw(fan).strokes).toEqual([]);
  });

  it("asks for room only where it is in sight", () => {
    expect(fan.autoscaleInfo()?.priceRange).toEqual({ minValue: 44, maxValue: 59 });
    range = { from: 0, to: 9 };
    expect(fan.autoscaleInfo()).toBeNull();
    range = null;
    expect(fan.autoscaleInfo()).toBeNull();
    range = { from: 0, to: 100 };
    fan.set([], anchor, 1);
    expect(fan.autoscaleInfo()).toBeNull();
    fan.set(ahead, undefined, 1);
    expect(fan.autoscaleInfo()).toBeNull();
  });

  it("is drawn anew with every forecast", () => {
    fan.set(ahead.slice(0, 1), anchor, 1);
    expect(updates).toBe(2);
    expect(draw(fan).said("arc")).toHaveLength(1);
    expect(fan.paneViews().map(v => v.zOrder?.())).toEqual(["bottom", "top"]);
  });
});
