import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { FeedHealth, Forecast, ScoreEvent } from "../api/types.ts";
import { Bars, type Candle, lowerBound } from "./bars.ts";
import { light, staleAfter } from "./light.ts";
import { type LiveEvent, parseEvent, Queue } from "./live.ts";
import { Throttle } from "./throttle.ts";
import { issued, sealed, Trail } from "./trail.ts";

const bar = (t: number, close = 1, revision = 0): Candle => ({
  t,
  end: t + 1000,
  open: close,
  high: close,
  low: close,
  close,
  volume: 1,
  trades: 1,
  revision,
});

const starts = (b: Bars): number[] => b.items.map(x => x.t);

describe("Bars", () => {
  it("appends, revises in place and ignores what it knows", () => {
    const b = new Bars();
    expect(b.put(bar(1000)).kind).toBe("append");
    expect(b.put(bar(2000)).kind).toBe("append");
    expect(b.put(bar(2000)).kind).toBe("none");
    expect(b.put(bar(1000, 5, 1)).kind).toBe("revise");
    expect(b.put(bar(1000, 4, 0)).kind).toBe("none");
    expect(b.at(1000)?.close).toBe(5);
    expect(starts(b)).toEqual([1000, 2000]);
  });

  it("puts a bar that comes late between its neighbours", () => {
    const b = new Bars();
    b.put(bar(1000));
    b.put(bar(3000));
    expect(b.put(bar(2000)).kind).toBe("rebuild");
    expect(starts(b)).toEqual([1000, 2000, 3000]);
  });

  it("does not depend on the order of arrival", () => {
    const all = [bar(1000), bar(2000, 1, 0), bar(2000, 2, 1), bar(3000), bar(4000), bar(2000, 3, 2)];
    const want = [1000, 2000, 3000, 4000];
    for (let seed = 1; seed < 60; seed++) {
      const shuffled = all
        .map((x, i) => ({ x, k: Math.sin(seed * (i + 1) * 12.9) }))
        .sort((a, b) => a.k - b.k);
      const live = new Bars();
      const paged = new Bars();
      const mixed = new Bars();
      for (const { x } of shuffled) live.put(x);
      paged.merge(shuffled.map(s => s.x));
      mixed.merge(shuffled.slice(0, 3).map(s => s.x));
      for (const { x } of shuffled.slice(2)) mixed.put(x);
      for (const b of [live, paged, mixed]) {
        expect(starts(b)).toEqual(want);
        expect(b.at(2000)?.close).toBe(3);
      }
    }
  });

  it("merges a page around what the stream brought meanwhile", () => {
    const b = new Bars();
    b.put(bar(5000, 9, 1));
    expect(b.merge([bar(5000), bar(4000), bar(3000)])).toBe(2);
    expect(starts(b)).toEqual([3000, 4000, 5000]);
    expect(b.last?.close).toBe(9);
  });

  it("holds no more than its limit, the newest", () => {
    const b = new Bars(100);
    for (let i = 0; i < 1000; i++) b.put(bar(i * 1000));
    expect(b.items.length).toBeLessThanOrEqual(100);
    expect(b.last?.t).toBe(999_000);
    b.merge([bar(1000), bar(2000)]);
    expect(b.items.length).toBeLessThanOrEqual(100);
  });

  it("finds by time", () => {
    const list = [{ t: 1 }, { t: 3 }, { t: 5 }];
    expect([0, 1, 2, 5, 6].map(t => lowerBound(list, t))).toEqual([0, 0, 1, 2, 3]);
  });
});

const iso = (ms: number): string => new Date(ms).toISOString();

const forecast = (entry: number, start: number, more: Partial<Forecast> = {}): Forecast => ({
  entry,
  hash: `hash${entry}`,
  model: "ewma",
  version: "v",
  horizon: 1,
  cutoff: iso(start),
  issued_at: iso(start + 50),
  opened_ms: 50,
  late: false,
  target: { start: iso(start), end: iso(start + 1000) },
  last: 10,
  point: 10,
  lower90: 9,
  lower50: 9.5,
  upper50: 10.5,
  upper90: 11,
  status: "open",
  actual: null,
  error: null,
  percent_error: null,
  hit: null,
  ...more,
});

const score = (start: number, actual: number, revision = 0): ScoreEvent => ({
  series: "s",
  entry: 99,
  target: iso(start),
  close: actual,
  revision,
  scores: [1, 2].map(horizon => ({
    model: "ewma",
    horizon,
    cutoff: iso(start - (horizon - 1) * 1000),
    predicted: 10,
    actual,
    error: actual - 10,
    percent_error: (actual - 10) * 10,
    hit: actual >= 9 && actual <= 11,
  })),
});

