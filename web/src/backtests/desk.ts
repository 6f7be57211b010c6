import { batch, computed, signal } from "@preact/signals";
import { ApiError, api } from "../api/client.ts";
import type { BacktestOrder, Job, Model, Report } from "../api/types.ts";

const POLL_MS = 1000;
const AGAIN_MS = 4000;

/** Whether a backtest may still change by itself. */
export const active = (j: Job): boolean => j.state === "queued" || j.state === "running";

/** What a Desk needs of the page. */
interface Around {
  /** Asks for a key when that is what an error is about. */
  askKey(e: unknown): boolean;
}

/**
 * The backtests that the server keeps: it asks once a second while one is queued or
 * running, and for that one only; the list is read anew when it ends.
 */
export class Desk {
  /** Newest first; null until the server has said. */
  readonly jobs = signal<Job[] | null>(null);
  readonly models = signal<Model[]>([]);
  readonly reports = signal<ReadonlyMap<string, Report | ApiError>>(new Map());
  readonly problem = signal<ApiError | null>(null);
  readonly busy = computed(() => this.jobs.value?.some(active) ?? false);
  #around: Around;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = new Set<string>();

  constructor(around: Around) {
    this.#around = around;
  }

  /** Begins to follow; the function that comes back ends it. */
  start(): () => void {
    const seen = (): void => {
      if (!document.hidden) void this.load();
    };
    document.addEventListener("visibilitychange", seen);
    void this.load();
    return () => {
      document.removeEventListener("visibilitychange", seen);
      clearTimeout(this.#timer);
      this.#abort.abort();
      this.#abort = new AbortController();
    };
  }

  job(id: string): Job | undefined {
    return this.jobs.value?.find(j => j.id === id);
  }

  /** How many are done before this one is begun. */
  before(j: Job): number {
    const list = this.jobs.value ?? [];
    return list.slice(list.indexOf(j) + 1).filter(active).length;
  }

  /** Reads everything anew. */
  async load(): Promise<void> {
    const { signal } = this.#abort;
    clearTimeout(this.#timer);
    try {
      const [jobs, models] = await Promise.all([
        api.backtests(signal),
        this.models.value.length > 0 ? { items: this.models.value } : api.models(signal),
      ]);
      batch(() => {
        this.jobs.value = jobs.items;
        this.models.value = models.items;
        this.problem.value = null;
      });
      this.#again(POLL_MS);
    } catch (e) {
      this.#failed(e, signal);
    }
  }

  /** Orders a backtest; what the server has against it is thrown. */
  async order(o: BacktestOrder): Promise<Job> {
    try {
      const job = await api.order(o);
      this.jobs.value = [job, ...(this.jobs.value ?? []).filter(j => j.id !== job.id)];
      this.#again(POLL_MS);
      return job;
    } catch (e) {
      this.#around.askKey(e);
      throw problemOf(e);
    }
  }

  /** Cancels a backtest that waits or runs, forgets one that has ended. */
  async drop(id: string): Promise<void> {
    try {
      await api.drop(id);
    } catch (e) {
      this.#around.askKey(e);
      const p = problemOf(e);
      // Gone already is what was wanted.
      if (p.status !== 404) throw p;
    }
    await this.load();
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
      if (this.#around.askKey(e)) return;
      r = problemOf(e);
    }
    this.reports.value = new Map(this.reports.value).set(id, r);
  }

  /** The one that changes next: what runs, or else what has waited longest. */
  get #next(): Job | undefined {
    const list = (this.jobs.value ?? []).filter(active);
    return list.find(j => j.state === "running") ?? list[list.length - 1];
  }

  #again(wait: number): void {
    clearTimeout(this.#timer);
    if (!this.busy.value) return;
    this.#timer = setTimeout(() => void this.#poll(), wait);
  }

  async #poll(): Promise<void> {
    const next = this.#next;
    // A page that nobody sees asks nothing; it reads everything when it is seen again.
    if (next === undefined || document.hidden) return;
    const { signal } = this.#abort;
    try {
      const job = await api.backtest(next.id, signal);
      if (!active(job)) return void this.load();
      this.jobs.value = (this.jobs.value ?? []).map(j => (j.id === job.id ? job : j));
      this.problem.value = null;
      this.#again(POLL_MS);
    } catch (e) {
      if (e instanceof ApiError && e.status === 404) return void this.load();
      this.#failed(e, signal);
    }
  }

  #failed(e: unknown, signal: AbortSignal): void {
    if (signal.aborted || this.#around.askKey(e)) return;
    this.problem.value = problemOf(e);
    this.#timer = setTimeout(() => void this.load(), AGAIN_MS);
  }
}

const problemOf = (e: unknown): ApiError =>
  e instanceof ApiError ? e : new ApiError(-1, "The page failed", String(e));
