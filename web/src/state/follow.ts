import { computed, signal } from "@preact/signals";
import { ApiError } from "../api/client.ts";

const POLL_MS = 1000;
const AGAIN_MS = 4000;

/** What every long job of the server has. */
export interface Ordered {
  id: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
}

/** Whether a job may still change by itself. */
export const active = (j: Ordered): boolean => j.state === "queued" || j.state === "running";

/** What following needs of the page. */
export interface Around {
  /** Asks for a key when that is what an error is about. */
  askKey(e: unknown): boolean;
}

/**
 * Long jobs of one kind that the server keeps: it asks once a second while one is queued
 * or running, and for that one only; everything is read anew when it ends.
 */
export abstract class Follow<J extends Ordered> {
  /** Newest first; null until the server has said. */
  readonly jobs = signal<J[] | null>(null);
  readonly problem = signal<ApiError | null>(null);
  readonly busy = computed(() => this.jobs.value?.some(active) ?? false);
  protected readonly around: Around;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(around: Around) {
    this.around = around;
  }

  /** Reads all jobs, newest first, and whatever else belongs to them. */
  protected abstract readAll(signal: AbortSignal): Promise<J[]>;
  protected abstract readOne(id: string, signal: AbortSignal): Promise<J>;
  /** Cancels a job that waits or runs, forgets one that has ended. */
  protected abstract end(id: string): Promise<void>;

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

  job(id: string): J | undefined {
    return this.jobs.value?.find(j => j.id === id);
  }

  /** How many are done before this one is begun. */
  before(j: J): number {
    const list = this.jobs.value ?? [];
    return list.slice(list.indexOf(j) + 1).filter(active).length;
  }

  /** Reads everything anew. */
  async load(): Promise<void> {
    const { signal } = this.#abort;
    clearTimeout(this.#timer);
    try {
      const jobs = await this.readAll(signal);
      if (signal.aborted) return;
      this.jobs.value = jobs;
      this.problem.value = null;
      this.#again(POLL_MS);
    } catch (e) {
      this.#failed(e, signal);
    }
  }

  /** Puts a job that was just ordered into the list and follows it. */
  protected put(j: J): void {
    this.jobs.value = [j, ...(this.jobs.value ?? []).filter(x => x.id !== j.id)];
    this.#again(POLL_MS);
  }

  /** Cancels a job that waits or runs, forgets one that has ended. */
  async drop(id: string): Promise<void> {
    await this.gone(() => this.end(id));
    await this.load();
  }

  /** Does what takes something away: that it is gone already is what was wanted. */
  protected async gone(what: () => Promise<void>): Promise<void> {
    try {
      await what();
    } catch (e) {
      const p = this.refused(e);
      if (p.status !== 404) throw p;
    }
  }

  /** What the server has against something that was asked of it; a missing key is asked for. */
  protected refused(e: unknown): ApiError {
    this.around.askKey(e);
    return problemOf(e);
  }

  /** The one that changes next: what runs, or else what has waited longest. */
  get #next(): J | undefined {
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
      const job = await this.readOne(next.id, signal);
      if (signal.aborted) return;
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
    if (signal.aborted || this.around.askKey(e)) return;
    this.problem.value = problemOf(e);
    this.#timer = setTimeout(() => void this.load(), AGAIN_MS);
  }
}

export const problemOf = (e: unknown): ApiError =>
  e instanceof ApiError ? e : new ApiError(-1, "The page failed", String(e));
