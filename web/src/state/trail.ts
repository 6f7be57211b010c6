import type { Forecast, ForecastEvent, ScoreEvent, VoidEvent } from "../api/types.ts";
import { ms, startOf } from "../format/time.ts";
import { lowerBound, MAX_BARS } from "./bars.ts";

/** A sealed forecast as the page keeps it; t is the start of its target in milliseconds. */
export interface Sealed {
  t: number;
  end: number;
  entry: number;
  hash: string;
  model: string;
  version: string;
  horizon: number;
  cutoff: number;
  issued: number;
  openedMs: number;
  late: boolean;
  last: number;
  point: number;
  lower90: number;
  lower50: number;
  upper50: number;
  upper90: number;
  status: "open" | "scored" | "void";
  actual: number | null;
  error: number | null;
  percentError: number | null;
  hit: boolean | null;
}

export function sealed(f: Forecast): Sealed {
  return {
    t: ms(f.target.start),
    end: ms(f.target.end),
    entry: f.entry,
    hash: f.hash,
    model: f.model,
    version: f.version,
    horizon: f.horizon,
    cutoff: ms(f.cutoff),
    issued: ms(f.issued_at),
    openedMs: f.opened_ms,
    late: f.late,
    last: f.last,
    point: f.point,
    lower90: f.lower90,
    lower50: f.lower50,
    upper50: f.upper50,
    upper90: f.upper90,
    status: f.status,
    actual: f.actual,
    error: f.error,
    percentError: f.percent_error,
    hit: f.hit,
  };
}

/** The forecasts of one model in an event, by horizon. */
export function issued(e: ForecastEvent, model: string): Sealed[] {
  return e.forecasts
    .filter(f => f.model === model)
    .map(f =>
      sealed({
        ...f,
        entry: e.entry,
        hash: e.hash,
        cutoff: e.cutoff,
        issued_at: e.issued_at,
        last: e.last,
        status: "open",
        actual: null,
        error: null,
        percent_error: null,
        hit: null,
      }),
    )
    .sort((a, b) => a.horizon - b.horizon);
}

/**
 * The forecasts of one model and horizon, ordered by target, one for each target.
 * Forecasts and outcomes meet by target, never by order of arrival: an outcome that
 * came first waits for its forecast's page.
 */
export class Trail {
  readonly items: Sealed[] = [];
  #max: number;

  constructor(max = MAX_BARS) {
    this.#max = max;
  }

  get last(): Sealed | undefined {
    return this.items[this.items.length - 1];
  }

  /** The newest forecast whose outcome is known. */
  get settled(): Sealed | undefined {
    for (let i = this.items.length - 1; i >= 0; i--) {
      if (this.items[i]?.status === "scored") return this.items[i];
    }
    return undefined;
  }

  at(t: number): Sealed | undefined {
    const f = this.items[lowerBound(this.items, t)];
    return f?.t === t ? f : undefined;
  }

  /** Keeps f; a forecast of the same target from a later entry wins, an outcome is never forgotten. */
  put(f: Sealed): boolean {
    const i = lowerBound(this.items, f.t);
    const old = this.items[i];
    if (old?.t === f.t) {
      if (f.entry < old.entry) return false;
      if (f.entry === old.entry && (f.status === "open" || same(f, old))) return false;
      this.items[i] = f;
      return true;
    }
    if (i === 0 && this.items.length >= this.#max) return false;
    this.items.splice(i, 0, f);
    if (this.items.length > this.#max) this.items.splice(0, 1);
    return true;
  }

  /** Writes the outcome of an event onto the forecast that it judges. */
  settle(e: ScoreEvent, model: string, horizon: number): boolean {
    const s = e.scores.find(s => s.model === model && s.horizon === horizon);
    if (s === undefined) return false;
    const i = lowerBound(this.items, startOf(e.target));
    const f = this.items[i];
    if (f === undefined || f.t !== startOf(e.target) || f.cutoff !== ms(s.cutoff)) return false;
    this.items[i] = {
      ...f,
      status: "scored",
      actual: s.actual,
      error: s.error,
      percentError: s.percent_error,
      hit: s.hit,
    };
    return true;
  }

  /** Marks forecasts whose bar will never be. */
  void(e: VoidEvent): boolean {
    let changed = false;
    for (const t of e.targets) {
      const i = lowerBound(this.items, startOf(t));
      const f = this.items[i];
      if (f === undefined || f.t !== startOf(t) || f.status !== "open") continue;
      this.items[i] = { ...f, status: "void" };
      changed = true;
    }
    return changed;
  }

  clear(): void {
    this.items.length = 0;
  }
}

function same(a: Sealed, b: Sealed): boolean {
  return a.status === b.status && a.actual === b.actual;
}
