// @vitest-environment happy-dom
import { type ComponentChild, render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Fake } from "../../dev/fake.ts";
import { iso } from "../../dev/market.ts";
import { ApiError } from "../api/client.ts";
import type { Calibration, ModelAccuracy, Series } from "../api/types.ts";
import { App } from "../state/app.ts";
import { candle } from "../state/bars.ts";
import { sealed } from "../state/trail.ts";
import { AccuracyTable } from "./Accuracy.tsx";
import { CalibrationPanel } from "./Calibration.tsx";
import { EvidenceDialog } from "./Evidence.tsx";
import { Header } from "./Header.tsx";
import { MadeOf } from "./MadeOf.tsx";
import { Models } from "./Models.tsx";
import { Notices } from "./Notices.tsx";
import { Feeds, Gaps, Ledger, Quarantine } from "./Panels.tsx";
import { Prediction } from "./Prediction.tsx";
import { Recent } from "./Recent.tsx";
import { SplitsPanel } from "./Splits.tsx";
import { Verdict } from "./Verdict.tsx";

const NOW = Date.UTC(2026, 2, 4, 15, 0, 0);

let fake: Fake;
let known: { accuracy: ModelAccuracy[]; calibration: Calibration };
let root: HTMLElement;

/** The conditions that the page can be in, by what its signals then hold. */
const STATES = {
  // Nothing is known yet.
  loading: () => new App(),
  // Foretick has no series.
  empty: (): App => {
    const app = new App();
    app.loading.value = false;
    return app;
  },
  // There is a series, and no bar has come.
  waiting: (): App => {
    const app = STATES.empty();
    app.status.value = { version: "1.2.3" } as never;
    app.seriesList.value = fake.series.map(s => ({ ...s, last_bar: null, first_bar: null }));
    app.view.value = { ...app.view.value, series: fake.second.id, model: "auto" };
    app.accuracy.value = { series: fake.second.id, horizon: 1, as_of: null, models: [] };
    app.feeds.value = [fake.feed({ last_data: null, ticks: 0, bars: 0 })];
    app.stream.value = "open";
    return app;
  },
  live: (): App => {
    const app = STATES.waiting();
    app.seriesList.value = fake.series;
    app.bars.merge(fake.second.bars.map(candle));
    app.lastBar.value = app.bars.last ?? null;
    for (const f of fake.second.issues.flatMap(i => i.forecasts))
      if (f.model === "auto" && f.horizon === 1) app.trail.put(sealed(f));
    app.recent.value = app.trail.items.slice(-12).reverse();
    app.settled.value = app.trail.settled ?? null;
    app.fan.value = (fake.second.issues.at(-1)?.forecasts ?? []).filter(f => f.model === "auto").map(sealed);
    app.accuracy.value = {
      ...{ series: fake.second.id, horizon: 1, as_of: iso(NOW) },
      models: known.accuracy,
    };
    app.slow.calibration.value = known.calibration;
    app.head.value = { series: fake.second.id, seq: fake.second.entry, hash: fake.second.hash };
    app.feeds.value = [fake.feed()];
    app.now.value = NOW;
    return app;
  },
  // The feed is silent.
  stale: (): App => {
    const app = STATES.live();
    app.feeds.value = [fake.feed({ state: "stalled", detail: "the venue sends nothing" })];
    app.now.value = NOW + 95_000;
    return app;
  },
  // The server cannot be reached.
  offline: (): App => {
    const app = STATES.live();
    app.stream.value = "reconnecting";
    app.problem.value = new ApiError(0, "No answer", "Foretick does not answer.");
    return app;
  },
  // The server answers with an error, and says that it is not ready.
  error: (): App => {
    const app = STATES.live();
    app.ready.value = { ready: false, reason: "The disk is full." };
    app.problem.value = new ApiError(503, "Service Unavailable", "the database is locked");
    return app;
  },
  // The recording has been played to its end.
  finished: (): App => {
    const app = STATES.live();
    app.feeds.value = [fake.feed({ state: "finished", replay: true, clock: iso(NOW) })];
    return app;
  },
  locked: (): App => {
    const app = STATES.empty();
    app.needKey.value = "missing";
    return app;
  },
};
type State = keyof typeof STATES;

const of = (app: App): Series => app.series.value ?? (fake.series[0] as Series);

const PARTS: Record<string, (app: App) => ComponentChild> = {
  Header: app => <Header app={app} />,
  Notices: app => <Notices app={app} />,
  Prediction: app => <Prediction app={app} series={of(app)} />,
  Verdict: app => <Verdict app={app} />,
  Evidence: app => <EvidenceDialog app={app} />,
  Accuracy: app => <AccuracyTable app={app} series={of(app)} />,
  Calibration: app => <CalibrationPanel app={app} series={of(app)} />,
  Models: app => <Models app={app} series={of(app)} />,
  MadeOf: app => <MadeOf app={app} series={of(app)} />,
  Recent: app => <Recent app={app} series={of(app)} />,
  Feeds: app => <Feeds app={app} />,
  Ledger: app => <Ledger app={app} />,
  Splits: app => <SplitsPanel app={app} series={of(app)} />,
  Gaps: app => <Gaps app={app} />,
  Quarantine: app => <Quarantine app={app} />,
};

