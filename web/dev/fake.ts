import type { Accuracy, FeedHealth, Series, Status } from "../src/api/types.ts";
import { describeMarket, eventOf, iso, Market } from "./market.ts";

// A Foretick inside a test: it answers the page's calls without a network, by whatever clock
// the test has, speaks the protocol of the stream to the byte, and misbehaves on request.

/** One open stream. */
interface Line {
  /** Its headers and address. */
  headers: Record<string, string>;
  series: string[];
  out: ReadableStreamDefaultController<Uint8Array>;
  open: boolean;
}

/** What a misbehaving server answers, for the paths that it concerns. */
type Trouble = (path: string, init: RequestInit) => Response | Error | Promise<Response> | undefined;

const text = new TextEncoder();

export const problem = (status: number, title: string, detail: string): Response =>
  new Response(JSON.stringify({ title, status, detail }), {
    status,
    headers: { "Content-Type": "application/problem+json" },
  });

/** A page of some other program, which stands between the browser and Foretick. */
export const html = (status = 200): Response =>
  new Response("<!doctype html><title>Hotel WiFi</title><p>id: 1</p>\n\nevent: bar\n\n", {
    status,
    headers: { "Content-Type": "text/html; charset=utf-8" },
  });

export class Fake {
  readonly second: Market;
  readonly minute: Market;
  /** Method and address of every call, oldest first. */
  readonly asked: string[] = [];
  readonly lines: Line[] = [];
  epoch = "e";
  /** The key that it wants, or none. */
  key = "";
  trouble: Trouble | null = null;
  /** No page of a list is longer. */
  most = 10_000;
  feeds: FeedHealth[];
  series: Series[];
  status: Partial<Status> = {};
  /** More answers, by the end of their path. */
  readonly answers = new Map<string, unknown>();
  #log: { n: number; series: string; text: string }[] = [];
  #n = 0;
  #now: number;

  /** With so many bars of a second behind it; the newest ends now. */
  constructor(bars = 60, now = Math.floor(Date.now() / 1000) * 1000) {
    this.#now = now;
    this.second = new Market("sim:AMZN@1s", 1000, 7);
    this.minute = new Market("sim:AMZN@1m", 60_000, 11);
    for (let i = bars; i > 0; i--) this.second.advance(now - i * 1000, now - (i - 1) * 1000 + 12);
    const m = Math.floor(now / 60_000) * 60_000;
    for (let i = 30; i > 0; i--) this.minute.advance(m - i * 60_000, m - (i - 1) * 60_000 + 12);
    this.series = [describeMarket(this.second, true), describeMarket(this.minute, false)];
    this.feeds = [this.feed()];
  }

