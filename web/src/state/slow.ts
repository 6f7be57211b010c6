import { signal } from "@preact/signals";
import { api } from "../api/client.ts";
import type { Calibration } from "../api/types.ts";
import { Throttle } from "./throttle.ts";
import type { View } from "./url.ts";

/** What a Slow needs of the page around it. */
export interface Around {
  view(): View;
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
  }

  async load(): Promise<void> {
    const { series, model, horizon } = this.#around.view();
    if (series === "" || model === "" || !this.#around.watched()) return;
    const signal = this.#around.signal();
    const ask = ++this.#asked;
    try {
      const c = await api.calibration(series, { model, horizon }, signal);
      // The answer to the latest question only: a slow one must not undo a new choice.
      if (ask === this.#asked) this.calibration.value = c;
    } catch (e) {
      this.#around.failed(e, signal);
    }
  }
}
