// @vitest-environment happy-dom
import { type ComponentChild, render } from "preact";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeMarket, Market } from "../../dev/market.ts";
import { ApiError } from "../api/client.ts";
import type { Accuracy, Series, Spread, Window } from "../api/types.ts";
import { share } from "../format/number.ts";
import { App } from "../state/app.ts";
import { mixOf } from "../state/mix.ts";
import { AccuracyTable } from "./Accuracy.tsx";
import { EvidenceDialog } from "./Evidence.tsx";
import { MadeOf } from "./MadeOf.tsx";
import { championFirst, Models } from "./Models.tsx";
import { Notices } from "./Notices.tsx";
import { Gaps, Quarantine } from "./Panels.tsx";
import { Prediction } from "./Prediction.tsx";
import { Verdict } from "./Verdict.tsx";

let series: Series;
let accuracy: Accuracy;

// The stand-in market gives data of the right shape.
const load = (): void => {
  const market = new Market("sim:AMZN@1s", 1000, 7);
  for (let i = 0; i < 60; i++) market.advance(i * 1000, i * 1000 + 1012);
  series = describeMarket(market, true);
  accuracy = { series: series.id, horizon: 1, as_of: null, models: market.accuracy(1) };
};

function page(child: (app: App) => ComponentChild): { app: App; text: () => string } {
  const app = new App();
  app.view.value = { ...app.view.value, series: series.id, model: "ewma" };
  app.seriesList.value = [series];
  app.accuracy.value = accuracy;
  app.loading.value = false;
  const root = document.createElement("div");
  document.body.append(root);
  render(child(app), root);
  return { app, text: () => (root.textContent ?? "").replace(/\s+/g, " ") };
}