function show(part: string, app: App): string {
  void act(() => render((PARTS[part] as (app: App) => ComponentChild)(app), root));
  return (root.textContent ?? "").replace(/\s+/g, " ").trim();
}

beforeAll(() => {
  fake = new Fake(60, NOW);
  known = { accuracy: fake.second.accuracy(1), calibration: fake.second.calibration("auto", 1) };
});
beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  root = document.createElement("div");
  document.body.append(root);
});
afterEach(() => {
  void act(() => render(null, root));
  root.remove();
  vi.useRealTimers();
});

/** What each part says in each state. A part that says nothing has an empty string. */
const SAYS: Record<string, Partial<Record<State, string | RegExp>>> = {
  Header: {
    loading: /^ForetickLiveBacktestsModelsconnecting/,
    empty: /^ForetickLiveBacktestsModelsconnecting/,
    waiting: /AMZN · sim.*1s1m.*auto ★.*SIMULATED.*stale/,
    live: /live0\.0 s/,
    stale: /stale1 min 35 s/,
    offline: /reconnecting/,
    finished: /finished/,
    locked: /key needed/,
  },
  Notices: {
    loading: "",
    empty: "",
    locked: "",
    waiting: "Simulated prices. No real market stands behind them.",
    live: "Simulated prices. No real market stands behind them.",
    stale:
      /Stale input\. sim has sent nothing for 1 min 35 s \(the venue sends nothing\)\. The forecast shown is from before/,
    offline: /No answer\. Foretick does not answer\. Is Foretick running.*keeps trying\. Try again Dismiss/,
    error:
      /Not ready\. The disk is full\. ?Service Unavailable\. the database is locked Look at Foretick's log/,
  },
  Prediction: {
    loading: "Forecast , next barNo forecast of this model and horizon has met its outcome yet.Loading…",
    waiting: /has met its outcome yet\.No forecast is open\. The next one is sealed when a bar closes\./,
    live: /Predicted price [\d.]+, Actual price [\d.]+, Difference [+−][\d.]+%Next: [\d.]+ \(90 %: [\d.]+ to [\d.]+\), sealed/,
  },
  Verdict: {
    loading: /Loading…$/,
    waiting: /No accuracy is known for this model yet\.$/,
    live: /… not judged yet.*20 to 1 is needed\.Show the evidence$/,
  },
  Evidence: { loading: "", empty: "", waiting: "", live: "" },
  Accuracy: { loading: /LastLoading…/, waiting: /LastNothing judged yet/, live: /up to the bar of/ },
  Calibration: { loading: /Loading…/, live: /Promised 90 %, kept/ },
  Models: { loading: /Loading…/, waiting: /No model has been judged yet\./, live: /^Models.*autochampion/ },
  MadeOf: { loading: /Loading…/, waiting: /What auto is made of/ },
  Recent: {
    loading: /Loading…$/,
    waiting: /None yet\.$/,
    live: /open ?#\d+ [0-9a-f]{4}….*(✓ inside|✕ outside)/,
  },
  Feeds: {
    loading: /No feed has reported yet\./,
    waiting: /● running/,
    live: /● running 0\.0 s ago/,
    stale: /▲ stalled.*the venue sends nothing/,
    finished: /■ finished.*The recording is at/,
  },
  Ledger: { loading: /The chain begins with the first bar\./, live: /Entry \d+, hash [0-9a-f]{16}… Copy/ },
  Splits: { loading: /None is known, and no move looks like one\./ },
  Gaps: { loading: /0 recordedNo gap in this series\./ },
  Quarantine: { loading: /0 refusedNothing was refused\./ },
};

