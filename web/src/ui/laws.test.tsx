// @vitest-environment happy-dom
import { type ComponentChild, render } from "preact";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeMarket, Market } from "../../dev/market.ts";
import type { Accuracy, Calibration, Series } from "../api/types.ts";
import { count, metric, share, size } from "../format/number.ts";
import { App } from "../state/app.ts";
import { AccuracyTable } from "./Accuracy.tsx";
import { CalibrationPanel } from "./Calibration.tsx";
import { Models } from "./Models.tsx";
import { NAIVE, Verdict } from "./Verdict.tsx";

// What the page owes to the laws of CONTRIBUTING.md.

let series: Series;
let accuracy: Accuracy;
let calibration: Calibration;

beforeEach(() => {
  const market = new Market("sim:AMZN@1s", 1000, 7);
  for (let i = 0; i < 400; i++) market.advance(i * 1000, i * 1000 + 1012);
  series = describeMarket(market, true);
  accuracy = { series: series.id, horizon: 1, as_of: null, models: market.accuracy(1) };
  calibration = market.calibration("ewma", 1);
});

afterEach(() => {
  render(null, document.body);
});

/** Shows a part of the page for one model. */
function show(model: string, part: (app: App) => ComponentChild): void {
  const app = new App();
  app.view.value = { ...app.view.value, series: series.id, model };
  app.seriesList.value = [series];
  app.accuracy.value = accuracy;
  app.slow.calibration.value = calibration;
  app.loading.value = false;
  render(part(app), document.body);
}

const text = (): string => (document.body.textContent ?? "").replace(/\s+/g, " ");
const cell = (window: string, col: string): string | null | undefined =>
  document.querySelector(`#accuracy [data-window="${window}"] [data-col="${col}"]`)?.textContent?.trim();

describe("law 5: naive is always in the race", () => {
  it("shows naive's errors beside those of every model, in every window", () => {
    for (const m of accuracy.models) {
      show(m.model, app => <AccuracyTable app={app} series={series} />);
      expect(m.windows.length).toBeGreaterThan(0);
      for (const w of m.windows) {
        expect(cell(w.window, "naive-mae")).toBe(size(w.naive.mae, series.instrument.price_scale));
        expect(cell(w.window, "naive-crps")).toBe(metric(w.naive.crps));
      }
    }
  });

  it("shows no model without a verdict in words", () => {
    show("ewma", app => <Models app={app} series={series} />);
    const rows = [...document.querySelectorAll("#models tr[data-model]")];
    expect(rows.map(r => r.getAttribute("data-model"))).toContain(NAIVE);
    for (const row of rows) {
      expect(row.textContent).toMatch(
        /not judged yet|better than naive|no skill shown|worse than naive|the yardstick itself/,
      );
    }
    for (const m of accuracy.models.filter(m => m.model !== NAIVE)) {
      show(m.model, app => <Verdict app={app} />);
      expect(text()).toContain(m.verdict.text);
      expect(text()).toContain(m.verdict.why);
    }
  });
});

describe("law 6: intervals mean what they say", () => {
  it("shows coverage, and of how many forecasts, beside every width", () => {
    for (const m of accuracy.models) {
      show(m.model, app => <AccuracyTable app={app} series={series} />);
      for (const w of m.windows) {
        expect(cell(w.window, "width")).not.toBe("–");
        expect(cell(w.window, "coverage")).toBe(`${share(w.coverage90)} (${count(w.n)})`);
      }
    }
  });

  it("shows coverage of every interval, and by regime of volatility", () => {
    show("ewma", app => <CalibrationPanel app={app} series={series} />);
    const at90 = calibration.levels.find(l => l.level === 0.9);
    expect(text()).toContain(`Promised 90 %, kept ${share(at90?.share ?? null)}`);
    for (const l of calibration.levels) expect(text()).toContain(share(l.share));
    expect(calibration.regimes.map(r => r.name)).toEqual(["low", "middle", "high"]);
    for (const r of calibration.regimes) {
      expect(text()).toContain(r.name);
      expect(text()).toContain(share(r.share));
    }
    expect(text()).toContain("Coverage is a long-run average");
  });
});
