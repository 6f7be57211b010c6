import { createParser } from "eventsource-parser";
import { type ApiError, authorization, foreign, problemOf } from "./client.ts";

// Server-sent events over fetch: EventSource cannot send an Authorization header
// and hides why a connection failed.

/** What the browser can do that a test wants to replace. */
export interface StreamWorld {
  fetch: typeof fetch;
  setTimeout: (f: () => void, ms: number) => unknown;
  clearTimeout: (t: unknown) => void;
  random: () => number;
}

export interface StreamHandlers {
  /** An event of the API. id is empty for events that cannot be resumed from. */
  onEvent(type: string, data: string, id: string): void;
  /** The server no longer knows where we were: load everything anew. */
  onReset(reason: string): void;
  onState(state: StreamState): void;
  /** The server refused; the stream stops on 401 and 403 and goes on trying otherwise. */
  onProblem(problem: ApiError): void;
}

export type StreamState = "connecting" | "open" | "reconnecting" | "closed";

/** The server sends something every 15 s; after this long without a byte the line is dead. */
export const WATCHDOG_MS = 40_000;
const LONGEST_WAIT_MS = 30_000;

/** Full jitter over an exponentially growing wait, never below 250 ms. */
export function backoff(attempt: number, base: number, random: number): number {
  const ceiling = Math.min(LONGEST_WAIT_MS, base * 2 ** Math.min(attempt, 10));
  return Math.max(250, Math.round(ceiling * (0.5 + random / 2)));
}

/**
 * A stream that heals itself: it remembers the last event's id, reconnects with
 * backoff and jitter and resumes from there.
 */
export class Stream {
  lastEventId = "";
  state: StreamState = "closed";
  #address: string;
  #handlers: StreamHandlers;
  #world: StreamWorld;
  #abort: AbortController | undefined;
  #timer: unknown;
  #watchdog: unknown;
  #attempt = 0;
  #retry = 2000;
  #lastByte = 0;

  constructor(address: string, handlers: StreamHandlers, world?: Partial<StreamWorld>) {
    this.#address = address;
    this.#handlers = handlers;
    this.#world = {
      fetch: (input, init) => fetch(input, init),
      setTimeout: (f, ms) => setTimeout(f, ms),
      clearTimeout: t => clearTimeout(t as ReturnType<typeof setTimeout>),
      random: Math.random,
      ...world,
    };
  }

  open(): void {
    if (this.state !== "closed") return;
    this.#set("connecting");
    void this.#connect();
  }

  close(): void {
    this.#set("closed");
    this.#stop();
  }

  /** Connects again at once: the tab came back, or the network did. */
  nudge(now: number): void {
    if (this.state === "closed" || this.state === "connecting") return;
    if (this.state === "open" && now - this.#lastByte < WATCHDOG_MS) return;
    this.#attempt = 0;
    this.#stop();
    this.#set("reconnecting");
    void this.#connect();
  }

  #stop(): void {
    this.#world.clearTimeout(this.#timer);
    this.#world.clearTimeout(this.#watchdog);
    this.#abort?.abort();
    this.#abort = undefined;
  }

  #set(state: StreamState): void {
    if (this.state === state) return;
    this.state = state;
    this.#handlers.onState(state);
  }

  #alive(): void {
    this.#lastByte = Date.now();
    this.#world.clearTimeout(this.#watchdog);
    const abort = this.#abort;
    this.#watchdog = this.#world.setTimeout(() => abort?.abort(), WATCHDOG_MS);
  }

  async #connect(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#alive();
    try {
      const res = await this.#world.fetch(this.#address, {
        headers: {
          Accept: "text/event-stream",
          ...authorization(),
          ...(this.lastEventId === "" ? {} : { "Last-Event-ID": this.lastEventId }),
        },
        cache: "no-store",
        signal: abort.signal,
      });
      if (this.#abort !== abort) return;
      if (!res.ok || res.body === null) {
        const problem = await problemOf(res);
        if (this.#abort !== abort) return;
        this.#handlers.onProblem(problem);
        if (res.status === 401 || res.status === 403) {
          this.close();
          return;
        }
      } else if (!(res.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
        this.#handlers.onProblem(foreign(res));
      } else {
        await this.#read(res.body, abort);
      }
    } catch {
      // Cut, aborted or unreachable: all of them mean try again.
    }
    if (this.#abort !== abort) return;
    this.#again();
  }

  async #read(body: ReadableStream<Uint8Array>, abort: AbortController): Promise<void> {
    const parser = createParser({
      onEvent: e => {
        if (this.#abort !== abort) return;
        if (e.id !== undefined) this.lastEventId = e.id;
        if (e.event === "reset") {
          if (e.id === undefined) this.lastEventId = "";
          this.#handlers.onReset(reasonOf(e.data));
        } else {
          this.#handlers.onEvent(e.event ?? "message", e.data, e.id ?? "");
        }
      },
      onRetry: ms => {
        this.#retry = Math.min(Math.max(ms, 250), LONGEST_WAIT_MS);
      },
    });
    const reader = body.getReader();
    const text = new TextDecoder();
    this.#set("open");
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.#abort !== abort) return;
      this.#attempt = 0;
      this.#alive();
      parser.feed(text.decode(value, { stream: true }));
    }
  }

  #again(): void {
    this.#stop();
    if (this.state === "closed") return;
    this.#set("reconnecting");
    const wait = backoff(this.#attempt++, this.#retry, this.#world.random());
    this.#timer = this.#world.setTimeout(() => void this.#connect(), wait);
  }
}

function reasonOf(data: string): string {
  try {
    return String((JSON.parse(data) as { reason?: unknown }).reason ?? "");
  } catch {
    return "";
  }
}
