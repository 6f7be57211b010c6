import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ApiError } from "./client.ts";
import { backoff, Stream, type StreamState, WATCHDOG_MS } from "./sse.ts";

/** A server of streams: each connection can be written to and cut. */
class Server {
  readonly requests: Record<string, string>[] = [];
  readonly lines: ReadableStreamDefaultController<Uint8Array>[] = [];
  refuse: Response | Error | null = null;

  fetch = ((_: string, init: RequestInit) => {
    this.requests.push(init.headers as Record<string, string>);
    if (this.refuse instanceof Error) return Promise.reject(this.refuse);
    if (this.refuse !== null) return Promise.resolve(this.refuse.clone());
    const body = new ReadableStream<Uint8Array>({ start: c => void this.lines.push(c) });
    init.signal?.addEventListener("abort", () => {
      try {
        this.lines[this.lines.length - 1]?.error(new DOMException("aborted", "AbortError"));
      } catch {
        // it was closed already
      }
    });
    return Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
  }) as unknown as typeof fetch;

  send(bytes: string | Uint8Array): void {
    const b = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    this.lines[this.lines.length - 1]?.enqueue(b);
  }

  cut(): void {
    this.lines[this.lines.length - 1]?.close();
  }
}

const settle = () => vi.advanceTimersByTimeAsync(0);

describe("Stream", () => {
  let server: Server;
  let events: string[];
  let states: StreamState[];
  let resets: string[];
  let problems: number[];
  let stream: Stream;

  beforeEach(() => {
    vi.useFakeTimers();
    server = new Server();
    events = [];
    states = [];
    resets = [];
    problems = [];
    stream = new Stream(
      "/v1/stream",
      {
        onEvent: (type, data, id) => void events.push(`${id} ${type} ${data}`),
        onReset: reason => void resets.push(reason),
        onState: s => void states.push(s),
        onProblem: (p: ApiError) => void problems.push(p.status),
      },
      { fetch: server.fetch, random: () => 1 },
    );
  });

  afterEach(() => {
    stream.close();
    vi.useRealTimers();
  });

  it("hands over events with type, data and id", async () => {
    stream.open();
    await settle();
    server.send('id: e-1\nevent: bar\ndata: {"a":1}\n\nevent: status\ndata: {}\n\n');
    await settle();
    expect(events).toEqual(['e-1 bar {"a":1}', " status {}"]);
    expect(states).toEqual(["connecting", "open"]);
    expect(stream.lastEventId).toBe("e-1");
  });

  it("puts chunks together wherever they are split, inside a character too", async () => {
    stream.open();
    await settle();
    const bytes = new TextEncoder().encode('id: e-7\nevent: gap\ndata: {"reason":"Börse zu – später"}\n\n');
    for (const b of bytes) {
      server.send(new Uint8Array([b]));
      await settle();
    }
    expect(events).toEqual(['e-7 gap {"reason":"Börse zu – später"}']);
  });

  it("resumes after the last id that it saw", async () => {
    stream.open();
    await settle();
    expect(server.requests[0]).not.toHaveProperty("Last-Event-ID");
    server.send("id: e-41\nevent: bar\ndata: {}\n\nevent: status\ndata: {}\n\n");
    await settle();
    server.cut();
    await settle();
    expect(states[states.length - 1]).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(2000);
    expect(server.requests[1]).toHaveProperty("Last-Event-ID", "e-41");
    expect(states[states.length - 1]).toBe("open");
  });

  it("does not count a half event: it is sent again", async () => {
    stream.open();
    await settle();
    server.send("id: e-1\nevent: bar\ndata: {}\n\nid: e-2\nevent: bar\ndata: {");
    await settle();
    server.cut();
    await vi.advanceTimersByTimeAsync(2000);
    expect(events).toHaveLength(1);
    expect(server.requests[1]).toHaveProperty("Last-Event-ID", "e-1");
  });

  it("tells a reset and starts without an id", async () => {
    stream.open();
    await settle();
    server.send("id: old-9\nevent: bar\ndata: {}\n\n");
    server.send('event: reset\ndata: {"reason":"the event id is of another store"}\n\n');
    await settle();
    expect(resets).toEqual(["the event id is of another store"]);
    expect(stream.lastEventId).toBe("");
    expect(events).toHaveLength(1);
  });

  it("waits longer after each failure, and forgets that once data comes", async () => {
    server.refuse = new Error("unreachable");
    stream.open();
    await settle();
    const tries: number[] = [];
    for (let ms = 0; ms < 15_000; ms += 100) {
      const before = server.requests.length;
      await vi.advanceTimersByTimeAsync(100);
      if (server.requests.length > before) tries.push(ms + 100);
    }
    expect(tries).toEqual([2000, 6000, 14_000]);
    server.refuse = null;
    await vi.advanceTimersByTimeAsync(16_000);
    server.send("data: x\n\n");
    await settle();
    server.cut();
    await settle();
    const before = server.requests.length;
    await vi.advanceTimersByTimeAsync(2000);
    expect(server.requests.length).toBe(before + 1);
  });

  it("takes the server's word for how long to wait", async () => {
    stream.open();
    await settle();
    server.send("retry: 500\n\n");
    await settle();
    server.cut();
    await vi.advanceTimersByTimeAsync(500);
    expect(server.requests).toHaveLength(2);
  });

  it("cuts a line on which nothing comes", async () => {
    stream.open();
    await settle();
    for (let i = 0; i < 4; i++) {
      await vi.advanceTimersByTimeAsync(15_000);
      server.send(": still here\n\n");
      await settle();
    }
    expect(server.requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(WATCHDOG_MS + 2000);
    expect(server.requests).toHaveLength(2);
  });

  it("stops and says so when a key is needed", async () => {
    server.refuse = new Response('{"title":"Unauthorized","status":401}', {
      status: 401,
      headers: { "content-type": "application/problem+json" },
    });
    stream.open();
    await settle();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(problems).toEqual([401]);
    expect(stream.state).toBe("closed");
    expect(server.requests).toHaveLength(1);
  });

  it("goes on trying when the server is too busy", async () => {
    server.refuse = new Response("{}", { status: 503, headers: { "content-type": "application/json" } });
    stream.open();
    await vi.advanceTimersByTimeAsync(7000);
    expect(server.requests.length).toBeGreaterThanOrEqual(3);
    expect(stream.state).toBe("reconnecting");
  });

  it("reports nothing after it was closed", async () => {
    stream.open();
    await settle();
    stream.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.requests).toHaveLength(1);
    expect(states).toEqual(["connecting", "open", "closed"]);
  });

  it("connects again at once when the tab comes back to a dead line", async () => {
    stream.open();
    await settle();
    stream.nudge(Date.now() + 1000);
    await settle();
    expect(server.requests).toHaveLength(1);
    stream.nudge(Date.now() + WATCHDOG_MS + 1);
    await settle();
    expect(server.requests).toHaveLength(2);
    expect(stream.state).toBe("open");
  });
});

describe("backoff", () => {
  it("stays between its bounds for every attempt and every draw", () => {
    for (let attempt = 0; attempt < 40; attempt++) {
      for (const draw of [0, 0.25, 0.999]) {
        const ms = backoff(attempt, 2000, draw);
        expect(ms).toBeGreaterThanOrEqual(250);
        expect(ms).toBeLessThanOrEqual(30_000);
      }
    }
  });
});
