// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { COLOURS, type Paper, stage } from "../../dev/canvas.ts";
import { Fake } from "../../dev/fake.ts";
import { iso } from "../../dev/market.ts";
import { App } from "../state/app.ts";
import { Fan } from "./fan.ts";
import { ChartView } from "./view.ts";

// The chart with the library that draws it, on a canvas that writes down what is drawn.

const NOW = Date.UTC(2026, 2, 4, 15, 0, 0);
const SECOND = "sim:AMZN@1s";
const WIDTH = 900;

let fake: Fake;
let app: App;
let view: ChartView;
let paper: Paper;
let host: HTMLElement;
let visible: { from: number; to: number };
let hovered: (number | null)[];

const turn = setImmediate;
async function tick(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  for (let i = 0; i < 10; i++) await new Promise<void>(r => turn(r));
}

async function open(search = "", bars = 160, most = 10_000): Promise<void> {
  history.replaceState(null, "", `/?series=${SECOND}${search}`);
  fake = new Fake(bars, NOW);
  fake.most = most;
  vi.stubGlobal("fetch", fake.fetch);
  app = new App();
  app.start();
  await tick(100);
  host = document.createElement("div");
  document.body.append(host);
  const series = app.series.value;
  if (series === null) throw new Error("no series");
  view = new ChartView(host, app, series, { hover: t => void hovered.push(t), visible: r => (visible = r) });
  await tick(50);
}

/** What is in sight as the address has it, after the pause that a scroll is given. */
async function remembered() {
  await tick(500);
  return app.view.value.range;
}

const width = (): number => visible.to - visible.from;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  visible = { from: 0, to: 0 };
  hovered = [];
  ({ paper } = stage(WIDTH, 400));
  vi.spyOn(Math, "random").mockReturnValue(1);
});
afterEach(() => {
  view.dispose();
  host.remove();
  vi.restoreAllMocks();
  vi.useRealTimers();
  history.replaceState(null, "", "/");
});

