import type { BarEvent, ForecastEvent, GapEvent, ScoreEvent, StatusEvent, VoidEvent } from "../api/types.ts";

/** An event of the stream with its data parsed. */
export type LiveEvent =
  | { type: "bar"; data: BarEvent }
  | { type: "forecast"; data: ForecastEvent }
  | { type: "score"; data: ScoreEvent }
  | { type: "void"; data: VoidEvent }
  | { type: "gap"; data: GapEvent }
  | { type: "status"; data: StatusEvent };

const TYPES = new Set(["bar", "forecast", "score", "void", "gap", "status"]);

/** Parses an event; null for types that this page does not know and for broken data. */
export function parseEvent(type: string, data: string): LiveEvent | null {
  if (!TYPES.has(type)) return null;
  try {
    return { type, data: JSON.parse(data) } as LiveEvent;
  } catch {
    return null;
  }
}

const FLUSH_MS = 33;

/**
 * Collects events and hands them over together, at most about thirty times a second:
 * a replay at full speed sends thousands. When nobody takes them (a tab asleep) and
 * more than the limit wait, they are dropped and the page is told to load anew.
 */
export class Queue {
  #events: LiveEvent[] = [];
  #overflow = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #take: (events: LiveEvent[] | "overflow") => void;
  #limit: number;

  constructor(take: (events: LiveEvent[] | "overflow") => void, limit = 5000) {
    this.#take = take;
    this.#limit = limit;
  }

  push(e: LiveEvent): void {
    if (this.#events.length >= this.#limit) {
      this.#overflow = true;
      this.#events = [];
    }
    if (!this.#overflow) this.#events.push(e);
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const events = this.#events;
    const overflow = this.#overflow;
    this.#events = [];
    this.#overflow = false;
    if (overflow) this.#take("overflow");
    else if (events.length > 0) this.#take(events);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#events = [];
    this.#overflow = false;
  }
}