  feed(more: Partial<FeedHealth> = {}): FeedHealth {
    return {
      ...{
        name: "sim",
        series: [this.second.id],
        simulated: true,
        replay: false,
        state: "running",
        detail: "",
      },
      ...{ since: iso(this.#now - 60_000), last_data: iso(this.#now), clock: null, ticks: 360, bars: 60 },
      ...{ bars_revised: 0, ticks_late: 0, rejected: 0, gaps: 0 },
      ...more,
    };
  }

  /** The page's fetch. */
  fetch = (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const path = String(input).replace(/^\/v1/, "");
    this.asked.push(`${init.method ?? "GET"} ${path}`);
    if (init.signal?.aborted) return Promise.reject(new DOMException("aborted", "AbortError"));
    const trouble = this.trouble?.(path, init);
    const headers = (init.headers ?? {}) as Record<string, string>;
    const answer =
      trouble instanceof Error
        ? Promise.reject(trouble)
        : Promise.resolve(
            trouble ??
              (this.key !== "" && headers.Authorization !== `Bearer ${this.key}`
                ? problem(401, "Unauthorized", "A key is needed.")
                : this.#answer(new URL(path, "http://fake"), init)),
          );
    // As fetch does: who gives up waiting is told so.
    return new Promise((resolve, reject) => {
      init.signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      answer.then(resolve, reject);
    });
  };

  #answer(url: URL, init: RequestInit): Response {
    const parts = url.pathname.slice(1).split("/").map(decodeURIComponent);
    const q = url.searchParams;
    const [what, id, of] = parts;
    for (const [end, body] of this.answers) if (url.pathname.endsWith(end)) return Response.json(body);
    if (what === "stream") return this.#stream(q.getAll("series"), init);
    if (what === "status") return Response.json(this.#status());
    if (what === "feeds") return Response.json({ items: this.feeds });
    if (what === "versions") return Response.json({ items: [] });
    if (what === "quarantine") return Response.json({ items: [], total: 0 });
    if (what === "series" && id === undefined) return Response.json({ items: this.series });
    const m = [this.second, this.minute].find(m => m.id === id);
    if (what !== "series" || m === undefined)
      return problem(404, "Not Found", `There is no ${url.pathname}.`);
    return Response.json(this.#of(m, parts.slice(2).join("/"), q) ?? { items: [], of });
  }

  #status(): Status {
    return {
      ...{
        version: "1.2.3",
        epoch: this.epoch,
        mode: "live",
        simulated: true,
        started_at: iso(this.#now - 60_000),
      },
      ...{ now: iso(this.#now), insecure_public: false, auth: this.key !== "" },
      ...{ default_series: this.second.id, feeds_ok: true, ready: true, ready_reason: "" },
      ...this.status,
    } as Status;
  }

  #of(m: Market, what: string, q: URLSearchParams): unknown {
    const horizon = Number(q.get("horizon") ?? 0);
    const model = q.get("model") ?? "";
    switch (what) {
      case "bars":
        return q.get("order") === "asc"
          ? { interval: "1m", next_cursor: "", items: this.minute.bars }
          : page(m.bars, q, this.most);
      case "forecasts": {
        const p = page(m.issues, q, this.most);
        const wanted = (f: { model: string; horizon: number }): boolean =>
          (model === "" || f.model === model) && (horizon === 0 || f.horizon === horizon);
        return { ...p, items: p.items.flatMap(i => i.forecasts.filter(wanted)) };
      }
      case "accuracy":
        return {
          ...{ series: m.id, horizon, as_of: m.bars.at(-1)?.end ?? null },
          models: m.accuracy(horizon || 1),
        } as Accuracy;
      case "calibration":
        return m.calibration(model, horizon || 1);
      case "ledger":
        return { series: m.id, seq: m.entry, hash: m.hash };
      case "ledger/entries": {
        const i = m.issues.at(-1);
        const issue = { cutoff: iso(i?.cutoff ?? 0), abstentions: i?.abstentions ?? [] };
        return {
          items:
            i === undefined ? [] : [{ seq: i.entry, kind: "issue", at: iso(i.issued), hash: i.hash, issue }],
        };
      }
      default:
        return undefined;
    }
  }

  #stream(series: string[], init: RequestInit): Response {
    const headers = (init.headers ?? {}) as Record<string, string>;
    const body = new ReadableStream<Uint8Array>({
      start: out => {
        const line: Line = { headers, series, out, open: true };
        this.lines.push(line);
        init.signal?.addEventListener("abort", () => this.#end(line, true));
        this.#send(line, "retry: 1000\n\n");
        const [epoch, n] = (headers["Last-Event-ID"] ?? "").split("-");
        if (n === undefined) return;
        if (epoch !== this.epoch) this.#send(line, 'event: reset\ndata: {"reason":"unknown id"}\n\n');
        else
          for (const e of this.#log)
            if (e.n > Number(n) && series.includes(e.series)) this.#send(line, e.text);
      },
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  }

  #send(line: Line, s: string): void {
    if (line.open) line.out.enqueue(text.encode(s));
  }

  #end(line: Line, torn: boolean): void {
    if (!line.open) return;
    line.open = false;
    if (torn) line.out.error(new DOMException("aborted", "AbortError"));
    else line.out.close();
  }

  /** The line that is open, if there is one. */
  get line(): Line | undefined {
    return this.lines.filter(l => l.open).at(-1);
  }

  /** Commits an event and sends it to whoever listens. */
  emit(series: string, event: string, data: unknown): void {
    const text = `id: ${this.epoch}-${++this.#n}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#log.push({ n: this.#n, series, text });
    for (const l of this.lines) if (l.series.includes(series)) this.#send(l, text);
  }

  /** Sends the last n events once more, as a careless server would. */
  again(n: number): void {
    for (const e of this.#log.slice(-n)) for (const l of this.lines) this.#send(l, e.text);
  }

  /** Sends what stands in no log: the health of feeds. */
  beat(more: { ready?: boolean; ready_reason?: string } = {}): void {
    const data = JSON.stringify({ feeds: this.feeds, ready: true, ready_reason: "", ...more });
    for (const l of this.lines) this.#send(l, `event: status\ndata: ${data}\n\n`);
  }

  /** Writes bytes as they are. */
  raw(s: string): void {
    for (const l of this.lines) this.#send(l, s);
  }

  /** Another bar of a market, with its score and the next forecasts. */
  bar(m = this.second): void {
    const last = m.bars.at(-1);
    const start = Date.parse(last?.end ?? iso(this.#now));
    this.#now = Math.max(this.#now, start + m.step);
    const { bar, score, issue } = m.advance(start, start + m.step + 12);
    this.emit(m.id, "bar", { series: m.id, bar });
    if (score !== null) this.emit(m.id, "score", score);
    this.emit(m.id, "forecast", eventOf(m.id, issue));
  }

  /** Ends all streams: in order, or torn off in the middle. */
  cut(how: "closed" | "torn" = "closed"): void {
    for (const l of this.lines) this.#end(l, how === "torn");
  }
}

/** A page of a list: newest first, the cursor counts from the end. */
function page<T>(list: readonly T[], q: URLSearchParams, most: number): { items: T[]; next_cursor: string } {
  const limit = Math.min(most, Number(q.get("limit") ?? 100));
  const end = list.length - Number(q.get("cursor") ?? 0);
  const items = list.slice(Math.max(0, end - limit), Math.max(0, end)).reverse();
  return { items, next_cursor: end - limit > 0 ? String(list.length - end + limit) : "" };
}
