import { batch, signal } from "@preact/signals";
import { api } from "../api/client.ts";
import type { Calibration } from "../api/types.ts";
import { MIX_POINTS, type Mix, mixOf } from "./mix.ts";
import { Throttle } from "./throttle.ts";
import type { View } from "./url.ts";

/** What a Slow needs of the page around it. */
export interface Around {
  view(): View;
  /** The model that combines others; empty when there is none. */
  combined(): string;
  /** Ends with the series that is looked at. */
  signal(): AbortSignal;
  /** Whether anyone sees the live page. */
  watched(): boolean;
  failed(e: unknown, signal: AbortSignal): void;
}

const EVERY_MS = 4000;

/** What stands below the chart, costs the server more than a look, and may be some seconds old. */
export class Slow {
  readonly calibration = signal<Calibration | null>(null);
  readonly mix = signal<Mix | null>(null);
  #around: Around;
  #soon = new Throttle(EVERY_MS, () => void this.load());
  #asked = 0;

  constructor(around: Around) {
    this.#around = around;
  }

  /** Something was judged or sealed. */
  stir(): void {
    this.#soon.call();
  }

  /** Another series: what is known is of the old one. */
  clear(): void {
    this.calibration.value = null;
    this.mix.value = null;
  }

  async load(): Promise<void> {
    const { series, model, horizon } = this.#around.view();
    if (series === "" || model === "" || !this.#around.watched()) return;
    const signal = this.#around.signal();
    const ask = ++this.#asked;
    try {
      const [c, mix] = await Promise.all([
        api.calibration(series, { model, horizon }, signal),
        this.#mix(series, horizon, signal),
      ]);
      // The answer to the latest question only: a slow one must not undo a new choice.
      if (ask !== this.#asked) return;
      batch(() => {
        this.calibration.value = c;
        this.mix.value = mix;
      });
    } catch (e) {
      this.#around.failed(e, signal);
    }
  }

  /** The weights with what was sealed since they were last asked for. */
  async #mix(series: string, horizon: number, signal: AbortSignal): Promise<Mix | null> {
    const model = this.#around.combined();
    if (model === "") return null;
    const old = this.mix.value;
    const known = old?.model === model && old.horizon === horizon ? old : null;
    const last = known?.points[known.points.length - 1];
    const q = { model, horizon, limit: MIX_POINTS };
    const page = await api.forecasts(
      series,
      last === undefined ? q : { ...q, from: new Date(last.t).toISOString() },
      signal,
    );
    return mixOf(model, horizon, page.items, known);
  }
}