describe("every part of the page in every state", () => {
  const cases = Object.keys(PARTS).flatMap(part =>
    (Object.keys(STATES) as State[]).map(state => [part, state] as const),
  );

  it.each(cases)("%s while %s", (part, state) => {
    const text = show(part, STATES[state]());
    const want = SAYS[part]?.[state];
    if (typeof want === "string") expect(text).toBe(want);
    else if (want !== undefined) expect(text).toMatch(want);
    // Whatever is not known has words or a dash of its own.
    expect(text).not.toMatch(/NaN|null|undefined|Infinity|Invalid|\[object/);
    if (state === "live" || state === "loading") named();
  });

  /** Whoever does not see the page is told what each control and each region is. */
  function named(): void {
    const nameOf = (e: Element): string =>
      e.getAttribute("aria-label") ??
      ((e.getAttribute("aria-labelledby") ?? "")
        .split(" ")
        .map(id => document.getElementById(id)?.textContent ?? "")
        .join(" ")
        .trim() ||
        (e.closest("label")?.textContent ?? e.textContent ?? "").trim());
    for (const e of root.querySelectorAll("button, a, input, select, section, table, [tabindex], [role]")) {
      if (e.tagName === "TABLE" && e.querySelector("caption") === null) continue;
      expect([e.outerHTML.slice(0, 120), nameOf(e) !== ""]).toEqual([e.outerHTML.slice(0, 120), true]);
    }
    const ids = [...root.querySelectorAll("[id]")].map(e => e.id);
    expect(new Set(ids).size).toBe(ids.length);
  }
});

describe("what must not be overlooked", () => {
  it("is told as an alert", () => {
    show("Notices", STATES.error());
    expect([...root.querySelectorAll('[role="alert"]')]).toHaveLength(2);
    show("Notices", STATES.live());
    expect(root.querySelector('[role="alert"]')).toBeNull();
  });

  it("goes away when it is dismissed, and is asked for again on request", () => {
    const app = STATES.offline();
    const reload = vi.spyOn(app, "reload").mockResolvedValue();
    show("Notices", app);
    const [again, dismiss] = root.querySelectorAll("button");
    again?.click();
    expect(reload).toHaveBeenCalledTimes(1);
    void act(() => dismiss?.click());
    expect(app.problem.value).toBeNull();
    expect(show("Notices", app)).not.toContain("No answer");
  });

  it("is not told of a series that the page does not show", () => {
    const app = STATES.live();
    app.view.value = { ...app.view.value, page: "backtests" };
    expect(show("Notices", app)).toBe("");
    expect(show("Header", app)).not.toMatch(/SIMULATED|live0/);
  });

  it("is no stale input where a recording is played", () => {
    const app = STATES.stale();
    app.seriesList.value = app.seriesList.value.map(s => ({ ...s, mode: "replay" }));
    expect(show("Notices", app)).not.toContain("Stale input");
  });

  it("is a replay on a replay only, and real prices are not called simulated", () => {
    const app = STATES.live();
    const [first] = app.seriesList.value;
    if (first === undefined) throw new Error("no series");
    app.seriesList.value = [
      { ...first, mode: "replay", instrument: { ...first.instrument, simulated: false } },
    ];
    expect(show("Notices", app)).toMatch(/^Replay of recorded data\./);
    expect(show("Header", app)).toContain("REPLAY");
    expect(show("Header", app)).not.toContain("SIMULATED");
  });

  it("is a move that looks like a split, as long as models may still see it", () => {
    const app = STATES.live();
    const warn = (t: number, announced = false): void => {
      const bar = { start: iso(t), end: iso(t + 1000) };
      app.splits.warnings.value = [
        {
          series: "s",
          bar,
          close: 400,
          open: 100,
          ratio: 4,
          voided: 5,
          announced,
          reason: "looks like a split 4:1",
        } as never,
      ];
    };
    warn(NOW - 10_000);
    expect(show("Notices", app)).toContain(
      "Data warning. The move from 400.00 to 100.00 at 14:59:50 looks like a split 4:1. No model learns from it",
    );
    expect(show("Splits", app)).toContain("1 data warning");
    expect(show("Splits", app)).toContain("▲ looks like a split 4:1");
    warn(NOW - 10_000, true);
    expect(show("Notices", app)).not.toContain("Data warning");
    warn(NOW - 3_600_000);
    expect(show("Notices", app)).not.toContain("Data warning");
  });

  it("lists splits and dividends newest first, each with a sign of its own", () => {
    const app = STATES.live();
    app.splits.actions.value = [
      { ex: iso(NOW - 50_000), kind: "split", ratio: 4, words: "split 4:1" },
      { ex: iso(NOW - 20_000), kind: "dividend", amount: 0.8, words: "dividend 0.8" },
    ] as never;
    expect(show("Splits", app)).toMatch(/● dividend 0\.8 14:59:40◆ split 4:1 14:59:10/);
  });
});

describe("an outcome in the list of forecasts", () => {
  it.each([
    ["open", { status: "open" as const }, "open"],
    ["late and open", { status: "open" as const, late: true }, "open late"],
    ["void", { status: "void" as const }, "void: its bar never was"],
    ["inside", { status: "scored" as const, hit: true, actual: 1, percentError: 0.5 }, "✓ inside"],
    ["outside", { status: "scored" as const, hit: false, actual: 1, percentError: -0.5 }, "✕ outside"],
    ["late and outside", { status: "scored" as const, hit: false, late: true, actual: 1 }, "✕ outside late"],
  ])("is %s in words and signs, not only in colour", (_, more, want) => {
    const app = STATES.live();
    const [f] = app.recent.value;
    if (f === undefined) throw new Error("no forecast");
    app.recent.value = [{ ...f, actual: null, percentError: null, hit: null, ...more }];
    show("Recent", app);
    const cells = [...root.querySelectorAll("tbody td")].map(c =>
      (c.textContent ?? "").replace(/\s+/g, " ").trim(),
    );
    expect(cells[4]).toBe(want);
    expect(cells[2]).toBe(more.status === "scored" ? "1.00" : "–");
  });
});