describe("the chart", () => {
  it("shows the newest bars, with room for what is forecast", async () => {
    await open();
    expect(visible.to).toBeCloseTo(159 + 7, 0); // five forecasts and a little air
    expect(width()).toBeCloseTo(140 + 6, 0);
    expect((await remembered()).kind).toBe("last");
    expect(location.search).not.toContain("range");
  });

  it("shows fewer bars on a narrow screen, and does not write that into the address", async () => {
    vi.restoreAllMocks();
    ({ paper } = stage(360, 400));
    await open();
    expect(width()).toBeCloseTo(60 + 6, 0);
    await remembered();
    expect(location.search).not.toContain("range");
  });

  it("draws candles in two shapes, volume, the fan and what was forecast, each in its colour", async () => {
    await open();
    await tick(100);
    const fills = new Set(paper.strokes.map(s => s.fill));
    for (const name of ["down", "up-volume", "down-volume", "band90", "band50", "forecast", "trail-band"])
      expect([name, fills.has(COLOURS[name] as string)]).toEqual([name, true]);
    // Up is hollow: its body has the ground's colour.
    expect(fills.has(COLOURS.panel as string)).toBe(true);
    expect(paper.strokes.some(s => s.stroke === COLOURS.trail)).toBe(true);
  });

  it("takes new colours when the theme changes", async () => {
    await open();
    COLOURS.forecast = "rgb(99, 9, 9)";
    paper.clear();
    view.restyle();
    await tick(100);
    expect(paper.strokes.some(s => s.fill === "rgb(99, 9, 9)")).toBe(true);
    COLOURS.forecast = "rgb(10, 10, 10)";
  });

  it("follows new bars, also where nothing else is told", async () => {
    await open();
    const before = visible.to;
    fake.bar();
    await tick(100);
    expect(visible.to).toBeCloseTo(before + 1, 1);
    fake.emit(SECOND, "bar", { series: SECOND, bar: { ...fake.second.bars.at(-4), close: 1, revision: 1 } });
    await tick(100);
    expect(visible.to).toBeCloseTo(before + 1, 1);
  });

  it("opens the fan at the bar that its forecast knew, and nowhere where that bar is not there", async () => {
    await open();
    const set = vi.spyOn(Fan.prototype, "set");
    const known = app.lastBar.value;
    // A bar without a forecast: the fan still begins at the one before.
    const bar = { ...fake.second.bars.at(-1), start: iso(NOW), end: iso(NOW + 1000), close: 1 };
    fake.emit(SECOND, "bar", { series: SECOND, bar });
    await tick(100);
    expect(set.mock.lastCall?.[1]).toEqual({ t: known?.t, price: known?.close });
    // A forecast from a bar that has not come.
    const issue = fake.second.issues.at(-1);
    const event = {
      series: SECOND,
      entry: 9999,
      hash: "h",
      last: 7,
      abstentions: [],
      forecasts: issue?.forecasts,
    };
    fake.emit(SECOND, "forecast", { ...event, cutoff: iso(NOW + 9000), issued_at: iso(NOW + 9000) });
    await tick(100);
    expect(set.mock.lastCall?.[1]).toBeUndefined();
  });

  it("shows the stretch that the address names, and keeps it in the address", async () => {
    const from = NOW / 1000 - 140;
    await open(`&range=${from}-${from + 50}`);
    expect(visible.from).toBeCloseTo(20, 0);
    expect(visible.to).toBeCloseTo(70, 0);
    fake.bar();
    await tick(100);
    expect(visible.to).toBeCloseTo(70, 0); // who looks at the past is not carried off
    expect(await remembered()).toEqual({ kind: "between", from, to: from + 50 });
  });

  it("ends with the page: no timer and no listener is left", async () => {
    await open();
    view.pan(-0.05);
    await tick(20); // it has moved, and the address is not written yet
    view.dispose();
    expect(app.listeners.size).toBe(0);
    const before = app.view.value.range;
    await tick(1000);
    expect(app.view.value.range).toEqual(before);
    view = new ChartView(host, app, app.series.value as never, { hover: () => {}, visible: () => {} });
  });
});

describe("moving", () => {
  it("pans by a part of what is in sight", async () => {
    await open("", 300);
    const [from, wide] = [visible.from, width()];
    view.pan(-0.5);
    await tick(20);
    expect(visible.from).toBeCloseTo(from - wide / 2, 0);
    expect(width()).toBeCloseTo(wide, 0);
    const last = (i: number): number => Math.round(NOW / 1000 - 300 + i);
    expect(await remembered()).toEqual({ kind: "between", from: last(visible.from), to: last(visible.to) });
  });

  it("zooms around the right edge, not closer than eight bars", async () => {
    await open();
    const to = visible.to;
    view.zoom(0.5);
    await tick(20);
    expect(visible.to).toBeCloseTo(to, 0);
    expect(width()).toBeCloseTo(73, 0);
    for (let i = 0; i < 6; i++) {
      view.zoom(0.5);
      await tick(20); // the library moves with the next frame
    }
    expect(width()).toBeCloseTo(8, 1);
    expect(await remembered()).toMatchObject({ kind: "last" });
    expect(location.search).toContain("range=last-");
  });

  it("goes back to the latest bar at the width that was in sight", async () => {
    await open();
    view.zoom(0.5);
    view.pan(-1);
    await tick(20);
    const wide = width();
    view.latest();
    await tick(20);
    expect(visible.to).toBeCloseTo(166, 0);
    expect(width()).toBeCloseTo(wide, 0);
  });

  it("loads older bars when the first ones come into sight, and keeps the place", async () => {
    await open("", 300, 100);
    const first = app.bars.first?.t as number;
    view.showLogical(10, 80);
    await tick(300);
    expect(app.bars.first?.t).toBeLessThan(first);
    expect(visible.from).toBeCloseTo(10 + app.bars.indexOf(first), 0);
  });

  it("asks for nothing older where there is nothing", async () => {
    await open();
    fake.asked.length = 0;
    view.showLogical(0, 100);
    await tick(300);
    expect(fake.asked.filter(c => c.includes("cursor"))).toEqual([]);
  });
});

