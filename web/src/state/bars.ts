import type { Bar } from "../api/types.ts";
import { ms } from "../format/time.ts";

/** A bar with its times parsed; t is the start in milliseconds. */
export interface Candle {
  t: number;
  end: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  trades: number;
  revision: number;
}

/** What a merge did, so that the chart can do no more than it must. */
export type Change =
  | { kind: "none" }
  | { kind: "append"; bar: Candle }
  | { kind: "revise"; bar: Candle }
  | { kind: "rebuild" };

/** How many bars the page holds; the oldest go first. */
export const MAX_BARS = 20_000;
const TRIM = 2_000;

export function candle(b: Bar): Candle {
  return {
    t: ms(b.start),
    end: ms(b.end),
    open: b.open,
    high: b.high,
    low: b.low,
    close: b.close,
    volume: b.volume,
    trades: b.trades,
    revision: b.revision,
  };
}

/** The index of the first element whose time is at or after t. */
export function lowerBound(list: readonly { t: number }[], t: number): number {
  let lo = 0;
  let hi = list.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((list[mid] as { t: number }).t < t) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/**
 * The bars of one series, ordered by start, one for each start: the one with the
 * highest revision that was seen. The order of arrival does not matter.
 */
export class Bars {
  readonly items: Candle[] = [];
  #max: number;

  constructor(max = MAX_BARS) {
    this.#max = max;
  }

  get full(): boolean {
    return this.items.length >= this.#max;
  }

  get first(): Candle | undefined {
    return this.items[0];
  }

  get last(): Candle | undefined {
    return this.items[this.items.length - 1];
  }

  at(t: number): Candle | undefined {
    const b = this.items[lowerBound(this.items, t)];
    return b?.t === t ? b : undefined;
  }

  /** The index of the bar at t, or -1. */
  indexOf(t: number): number {
    const i = lowerBound(this.items, t);
    return this.items[i]?.t === t ? i : -1;
  }

  put(b: Candle): Change {
    const last = this.last;
    if (last === undefined || b.t > last.t) {
      this.items.push(b);
      if (this.items.length > this.#max) {
        this.items.splice(0, Math.min(TRIM, this.items.length >> 1));
        return { kind: "rebuild" };
      }
      return { kind: "append", bar: b };
    }
    const i = lowerBound(this.items, b.t);
    const old = this.items[i] as Candle;
    if (old.t !== b.t) {
      if (i === 0 && this.full) return { kind: "none" };
      this.items.splice(i, 0, b);
      if (this.items.length > this.#max) this.items.shift();
      return { kind: "rebuild" };
    }
    if (b.revision <= old.revision) return { kind: "none" };
    this.items[i] = b;
    return { kind: "revise", bar: b };
  }

  /** Merges a page of bars in any order; older bars beyond the limit are left out. Returns how many are new. */
  merge(page: readonly Candle[]): number {
    if (page.length === 0) return 0;
    const byStart = new Map<number, Candle>();
    for (const b of this.items) byStart.set(b.t, b);
    const before = byStart.size;
    for (const b of page) {
      const old = byStart.get(b.t);
      if (old === undefined || b.revision > old.revision) byStart.set(b.t, b);
    }
    const all = [...byStart.values()].sort((a, b) => a.t - b.t);
    const kept = all.slice(Math.max(0, all.length - this.#max));
    this.items.length = 0;
    for (const b of kept) this.items.push(b);
    return byStart.size - before;
  }

  clear(): void {
    this.items.length = 0;
  }
}
