import { describe, expect, it, vi } from "vitest";
import { Dice, eventOf, Market } from "../../dev/market.ts";
import type { Bar, Forecast, ForecastEvent, ScoreEvent, VoidEvent } from "../api/types.ts";
import { ms } from "../format/time.ts";
import { Bars, type Candle, candle } from "./bars.ts";
import { type LiveEvent, Queue } from "./live.ts";
import { Throttle } from "./throttle.ts";
import { issued, sealed, Trail } from "./trail.ts";

// What the page shows must not depend on how the network delivers: pages and events overlap,
// come twice, late and in another order. Each property is tried on many draws.

const DRAWS = 30;

function shuffle<T>(list: readonly T[], dice: Dice): T[] {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const k = Math.floor(dice.next() * (i + 1));
    [copy[i], copy[k]] = [copy[k] as T, copy[i] as T];
  }
  return copy;
}

describe("bars, however they come", () => {
  /** Bars with holes, some of them revised. */
  function history(dice: Dice): Candle[] {
    const list: Candle[] = [];
    for (let t = 0; t < 40_000; t += 1000) {
      if (dice.next() < 0.15) continue;
      const revisions = 1 + Math.floor(dice.next() * 3);
      for (let revision = 0; revision < revisions; revision++) {
        const bar = { start: new Date(t).toISOString(), end: new Date(t + 1000).toISOString() };
        list.push(
          candle({
            ...bar,
            open: 1,
            high: 9,
            low: 1,
            close: revision + 1,
            volume: 1,
            trades: 1,
            revision,
          } as Bar),
        );
      }
    }
    return list;
  }

  it("are those of the newest revisions, in order", () => {
    for (let seed = 1; seed <= DRAWS; seed++) {
      const dice = new Dice(seed);
      const all = history(dice);
      const newest = new Map<number, Candle>();
      for (const b of all) if (b.revision >= (newest.get(b.t)?.revision ?? 0)) newest.set(b.t, b);
      const want = [...newest.values()].sort((a, b) => a.t - b.t);

      const bars = new Bars();
      const rest = shuffle([...all, ...all.slice(0, 10)], dice);
      while (rest.length > 0) {
        const n = 1 + Math.floor(dice.next() * 8);
        const part = rest.splice(0, n);
        if (dice.next() < 0.5) bars.merge(part);
        else for (const b of part) bars.put(b);
      }
      expect(bars.items).toEqual(want);
      expect(bars.first).toEqual(want[0]);
      expect(bars.last).toEqual(want.at(-1));
      for (const b of want) {
        expect(bars.at(b.t)).toEqual(b);
        expect(bars.items[bars.indexOf(b.t)]).toEqual(b);
      }
      expect(bars.at(-1)).toBeUndefined();
      expect(bars.indexOf(500)).toBe(-1);
    }
  });

  it("say what changed, so that a listener who only follows changes has the same", () => {
    for (let seed = 1; seed <= DRAWS; seed++) {
      const dice = new Dice(seed);
      const bars = new Bars(25);
      let mine: Candle[] = [];
      for (const b of shuffle(history(dice), dice)) {
        const c = bars.put(b);
        if (c.kind === "append") mine.push(c.bar);
        else if (c.kind === "revise") mine = mine.map(x => (x.t === c.bar.t ? c.bar : x));
        else if (c.kind === "rebuild") mine = [...bars.items];
        expect(mine.length === bars.items.length && mine.every((x, i) => x === bars.items[i])).toBe(true);
        expect(bars.items.length).toBeLessThanOrEqual(25);
      }
    }
  });
});

