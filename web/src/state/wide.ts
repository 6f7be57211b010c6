import { signal } from "@preact/signals";
import { api } from "../api/client.ts";
import type { Adjusted } from "../api/types.ts";
import { type Candle, candle, lowerBound } from "./bars.ts";

/** A stretch of time drawn in candles of an interval that fits, in place of the series' bars. */
export interface Stretch {
  /** As the server names it, such as 1h. */
  interval: string;
  items: readonly Candle[];
  /** What was asked for; to may be ahead of the newest bar. In milliseconds, as all here. */
  from: number;
  to: number;
  /** The width that was in sight when it was asked for. */
  width: number;
}

/** Asked for are this many times what is in sight: room to move and to zoom. */
const ROOM = 3;
/** A width that differs by more than this asks for another interval. */
const ZOOM = 1.6;

/** Candles for each pixel of what is in sight, at most. */
export const DENSE = 0.8;

/** The time at a fractional index of items, which stand step apart beyond their ends. */
export function timeAt(items: readonly { t: number }[], index: number, step: number): number {
  const last = items.length - 1;
  const at = (i: number): number => (items[i] as { t: number }).t;
  if (last < 0) return 0;
  if (index <= 0) return at(0) + index * step;
  if (index >= last) return at(last) + (index - last) * step;
  const i = Math.floor(index);
  return at(i) + (index - i) * (at(i + 1) - at(i));
}

/** The fractional index at a time: the reverse of timeAt. */
export function indexAt(items: readonly { t: number }[], t: number, step: number): number {
  const last = items.length - 1;
  const at = (i: number): number => (items[i] as { t: number }).t;
  if (last < 0) return 0;
  if (t <= at(0)) return (t - at(0)) / step;
  if (t >= at(last)) return last + (t - at(last)) / step;
  const i = lowerBound(items, t);
  return i - 1 + (t - at(i - 1)) / (at(i) - at(i - 1));
}

/** The usual step between items: the median, so that nights and week-ends do not count. */
export function stepOf(items: readonly { t: number }[], fallback: number): number {
  if (items.length < 3) return fallback;
  const steps: number[] = [];
  for (let i = 1; i < items.length; i++)
    steps.push((items[i] as { t: number }).t - (items[i - 1] as { t: number }).t);
  return steps.sort((a, b) => a - b)[steps.length >> 1] as number;
}

/** The beginning of the series, as far as a stretch shows it: 0 when older candles may exist. */
export function beginning(s: Stretch): number {
  const t = s.items[0]?.t ?? 0;
  return t > s.from + 0.3 * (s.to - s.from) ? t : 0;
}

/** Whether what is in sight, from a to b, asks for another stretch than s; last is the newest bar. */
export function outgrown(s: Stretch, a: number, b: number, last: number): boolean {
  const width = b - a;
  return (
    width > s.width * ZOOM ||
    width * ZOOM < s.width ||
    (a < s.from && beginning(s) === 0) ||
    (b > s.to && s.to < last)
  );
}

/** The candles that are drawn when the series' own bars would be too many; null while those are. */
export class Wide {
  readonly drawn = signal<Stretch | null>(null);
  readonly loading = signal(false);
  #asked = 0;

  /** Back to the series' own bars. */
  leave(): void {
    this.#asked++;
    this.loading.value = false;
    this.drawn.value = null;
  }

  /** Asks for what is in sight from a to b, on a chart of some pixels. Undefined: another call came in between. */
  async load(
    series: string,
    adjusted: Adjusted,
    a: number,
    b: number,
    pixels: number,
    signal?: AbortSignal,
  ): Promise<Stretch | undefined> {
    const asked = ++this.#asked;
    const width = b - a;
    const from = a - (width * (ROOM - 1)) / 2;
    const to = b + (width * (ROOM - 1)) / 2;
    const max_points = Math.min(10_000, Math.max(300, Math.round(pixels * DENSE * ROOM)));
    this.loading.value = true;
    try {
      const page = await api.chart(
        series,
        {
          from: new Date(Math.max(from, 0)).toISOString(),
          to: new Date(to).toISOString(),
          max_points,
          adjusted,
        },
        signal,
      );
      if (asked !== this.#asked) return undefined;
      return { interval: page.interval, items: page.items.map(candle), from, to, width };
    } finally {
      if (asked === this.#asked) this.loading.value = false;
    }
  }
}