describe("more bars than pixels", () => {
  it("are drawn as coarser candles, without forecasts, and as bars again when zoomed in", async () => {
    await open("", 800);
    await tick(50);
    view.showLogical(-20, 800);
    await tick(300);
    expect(app.wide.drawn.value?.interval).toBe("1m");
    const asked = fake.asked.at(-1) ?? "";
    expect(asked).toContain("/bars?order=asc");
    expect(Number(new URLSearchParams(asked.split("?")[1]).get("max_points"))).toBe(
      Math.round(WIDTH * 0.8 * 3),
    );
    paper.clear();
    view.restyle();
    await tick(50);
    expect(paper.strokes.some(s => s.fill === COLOURS["trail-band"])).toBe(false);
    expect(await remembered()).toMatchObject({ kind: "between" });
    view.latest();
    await tick(50);
    expect(app.wide.drawn.value).toBeNull();
    expect(visible.to).toBeCloseTo(806, 0);
  });

  it("are read again while bars come, at most every five seconds", async () => {
    await open("", 800);
    view.showLogical(-20, 806);
    await tick(300);
    expect(app.wide.drawn.value).not.toBeNull();
    fake.asked.length = 0;
    for (let i = 0; i < 12; i++) {
      fake.bar();
      await tick(1000);
    }
    const n = fake.asked.filter(c => c.includes("order=asc")).length;
    expect(n).toBeLessThanOrEqual(3);
  });

  it("are what a long range in the address begins with", async () => {
    await open(`&range=${NOW / 1000 - 20_000}-${NOW / 1000}`, 120);
    await tick(300);
    expect(app.wide.drawn.value?.interval).toBe("1m");
  });
});

describe("marks", () => {
  it("stand at the bars of splits, dividends and what looks like a split", async () => {
    await open();
    paper.clear();
    fake.answers.set("/actions", {
      items: [
        { ex: iso(NOW - 60_000), kind: "split", ratio: 4, words: "split 4:1" },
        { ex: iso(NOW - 40_000), kind: "dividend", amount: 1, words: "dividend 1" },
      ],
    });
    fake.answers.set("/warnings", {
      items: [
        {
          bar: { start: iso(NOW - 20_000), end: iso(NOW - 19_000) },
          announced: false,
          reason: "looks like a split",
        },
      ],
    });
    await Promise.all([app.splits.load(), tick(50)]);
    await tick(100);
    const words = paper.strokes.filter(s => s.op === "fillText").map(s => String(s.args[0]));
    for (const w of ["split 4:1", "D", "split?"]) expect(words).toContain(w);
  });
});

describe("bars of a day", () => {
  it("stand at their dates, whatever the viewer's zone", async () => {
    const before = process.env.TZ;
    process.env.TZ = "America/New_York";
    await open();
    view.dispose();
    const series = { ...app.series.value, interval: "1d", interval_seconds: 86_400 } as never;
    app.bars.clear();
    for (let i = 0; i < 40; i++) {
      const t = Date.UTC(2026, 0, 1 + i);
      app.bars.put({
        t,
        end: t + 86_400_000,
        open: 1,
        high: 2,
        low: 1,
        close: 2,
        volume: 1,
        trades: 1,
        revision: 0,
      });
    }
    view = new ChartView(host, app, series, {
      hover: t => void hovered.push(t),
      visible: r => (visible = r),
    });
    paper.clear();
    view.showLogical(0, 39);
    await tick(100);
    const words = paper.strokes.filter(s => s.op === "fillText").map(s => String(s.args[0]));
    expect(words).toContain("Feb");
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  });
});
