import { batch, signal } from "@preact/signals";
import { type ApiError, api } from "../api/client.ts";
import type { Training, TrainingOrder, Version, VersionDetail } from "../api/types.ts";
import { type Around as Asks, Follow, problemOf } from "../state/follow.ts";
import { addressOf, type Seen } from "./words.ts";

/** What a Desk needs of the page. */
export interface Around extends Asks {
  /** Looks what is in the race, which has changed. */
  renew(): Promise<void>;
}

/** The stored models, and the trainings that make more of them. */
export class Desk extends Follow<Training> {
  /** By name, newest first; null until the server has said. */
  readonly versions = signal<Version[] | null>(null);
  readonly details = signal<ReadonlyMap<string, VersionDetail | ApiError>>(new Map());
  readonly #page: Around;
  #asked = new Set<string>();
  #seen = new Map<string, Seen>();

  constructor(around: Around) {
    super(around);
    this.#page = around;
  }

  protected override async readAll(signal: AbortSignal): Promise<Training[]> {
    const [jobs, versions] = await Promise.all([api.trainings(signal), api.versions(signal)]);
    const before = this.versions.value;
    batch(() => {
      this.versions.value = versions.items;
      for (const j of jobs.items) this.#look(j);
    });
    const ids = (list: readonly Version[]): string => list.map(addressOf).sort().join();
    if (before !== null && ids(before) !== ids(versions.items)) void this.#page.renew();
    return jobs.items;
  }

  protected override async readOne(id: string, signal: AbortSignal): Promise<Training> {
    const j = await api.training(id, signal);
    this.#look(j);
    return j;
  }

  protected override end(id: string): Promise<void> {
    return api.dropTraining(id);
  }

  /** Orders a training; what the server has against it is thrown. */
  async train(o: TrainingOrder): Promise<Training> {
    try {
      const job = await api.train(o);
      this.put(job);
      return job;
    } catch (e) {
      throw this.refused(e);
    }
  }

  /** Stores the version of a file; what the server has against it is thrown. */
  async bring(file: Blob): Promise<Version> {
    let v: Version;
    try {
      v = await api.importVersion(file);
    } catch (e) {
      throw this.refused(e);
    }
    await this.load();
    return v;
  }

  /** Deletes a version. */
  async dropVersion(v: Version): Promise<void> {
    await this.gone(() => api.dropVersion(v));
    this.#asked.delete(addressOf(v));
    await this.load();
  }

  /** Reads how a version was trained, once: versions never change. */
  async detail(v: { name: string; id: string }): Promise<void> {
    const id = addressOf(v);
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    let d: VersionDetail | ApiError;
    try {
      d = await api.version(v);
    } catch (e) {
      this.#asked.delete(id);
      if (this.around.askKey(e)) return;
      d = problemOf(e);
    }
    this.details.value = new Map(this.details.value).set(id, d);
  }

  /** When a training was seen at work first. */
  seen(id: string): Seen | undefined {
    return this.#seen.get(id);
  }

  #look(j: Training): void {
    if (j.state === "running" && !this.#seen.has(j.id))
      this.#seen.set(j.id, { at: Date.now(), progress: j.progress });
  }
}
