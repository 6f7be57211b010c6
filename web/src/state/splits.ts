import { batch, computed, signal } from "@preact/signals";
import { api } from "../api/client.ts";
import type { Action, Warning } from "../api/types.ts";
import { ms } from "../format/time.ts";
import type { Bars, Candle } from "./bars.ts";
import { Throttle } from "./throttle.ts";

const EVERY_MS = 5000;

/** A split, a dividend, or a move that looks like a split which nobody announced. */
export interface Mark {
  kind: "split" | "dividend" | "suspected";
  /** When it took effect, in milliseconds. */
  t: number;
  words: string;
}

/** What a Splits needs of the page around it. */
export interface Around {
  series(): string;
  /** Ends with the series that is looked at. */
  signal(): AbortSignal;
  failed(e: unknown, signal: AbortSignal): void;
  /** What is known is new. */
  told(): void;
}

/** Splits and dividends of the instrument that is looked at, and the data warnings of the series. */
export class Splits {
  readonly actions = signal<Action[]>([]);
  readonly warnings = signal<Warning[]>([]);
  /** Those that nobody announced. */
  readonly suspected = computed(() => this.warnings.value.filter(w => !w.announced));
  /** Everything, newest first. */
  readonly marks = computed<Mark[]>(() =>
    [
      ...this.actions.value.map(a => ({ kind: a.kind as Mark["kind"], t: ms(a.ex), words: a.words })),
      ...this.suspected.value.map(w => ({
        kind: "suspected" as const,
        t: ms(w.bar.start),
        words: w.reason,
      })),
    ].sort((a, b) => b.t - a.t),
  );
  #around: Around;
  #soon = new Throttle(EVERY_MS, () => void this.load());

  constructor(around: Around) {
    this.#around = around;
  }

  /** Something happened after which there may be more. */
  stir(): void {
    this.#soon.call();
  }

  clear(): void {
    batch(() => {
      this.actions.value = [];
      this.warnings.value = [];
    });
  }

  async load(): Promise<void> {
    const series = this.#around.series();
    const signal = this.#around.signal();
    if (series === "") return;
    try {
      const [actions, warnings] = await Promise.all([
        api.actions(series, signal),
        api.warnings(series, signal),
      ]);
      if (series !== this.#around.series()) return;
      if (
        JSON.stringify([actions.items, warnings.items]) ===
        JSON.stringify([this.actions.value, this.warnings.value])
      )
        return;
      batch(() => {
        this.actions.value = actions.items;
        this.warnings.value = warnings.items;
      });
      this.#around.told();
    } catch (e) {
      this.#around.failed(e, signal);
    }
  }

  /** Whether an action takes effect after the bar `before` and no later than in `bar`. */
  between(before: Candle | undefined, bar: Candle): boolean {
    return this.actions.value.some(a => ms(a.ex) < bar.end && ms(a.ex) >= (before?.end ?? bar.t));
  }

  /** The start of the first bar after the newest action that is in force; 0 when there is none. */
  newest(bars: Bars): number {
    const last = bars.last;
    if (last === undefined) return 0;
    const ex = Math.max(0, ...this.actions.value.map(a => ms(a.ex)).filter(t => t < last.end));
    return bars.items.find(b => b.end > ex)?.t ?? 0;
  }

  /** Marks with the bars that they belong to, oldest first; those out of sight are left out. */
  placed(bars: Bars): { bar: Candle; mark: Mark }[] {
    const first = bars.first;
    const list: { bar: Candle; mark: Mark }[] = [];
    if (first === undefined) return list;
    for (const mark of [...this.marks.value].reverse()) {
      if (mark.t < first.t) continue;
      const bar = bars.items.find(b => b.end > mark.t);
      if (bar !== undefined) list.push({ bar, mark });
    }
    return list;
  }
}
