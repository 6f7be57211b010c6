import { createReadStream, existsSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import type { BacktestOrder, FeedHealth, Series, TrainingOrder } from "../src/api/types.ts";
import { Desk, MODELS as LISTED, report } from "./backtests.ts";
import { describeMarket, eventOf, iso, Market } from "./market.ts";
import { detail, Shelf } from "./models.ts";

// A stand-in for `foretick serve`, for work on the page only.

const DIST = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

export interface MockOptions {
  port?: number;
  key?: string;
  history?: number;
  insecure?: boolean;
}

interface Sent {
  n: number;
  series: string;
  text: string;
}

/** Starts the stand-in; close ends it with its streams. */
export async function mock(o: MockOptions = {}): Promise<{ url: string; close(): Promise<void> }> {
  const epoch = Math.random().toString(36).slice(2, 8);
  const started = Date.now();
  const market = new Market("sim:AMZN@1s", 1000, 7);
  const minute = new Market("sim:AMZN@1m", 60_000, 11);
  const now = Math.floor(Date.now() / 1000) * 1000;
  const history = o.history ?? 2400;
  for (let i = history; i > 0; i--) market.advance(now - i * 1000, now - (i - 1) * 1000 + 12);
  const m0 = Math.floor(now / 60_000) * 60_000;
  for (let i = Math.min(history, 300); i > 0; i--)
    minute.advance(m0 - i * 60_000, m0 - (i - 1) * 60_000 + 12);
  const markets = [market, minute];
  const clients = new Map<ServerResponse, string[]>();
  const log: Sent[] = [];
  let seq = 0;

  const health = (): FeedHealth => ({
    name: "sim",
    series: [market.id],
    simulated: true,
    replay: false,
    state: "running",
    detail: "",
    since: iso(started),
    last_data: iso(Date.now() - 40),
    clock: null,
    ticks: market.bars.length * 6,
    bars: market.bars.length,
    bars_revised: 1,
    ticks_late: 2,
    rejected: 3,
    gaps: 1,
  });
  const status = (): string =>
    `event: status\ndata: ${JSON.stringify({ feeds: [health()], ready: true, ready_reason: "" })}\n\n`;
  const emit = (series: string, event: string, data: unknown): void => {
    seq++;
    const text = `id: ${epoch}-${seq}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    log.push({ n: seq, series, text });
    if (log.length > 1000) log.shift();
    for (const [res, want] of clients) if (want.length === 0 || want.includes(series)) res.write(text);
  };
  const timer = setInterval(() => {
    const start = Math.floor(Date.now() / 1000) * 1000 - 1000;
    const last = market.bars[market.bars.length - 1];
    if (last !== undefined && Date.parse(last.start) >= start) return;
    const { bar, score, issue } = market.advance(start, Date.now());
    emit(market.id, "bar", { series: market.id, bar });
    if (score !== null) emit(market.id, "score", score);
    emit(market.id, "forecast", eventOf(market.id, issue));
  }, 100);
  const desk = new Desk();
  const shelf = new Shelf();
  const work = setInterval(() => {
    desk.work();
    shelf.work();
  }, 400);
  const beat = setInterval(() => {
    for (const res of clients.keys()) res.write(status());
  }, 4000);

  const seriesOf = (m: Market): Series => describeMarket(m, m === market);

  const problem = (res: ServerResponse, code: number, title: string, detail: string): void => {
    res.writeHead(code, { "Content-Type": "application/problem+json" });
    res.end(JSON.stringify({ type: "about:blank", title, status: code, detail }));
  };
  const answer = (res: ServerResponse, body: unknown): void => {
    res.writeHead(200, { "Content-Type": "application/json" });
    res.end(JSON.stringify(body));
  };

  /** A page of a list: newest first, the cursor is an index from the end. */
  const page = <T>(list: readonly T[], q: URLSearchParams, fallback: number) => {
    const limit = Number(q.get("limit") ?? fallback);
    const skip = Number(q.get("cursor") ?? 0);
    const end = list.length - skip;
    const items = list.slice(Math.max(0, end - limit), Math.max(0, end)).reverse();
    return { items, next_cursor: end - limit > 0 ? String(skip + limit) : "" };
  };

  const stream = (req: IncomingMessage, res: ServerResponse, q: URLSearchParams): void => {
    res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    res.write("retry: 2000\n\n");
    const want = q.getAll("series");
    const from = String(req.headers["last-event-id"] ?? "");
    if (from !== "") {
      const [e, n] = from.split("-");
      const known = e === epoch && Number(n) >= (log[0]?.n ?? 1) - 1;
      if (!known) res.write(`event: reset\ndata: ${JSON.stringify({ reason: "unknown id" })}\n\n`);
      else for (const s of log) if (s.n > Number(n) && want.includes(s.series)) res.write(s.text);
    }
    res.write(status());
    clients.set(res, want);
    res.on("close", () => clients.delete(res));
  };

  const series = (res: ServerResponse, m: Market, rest: string[], q: URLSearchParams): void => {
    const [what, id, seqNo] = rest;
    const horizon = Number(q.get("horizon") ?? 0);
    const model = q.get("model") ?? "";
    if (what === undefined) answer(res, seriesOf(m));
    else if (what === "bars") answer(res, page(m.bars, q, 500));
    else if (what === "forecasts") {
      const p = page(m.issues, q, 100);
      answer(res, {
        ...p,
        items: p.items.flatMap(i =>
          i.forecasts.filter(
            f => (model === "" || f.model === model) && (horizon === 0 || f.horizon === horizon),
          ),
        ),
      });
    } else if (what === "accuracy") {
      const last = m.bars[m.bars.length - 1];
      answer(res, { series: m.id, horizon, as_of: last?.end ?? null, models: m.accuracy(horizon || 1) });
    } else if (what === "calibration") {
      answer(res, m.calibration(model || "ewma", horizon || 1));
    } else if (what === "actions" || what === "warnings") {
      answer(res, { items: [] });
    } else if (what === "gaps") {
      const [from, to] = [now - 7200e3, now - 7100e3];
      const gap = {
        entry: 9,
        from: iso(from),
        to: iso(to),
        bars: 100,
        missed: 1500,
        reason: "Foretick was not running",
      };
      answer(res, { items: m === market ? [gap] : [] });
    } else if (what === "ledger" && id === undefined) {
      answer(res, { series: m.id, seq: m.entry, hash: m.hash, genesis: {} });
    } else if (what === "ledger") {
      const last = m.issues[m.issues.length - 1];
      const entryOf = (i: typeof last) =>
        i && {
          format: 1,
          series: m.id,
          seq: i.entry,
          kind: "issue",
          at: iso(i.issued),
          hash: i.hash,
          issue: eventOf(m.id, i),
        };
      if (seqNo === undefined) answer(res, { items: last ? [entryOf(last)] : [] });
      else answer(res, entryOf(m.issues.find(i => i.entry >= Number(seqNo))) ?? {});
    } else problem(res, 404, "Not Found", "There is no such page.");
  };

  const backtests = async (
    req: IncomingMessage,
    res: ServerResponse,
    id: string | undefined,
    what: string | undefined,
  ): Promise<void> => {
    const j = desk.jobs.find(j => j.id === id);
    if (id === undefined && req.method === "POST") {
      let body = "";
      for await (const part of req) body += String(part);
      const o = JSON.parse(body) as BacktestOrder;
      if ((o.burn_in ?? 500) < 30)
        problem(res, 422, "Unprocessable Entity", `burn-in of ${o.burn_in} bars: choose 30 to 1,000,000`);
      else answer(res, desk.order(o));
    } else if (id === undefined) answer(res, { items: desk.jobs });
    else if (j === undefined) problem(res, 404, "Not Found", "there is no such backtest");
    else if (req.method === "DELETE") {
      desk.drop(id);
      res.writeHead(204).end();
    } else if (what === "report") answer(res, report(j));
    else if (what === "report.html") {
      res.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
      res.end(`<!doctype html><title>Backtest</title><h1>Backtest ${j.id}</h1>`);
    } else answer(res, j);
  };

  const trainings = async (
    req: IncomingMessage,
    res: ServerResponse,
    id: string | undefined,
  ): Promise<void> => {
    const t = shelf.trainings.find(t => t.id === id);
    if (id === undefined && req.method === "POST") {
      let body = "";
      for await (const part of req) body += String(part);
      answer(res, shelf.order(JSON.parse(body) as TrainingOrder));
    } else if (id === undefined) answer(res, { items: shelf.trainings });
    else if (t === undefined) problem(res, 404, "Not Found", "there is no such training");
    else if (req.method === "DELETE") {
      shelf.drop(id);
      res.writeHead(204).end();
    } else answer(res, t);
  };

  const versions = (req: IncomingMessage, res: ServerResponse, [name, id]: string[]): void => {
    const v = shelf.versions.find(v => v.name === name && v.id === id);
    if (name === undefined && req.method === "POST")
      problem(res, 422, "Unprocessable Entity", "registry: not a model version: the stand-in takes none");
    else if (name === undefined) answer(res, { items: shelf.versions });
    else if (v === undefined) problem(res, 404, "Not Found", "there is no such model version");
    else if (req.method === "DELETE") {
      shelf.versions = shelf.versions.filter(x => x !== v);
      res.writeHead(204).end();
    } else answer(res, detail(v));
  };

  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    const url = new URL(req.url ?? "/", "http://x");
    const parts = url.pathname.split("/").filter(Boolean).map(decodeURIComponent);
    if (parts[0] !== "v1") {
      const name =
        url.pathname === "/" ? "index.html" : url.pathname === "/docs" ? "docs/index.html" : url.pathname;
      const file = normalize(join(DIST, name));
      if (!file.startsWith(DIST) || !existsSync(file))
        problem(res, 404, "Not Found", "There is no such page.");
      else {
        res.writeHead(200, {
          "Content-Type": TYPES[extname(file)] ?? "application/octet-stream",
          "Content-Security-Policy":
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
        });
        createReadStream(file).pipe(res);
      }
      return;
    }
    if (o.key !== undefined && req.headers.authorization !== `Bearer ${o.key}`) {
      res.setHeader("WWW-Authenticate", "Bearer");
      problem(res, 401, "Unauthorized", "A key is needed.");
      return;
    }
    const q = url.searchParams;
    if (parts[1] === "status") {
      answer(res, {
        version: "0.0.0-mock",
        epoch,
        mode: "live",
        simulated: true,
        started_at: iso(started),
        now: iso(Date.now()),
        insecure_public: o.insecure ?? false,
        auth: o.key !== undefined,
        default_series: market.id,
        feeds_ok: true,
        ready: true,
        ready_reason: "",
      });
    } else if (parts[1] === "series" && parts[2] === undefined) answer(res, { items: markets.map(seriesOf) });
    else if (parts[1] === "series") {
      const m = markets.find(m => m.id === parts[2]);
      if (m === undefined) problem(res, 404, "Not Found", `There is no series ${parts[2]}.`);
      else series(res, m, parts.slice(3), q);
    } else if (parts[1] === "models") answer(res, { items: LISTED });
    else if (parts[1] === "backtests") void backtests(req, res, parts[2], parts[3]);
    else if (parts[1] === "trainings") void trainings(req, res, parts[2]);
    else if (parts[1] === "versions") versions(req, res, parts.slice(2));
    else if (parts[1] === "feeds") answer(res, { items: [health()] });
    else if (parts[1] === "quarantine") {
      const reasons = ["high below low", "time is not after the one before", "close is not a number"];
      const items = reasons.map((reason, i) => ({
        num: 3 - i,
        at: iso(now - i * 60_000),
        source: "AMZN_1min.csv",
        instrument: "sim:AMZN",
        line: 120 + i * 37,
        raw: `2019-02-0${i + 1} 09:3${i},1640.2,1620.0,1655.1,1641.8,1200`,
        reason,
      }));
      answer(res, { items, next_cursor: "", total: 3 });
    } else if (parts[1] === "stream") stream(req, res, q);
    else problem(res, 404, "Not Found", "There is no such page.");
  };

  const server: Server = createServer(handle);
  await new Promise<void>(r => server.listen(o.port ?? 0, "127.0.0.1", r));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      clearInterval(timer);
      clearInterval(beat);
      clearInterval(work);
      return new Promise<void>(r => {
        server.close(() => r());
        server.closeAllConnections();
      });
    },
  };
}