describe("forecasts and outcomes, however they come", () => {
  const model = "naive";
  const horizon = 2;

  /** A market's history as events and as pages. */
  function recorded(seed: number): { events: ((t: Trail) => void)[]; pages: Forecast[] } {
    const market = new Market("sim:AMZN@1s", 1000, seed);
    const events: ((t: Trail) => void)[] = [];
    for (let i = 0; i < 45; i++) {
      const { score, issue } = market.advance(i * 1000, i * 1000 + 1012);
      const f: ForecastEvent = structuredClone(eventOf(market.id, issue));
      events.push(t => {
        const chosen = issued(f, model).find(x => x.horizon === horizon);
        if (chosen !== undefined) t.put(chosen);
      });
      if (score !== null) {
        const s: ScoreEvent = structuredClone(score);
        events.push(t => void t.settle(s, model, horizon));
      }
    }
    const pages = market.issues
      .flatMap(i => i.forecasts)
      .filter(f => f.model === model && f.horizon === horizon);
    return { events, pages };
  }

  it("are the same by the stream, by a page, and by both in any mixture", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { events, pages } = recorded(seed);
      const paged = new Trail();
      for (const f of pages) paged.put(sealed(f));
      const live = new Trail();
      for (const e of events) e(live);
      expect(live.items).toEqual(paged.items);
      expect(paged.items.length).toBeGreaterThan(20);

      const dice = new Dice(seed);
      const mixed = new Trail();
      const from = Math.floor(dice.next() * events.length);
      // The stream is open before the page comes, which knows everything up to now.
      for (const e of events.slice(from)) e(mixed);
      for (const f of shuffle(pages, dice)) mixed.put(sealed(f));
      for (const e of events.slice(from)) e(mixed);
      expect(mixed.items).toEqual(paged.items);
    }
  });

  it("keep an outcome, whatever comes again", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { events, pages } = recorded(seed);
      const t = new Trail();
      for (const e of events) e(t);
      const before = structuredClone(t.items);
      for (const f of pages)
        t.put(sealed({ ...f, status: "open", actual: null, error: null, hit: null, percent_error: null }));
      expect(t.items).toEqual(before);
      expect(t.settled).toEqual(before.filter(f => f.status === "scored").at(-1));
    }
  });

  it("stay scored where a void comes too late, and void only what is open", () => {
    const { events } = recorded(3);
    const t = new Trail();
    for (const e of events) e(t);
    const all = t.items.map(f => f.t);
    const v: VoidEvent = {
      series: "s",
      entry: 1,
      targets: all.map(x => new Date(x).toISOString()),
      reason: "gap",
    };
    const open = t.items.filter(f => f.status === "open").length;
    expect(open).toBeGreaterThan(0);
    expect(t.void(v)).toBe(true);
    expect(t.items.filter(f => f.status === "void")).toHaveLength(open);
    expect(t.void(v)).toBe(false);
    t.clear();
    expect(t.last).toBeUndefined();
    expect(t.settled).toBeUndefined();
    expect(t.void(v)).toBe(false);
  });

  it("do not take an outcome of another cutoff of the same target", () => {
    const market = new Market("sim:AMZN@1s", 1000, 5);
    let last: ScoreEvent | null = null;
    for (let i = 0; i < 30; i++) last = market.advance(i * 1000, i * 1000 + 1012).score;
    const f = market.issues
      .flatMap(i => i.forecasts)
      .find(f => f.target.start === last?.target && f.horizon === 3);
    const t = new Trail();
    t.put(sealed({ ...(f as Forecast), status: "open", actual: null }));
    expect(t.settle(last as ScoreEvent, "naive", 1)).toBe(false);
    expect(t.at(ms(f?.target.start ?? ""))?.status).toBe("open");
  });
});

describe("what waits", () => {
  const event = (n: number): LiveEvent => ({ type: "gap", data: { n } }) as unknown as LiveEvent;

  it("is handed over whole and in order for any rhythm, or told to be too much", () => {
    vi.useFakeTimers();
    for (let seed = 1; seed <= DRAWS; seed++) {
      const dice = new Dice(seed);
      const got: number[] = [];
      let overflowed = 0;
      const q = new Queue(e => {
        if (e === "overflow") overflowed++;
        else got.push(...e.map(x => (x.data as unknown as { n: number }).n));
      }, 40);
      let sent = 0;
      for (let burst = 0; burst < 12; burst++) {
        const n = Math.floor(dice.next() * 30);
        for (let i = 0; i < n; i++) q.push(event(sent++));
        vi.advanceTimersByTime(34 + Math.floor(dice.next() * 50));
      }
      expect(overflowed).toBe(0);
      expect(got).toEqual(Array.from({ length: sent }, (_, i) => i));
    }
    vi.useRealTimers();
  });

  it("is handed over at once on request, and forgotten on request", () => {
    vi.useFakeTimers();
    const take = vi.fn();
    const q = new Queue(take);
    q.push(event(1));
    q.flush();
    expect(take).toHaveBeenCalledTimes(1);
    q.flush();
    q.push(event(2));
    q.clear();
    vi.advanceTimersByTime(1000);
    expect(take).toHaveBeenCalledTimes(1);
    vi.useRealTimers();
  });

  it("is done at most once a period, and after the last call once more", () => {
    vi.useFakeTimers({ now: 0 });
    for (let seed = 1; seed <= DRAWS; seed++) {
      const dice = new Dice(seed);
      const ran: number[] = [];
      const t = new Throttle(100, () => ran.push(Date.now()));
      let last = 0;
      for (let i = 0; i < 40; i++) {
        vi.advanceTimersByTime(Math.floor(dice.next() * 60));
        t.call();
        last = Date.now();
      }
      vi.advanceTimersByTime(500);
      for (let i = 1; i < ran.length; i++)
        expect((ran[i] as number) - (ran[i - 1] as number)).toBeGreaterThanOrEqual(100);
      expect(ran.at(-1)).toBeGreaterThanOrEqual(last);
      expect(ran.at(-1)).toBeLessThanOrEqual(last + 100);
    }
    vi.useRealTimers();
  });
});
