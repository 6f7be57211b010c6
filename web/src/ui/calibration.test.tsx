// @vitest-environment happy-dom
import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeMarket, Market } from "../../dev/market.ts";
import type { Calibration, Series } from "../api/types.ts";
import { Bands, explained, type Kept, word } from "../plot/Bands.tsx";
import { ticks } from "../plot/Figure.tsx";
import { App } from "../state/app.ts";
import { CalibrationPanel } from "./Calibration.tsx";

let series: Series;
let calibration: Calibration;

const text = (): string => (document.body.textContent ?? "").replace(/\s+/g, " ");

function panel(c: Calibration | null, s = series): void {
  const app = new App();
  app.slow.calibration.value = c;
  render(<CalibrationPanel app={app} series={s} />, document.body);
}

describe("the calibration panel", () => {
  beforeEach(() => {
    const market = new Market("sim:AMZN@1s", 1000, 7);
    for (let i = 0; i < 400; i++) market.advance(i * 1000, i * 1000 + 1012);
    series = describeMarket(market, true);
    calibration = market.calibration("ewma", 1);
  });
  afterEach(() => {
    render(null, document.body);
  });

  const at90 = (share: number, low: number, high: number): Calibration => ({
    ...calibration,
    n: 1203,
    levels: calibration.levels.map(l => (l.level === 0.9 ? { level: 0.9, share, low, high } : l)),
  });

  it("says what was promised and what was kept, and what chance has to do with it", () => {
    panel(at90(0.896, 0.877, 0.912));
    expect(text()).toContain("Promised 90 %, kept 89.6 % over 1,203 forecasts");
    expect(text()).toContain(
      "✓ Chance explains the difference: what was seen fits a promise of 87.7 % to 91.2 %.",
    );
    expect(text()).toContain("Coverage is a long-run average");
  });

  it.each([
    [0.82, 0.8, 0.84, "✕ Less than chance explains"],
    [0.97, 0.95, 0.98, "✕ More than chance explains"],
  ])("says when %s of 0.9 is no luck", (share, low, high, want) => {
    panel(at90(share, low, high));
    expect(text()).toContain(want);
  });

  it("draws every plot with a title, a description and its numbers as a table", () => {
    panel(calibration);
    const plots = [...document.querySelectorAll(".plot")];
    expect(plots.map(p => p.querySelector("h3")?.textContent)).toEqual([
      "Reliability",
      "PIT histogram",
      "Every interval",
      "By volatility",
      "By time of day",
    ]);
    for (const p of plots) {
      const svg = p.querySelector("svg");
      const ids = (svg?.getAttribute("aria-labelledby") ?? "").split(" ");
      expect(ids).toHaveLength(2);
      for (const id of ids) expect(document.getElementById(id)?.textContent).not.toBe("");
      expect(p.querySelectorAll("details tbody tr").length).toBeGreaterThan(1);
    }
    expect(document.querySelectorAll(".plot rect.bin")).toHaveLength(20);
    expect(text()).not.toMatch(/NaN|null|undefined|Infinity/);
  });

  it("waits for enough outcomes, and says so", () => {
    panel({ ...calibration, n: 12 });
    expect(text()).toContain("12 of 30 outcomes so far");
    expect(document.querySelector("svg")).toBeNull();
    panel(new Market("sim:AMZN@1s", 1000, 7).calibration("auto", 2));
    expect(text()).toContain("auto, 2 bars ahead");
    expect(text()).toContain("No forecast of this model and horizon has met its outcome yet.");
    panel(null);
    expect(text()).toContain("Loading");
  });

  it("names weekdays for bars of a day", () => {
    panel(
      { ...calibration, times: [{ name: "Monday", n: 80, level: 0.9, share: 0.9, low: 0.82, high: 0.95 }] },
      { ...series, interval_seconds: 86_400 },
    );
    expect(text()).toContain("By weekday");
    expect(text()).toContain("Mon");
  });
});

describe("coverage in signs and words", () => {
  const kept = (share: number | null, low: number | null, high: number | null): Kept => ({
    name: "x",
    n: 10,
    level: 0.9,
    share,
    low,
    high,
  });
  it.each([
    [kept(0.9, 0.85, 0.95), true, "yes"],
    [kept(0.8, 0.75, 0.85), false, "no, too few"],
    [kept(0.99, 0.95, 1), false, "no, too many"],
    [kept(null, null, null), null, "no outcomes yet"],
  ])("%j", (k, e, w) => {
    expect(explained(k)).toBe(e);
    expect(word(k)).toBe(w);
  });

  it("draws a cross, not only a colour, where chance does not explain it", () => {
    const list = [
      kept(0.9, 0.85, 0.95),
      { ...kept(0.8, 0.75, 0.85), name: "y" },
      { ...kept(null, null, null), name: "z" },
    ];
    render(<Bands title="t" note="n" what="w" list={list} height={200} />, document.body);
    expect(document.querySelectorAll("svg .dot")).toHaveLength(1);
    expect(document.querySelectorAll("svg .cross")).toHaveLength(1);
    expect(document.querySelector("desc")?.textContent).toContain(
      "chance does not explain y: 80.0 % of 90 %",
    );
    expect(text()).toContain("none yet");
    render(null, document.body);
  });

  it.each([
    [0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0.8, 1, 5, [0.8, 0.85, 0.9, 0.95, 1]],
    [0, 108, 4, [0, 50, 100]],
    [5, 5, 4, [5]],
  ])("ticks from %s to %s", (from, to, n, want) => {
    const got = ticks(from, to, n);
    expect(got).toHaveLength(want.length);
    got.forEach((v, i) => {
      expect(v).toBeCloseTo(want[i] as number, 9);
    });
  });
});