describe("components", () => {
  beforeEach(load);
  afterEach(() => {
    document.body.innerHTML = "";
  });

  it("labels simulated prices, and only those", () => {
    expect(page(app => <Notices app={app} />).text()).toContain(
      "Simulated prices. No real market stands behind them.",
    );
    series = { ...series, instrument: { ...series.instrument, simulated: false }, mode: "replay" };
    const replay = page(app => <Notices app={app} />).text();
    expect(replay).not.toContain("Simulated");
    expect(replay).toContain("Replay of recorded data");
  });

  it("says that the door is open, and that the server is not ready and why", () => {
    const { app } = page(() => null);
    app.ready.value = { ready: false, reason: "The disk is full." };
    app.problem.value = new ApiError(503, "Service Unavailable", "the database is locked");
    app.status.value = { insecure_public: true } as never;
    const root = document.createElement("div");
    render(<Notices app={app} />, root);
    expect(root.textContent).toContain("without a key");
    expect(root.textContent).toContain("The disk is full.");
    expect(root.textContent).toContain("the database is locked");
    expect(root.querySelectorAll('[role="alert"]')).toHaveLength(2);
  });

  it("shows a dash for what is not known, never NaN or null", () => {
    const none: Spread = { mean: null, median: null, min: null, max: null };
    const empty: Window = {
      window: "last",
      n: 0,
      error: none,
      percent_error: none,
      absolute_error: none,
      mae: null,
      rmse: null,
      mape: null,
      mase: null,
      direction_hit_rate: null,
      coverage90: null,
      width90: null,
      crps: null,
      skill: null,
      naive: { mae: null, rmse: null, crps: null },
      late: 0,
      median_approximate: false,
    };
    accuracy = { ...accuracy, models: accuracy.models.map(m => ({ ...m, windows: [empty] })) };
    const text = page(app => <AccuracyTable app={app} series={series} />).text();
    expect(text).not.toMatch(/NaN|null|undefined/);
    expect(text).toContain("Nothing judged yet");
    expect(document.querySelector('[data-window="last"] [data-col="mean"]')?.textContent).toBe("–");
  });

  it("shows naive beside the model in every row", () => {
    page(app => <AccuracyTable app={app} series={series} />);
    expect(document.querySelectorAll('#accuracy [data-col="naive-mae"]')).toHaveLength(6);
    expect(document.querySelectorAll('#accuracy [data-col="naive-crps"]')).toHaveLength(6);
  });

  it("names what the combined forecast is made of, as a list and as a plot", () => {
    const market = new Market("sim:AMZN@1s", 1000, 7);
    for (let i = 0; i < 60; i++) market.advance(i * 1000, i * 1000 + 1012);
    const list = market.issues.flatMap(i => i.forecasts);
    const { app } = page(() => null);
    const root = document.createElement("div");
    app.slow.mix.value = mixOf("auto", 1, list);
    render(<MadeOf app={app} series={series} />, root);
    const text = (root.textContent ?? "").replace(/\s+/g, " ");
    expect(text).toContain("What auto is made of next bar");
    const newest = list.filter(f => f.model === "auto" && f.horizon === 1).at(-1)?.shares ?? [];
    expect(newest).toHaveLength(5);
    const rows = [...root.querySelectorAll(".shares li")].map(li => li.textContent);
    expect(rows).toEqual(newest.map(s => `${s.expert}${share(s.weight)}`));
    expect(root.querySelectorAll("svg .layer")).toHaveLength(5);
    expect(root.querySelector("desc")?.textContent).toContain("Now rangevol-t");
    app.slow.mix.value = mixOf("auto", 1, []);
    render(<MadeOf app={app} series={series} />, root);
    expect(root.textContent).toContain("has not combined any forecasts yet");
  });

  it("puts the champion first", () => {
    const list = [{ champion: false }, { champion: true }, { champion: false }];
    expect(championFirst(list).map(m => m.champion)).toEqual([true, false, false]);
  });

  it("gives the verdict in words, with the reason", () => {
    const text = page(app => <Verdict app={app} />).text();
    expect(text).toContain("not judged yet");
    expect(text).toContain("20 to 1 is needed");
  });

  it("shows the evidence on request, as the server weighed it", () => {
    const { app } = page(app => <EvidenceDialog app={app} />);
    expect(document.querySelector("dialog")).toBeNull();
    const m = accuracy.models.find(m => m.model === "ewma");
    if (m === undefined) throw new Error("no ewma");
    m.verdict = {
      code: "better_than_naive",
      text: "better than naive",
      why: "The evidence against luck reached 14814 to 1.",
      evidence: {
        n: 1203,
        e_value: 8213.9,
        peak: 14814.2,
        peak_better: 14814.2,
        peak_worse: 1,
        p: 1 / 14814.2,
        better: 16427,
        worse: 0.0004,
        weak: 3.21,
        mean_gain: 0.00123,
      },
    };
    app.weighed.value = "ewma";
    const root = document.createElement("div");
    render(<EvidenceDialog app={app} />, root);
    const text = (root.textContent ?? "").replace(/\s+/g, " ");
    for (const part of [
      "ewma against naive, next bar",
      "better than naive",
      "Evidence now8,213 to 1",
      "14,814 to 1",
      "< 0.0001",
      "1,203",
      "+0.00123",
      "less than 0.01 to 1",
      "3.2 to 1",
      "however often one looks",
    ])
      expect(text).toContain(part);
  });

  it("lists every model with its verdict, the champion first, naive as the yardstick", () => {
    const { app, text } = page(app => <Models app={app} series={series} />);
    const rows = [...document.querySelectorAll("#models tr[data-model]")].map(r => r.textContent ?? "");
    expect(rows).toHaveLength(accuracy.models.length);
    expect(rows[0]).toContain("champion");
    expect(text()).toContain("the yardstick itself");
    const button = document.querySelector<HTMLButtonElement>("#models button.verdict-words");
    button?.click();
    expect(app.weighed.value).toBe("auto");
  });

  it("says why a model abstains", () => {
    const { app } = page(() => null);
    app.abstentions.value = [{ model: "ewma", horizon: 0, reason: "too few bars: 7 of 20" }];
    const root = document.createElement("div");
    render(<Prediction app={app} series={series} />, root);
    expect(root.querySelector("#abstention")?.textContent).toBe("ewma abstains: too few bars: 7 of 20.");
  });

  it("shows refused inputs with file, line and reason, as text", () => {
    const { app } = page(() => null);
    const at = "2026-01-01T00:00:00Z";
    app.quarantine.value = {
      total: 1234,
      items: [
        {
          num: 1,
          at,
          source: "A.csv",
          instrument: "",
          line: 7,
          raw: "<img src=x onerror=alert(1)>",
          reason: "high below low",
        },
      ],
    };
    const root = document.createElement("div");
    render(<Quarantine app={app} />, root);
    expect(root.textContent).toContain("1,234 refused");
    expect(root.textContent).toContain("high below low A.csv, line 7");
    expect(root.querySelector("img")).toBeNull();
  });

  it("lists gaps newest first", () => {
    const { app } = page(() => null);
    const gap = (entry: number, reason: string) => ({
      entry,
      from: "2026-01-01T00:00:00Z",
      to: "2026-01-01T00:01:40Z",
      bars: 100,
      missed: 1500,
      reason,
    });
    app.gaps.value = [gap(3, "first"), gap(9, "second")];
    const root = document.createElement("div");
    render(<Gaps app={app} />, root);
    const text = root.textContent ?? "";
    expect(text).toContain("2 recorded");
    expect(text.indexOf("second")).toBeLessThan(text.indexOf("first"));
    expect(text).toContain("1 min 40 s");
  });
});
