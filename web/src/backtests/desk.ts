import { signal } from "@preact/signals";
import { type ApiError, api } from "../api/client.ts";
import type { BacktestOrder, Job, Model, Report } from "../api/types.ts";
import { Follow, problemOf } from "../state/follow.ts";

/** The backtests that the server keeps. */
export class Desk extends Follow<Job> {
  readonly models = signal<Model[]>([]);
  readonly reports = signal<ReadonlyMap<string, Report | ApiError>>(new Map());
  #asked = new Set<string>();

  protected override async readAll(signal: AbortSignal): Promise<Job[]> {
    const [jobs, models] = await Promise.all([
      api.backtests(signal),
      this.models.value.length > 0 ? { items: this.models.value } : api.models(signal),
    ]);
    this.models.value = models.items;
    return jobs.items;
  }

  protected override readOne(id: string, signal: AbortSignal): Promise<Job> {
    return api.backtest(id, signal);
  }

  protected override end(id: string): Promise<void> {
    return api.drop(id);
  }

  /** Orders a backtest; what the server has against it is thrown. */
  async order(o: BacktestOrder): Promise<Job> {
    try {
      const job = await api.order(o);
      this.put(job);
      return job;
    } catch (e) {
      throw this.refused(e);
    }
  }

  /** Reads the figures of a finished backtest, once. */
  async report(id: string): Promise<void> {
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    let r: Report | ApiError;
    try {
      r = await api.report(id);
    } catch (e) {
      this.#asked.delete(id);
      if (this.around.askKey(e)) return;
      r = problemOf(e);
    }
    this.reports.value = new Map(this.reports.value).set(id, r);
  }
}