describe("Trail", () => {
  it("meets an outcome by target, not by order", () => {
    const t = new Trail();
    t.put(sealed(forecast(1, 1000)));
    t.put(sealed(forecast(3, 2000)));
    expect(t.settle(score(1000, 12), "ewma", 1)).toBe(true);
    expect(t.at(1000)).toMatchObject({ status: "scored", actual: 12, hit: false, error: 2 });
    expect(t.at(2000)?.status).toBe("open");
    expect(t.settled?.t).toBe(1000);
  });

  it("does not take an outcome of another horizon, model or cutoff", () => {
    const t = new Trail();
    t.put(sealed(forecast(1, 1000, { cutoff: iso(0) })));
    expect(t.settle(score(1000, 12), "ewma", 1)).toBe(false);
    expect(t.settle(score(1000, 12), "naive", 1)).toBe(false);
    expect(t.settle(score(5000, 12), "ewma", 1)).toBe(false);
  });

  it("takes a superseding outcome", () => {
    const t = new Trail();
    t.put(sealed(forecast(1, 1000)));
    t.settle(score(1000, 12), "ewma", 1);
    t.settle(score(1000, 10.5, 1), "ewma", 1);
    expect(t.at(1000)).toMatchObject({ actual: 10.5, hit: true });
  });

  it("does not forget an outcome when an older page says open", () => {
    const t = new Trail();
    t.put(sealed(forecast(1, 1000)));
    t.settle(score(1000, 12), "ewma", 1);
    expect(t.put(sealed(forecast(1, 1000)))).toBe(false);
    expect(t.settled?.actual).toBe(12);
  });

  it("sees the same forecast twice as one, and the newer of one target wins", () => {
    const t = new Trail();
    t.put(sealed(forecast(1, 1000)));
    t.put(sealed(forecast(1, 1000)));
    t.put(sealed(forecast(4, 1000, { point: 10.2 })));
    t.put(sealed(forecast(2, 1000, { point: 10.1 })));
    expect(t.items).toHaveLength(1);
    expect(t.at(1000)?.point).toBe(10.2);
  });

  it("marks what can no longer be judged", () => {
    const t = new Trail();
    t.put(sealed(forecast(1, 1000)));
    t.put(sealed(forecast(2, 2000)));
    expect(t.void({ series: "s", entry: 3, targets: [iso(1000)], reason: "gap" })).toBe(true);
    expect(t.items.map(f => f.status)).toEqual(["void", "open"]);
  });

  it("holds no more than its limit", () => {
    const t = new Trail(50);
    for (let i = 0; i < 500; i++) t.put(sealed(forecast(i, i * 1000)));
    expect(t.items).toHaveLength(50);
    expect(t.last?.t).toBe(499_000);
    expect(t.put(sealed(forecast(0, 0)))).toBe(false);
  });

  it("reads one model's forecasts of an event by horizon", () => {
    const f = (model: string, horizon: number) => ({
      ...forecast(7, 1000 * horizon),
      model,
      horizon,
    });
    const list = issued(
      {
        series: "s",
        entry: 7,
        hash: "h",
        cutoff: iso(1000),
        issued_at: iso(1050),
        last: 10,
        forecasts: [f("ewma", 2), f("naive", 1), f("ewma", 1)],
        abstentions: [],
      },
      "ewma",
    );
    expect(list.map(x => x.horizon)).toEqual([1, 2]);
    expect(list[0]).toMatchObject({ entry: 7, hash: "h", status: "open", actual: null, cutoff: 1000 });
  });
});

describe("parseEvent", () => {
  it("knows the events of the API and nothing else", () => {
    expect(parseEvent("bar", '{"series":"s"}')).toEqual({ type: "bar", data: { series: "s" } });
    expect(parseEvent("message", "{}")).toBeNull();
    expect(parseEvent("bar", "{")).toBeNull();
  });
});

describe("Queue and Throttle", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const event = { type: "status", data: {} } as unknown as LiveEvent;

  it("hands events over together and in order", () => {
    const got: number[] = [];
    const q = new Queue(e => void got.push(e === "overflow" ? -1 : e.length));
    for (let i = 0; i < 7; i++) q.push(event);
    expect(got).toEqual([]);
    vi.advanceTimersByTime(40);
    q.push(event);
    vi.advanceTimersByTime(40);
    expect(got).toEqual([7, 1]);
  });

  it("drops what nobody takes and says so once", () => {
    const got: unknown[] = [];
    const q = new Queue(e => void got.push(e), 10);
    for (let i = 0; i < 25; i++) q.push(event);
    vi.advanceTimersByTime(40);
    expect(got).toEqual(["overflow"]);
  });

  it("runs at once and at most once a period after that", () => {
    let n = 0;
    const t = new Throttle(1000, () => n++);
    for (let i = 0; i < 5; i++) t.call();
    expect(n).toBe(1);
    vi.advanceTimersByTime(1000);
    expect(n).toBe(2);
    vi.advanceTimersByTime(5000);
    expect(n).toBe(2);
  });
});

describe("the connection light", () => {
  const feed = (state: FeedHealth["state"]): FeedHealth => ({
    name: "sim",
    series: [],
    simulated: true,
    replay: false,
    state,
    detail: "",
    since: "2026-01-01T00:00:00Z",
    last_data: null,
    clock: null,
    ticks: 0,
    bars: 0,
    bars_revised: 0,
    ticks_late: 0,
    rejected: 0,
    gaps: 0,
  });
  it.each([
    ["live", light("open", feed("running"), 500, 1, false)],
    ["stale", light("open", feed("running"), staleAfter(1) + 1, 1, false)],
    ["stale", light("open", feed("running"), null, 1, false)],
    ["live", light("open", feed("running"), 61_000, 60, false)],
    ["stale", light("open", feed("stalled"), 500, 1, false)],
    ["finished", light("open", feed("finished"), 99_000, 1, false)],
    ["failed", light("open", feed("failed"), 99_000, 1, false)],
    ["reconnecting", light("reconnecting", feed("running"), 500, 1, false)],
    ["connecting", light("connecting", undefined, null, 1, false)],
    ["key needed", light("closed", undefined, null, 1, true)],
  ])("says %s", (word, l) => {
    expect(l.word).toBe(word);
    expect(l.why).not.toBe("");
  });
});
