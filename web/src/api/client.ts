import { forgetKey, readKey } from "./key.ts";
import type {
  Accuracy,
  Action,
  Adjusted,
  BacktestOrder,
  Bar,
  Calibration,
  FeedHealth,
  Forecast,
  Gap,
  Job,
  LedgerEntry,
  LedgerHead,
  Model,
  Page,
  Problem,
  Reject,
  Report,
  Series,
  Status,
  Training,
  TrainingOrder,
  Version,
  VersionDetail,
  Warning,
} from "./types.ts";

/** An answer of the API that is not the one asked for, in words that can be shown. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly title: string;
  /** What is wrong with single fields of what was sent, by name. */
  readonly fields: ReadonlyMap<string, string>;
  constructor(
    status: number,
    title: string,
    detail: string,
    fields: ReadonlyMap<string, string> = new Map(),
  ) {
    super(detail);
    this.status = status;
    this.title = title;
    this.fields = fields;
  }

  /** What the reader can do about it. */
  get advice(): string {
    if (this.status === 0) return "Is Foretick running, and can this device reach it? The page keeps trying.";
    if (this.status === 401) return "Enter the API key that Foretick was started with.";
    if (this.status === 403) return "This key is not allowed to do that; ask for one with the role for it.";
    if (this.status === 404) return "Choose another symbol, interval or model.";
    if (this.status === 429) return "Too many requests at once; wait a moment.";
    if (this.status >= 500) return "Look at Foretick's log and at /readyz. The page keeps trying.";
    return "Reload the page. If it stays, the page and the server may be of different versions.";
  }
}

type Query = Record<string, string | number | undefined>;

/** Joins a path under /v1 and its query; undefined and empty values are left out. */
export function address(path: string, query: Query = {}): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(query)) if (v !== undefined && v !== "") q.set(k, String(v));
  const s = q.toString();
  return `/v1${path}${s === "" ? "" : `?${s}`}`;
}

/** The address of one ledger entry, for a link that a person can open. */
export function entryAddress(series: string, entry: number): string {
  return address(`/series/${encodeURIComponent(series)}/ledger/entries/${entry}`);
}

/** Turns a response that is not OK into an ApiError, whatever its body is. */
export async function problemOf(res: Response): Promise<ApiError> {
  let p: Partial<Problem> = {};
  if ((res.headers.get("content-type") ?? "").includes("json")) {
    try {
      p = (await res.json()) as Partial<Problem>;
    } catch {
      p = {};
    }
  }
  const where = p.errors?.map(e => (e.location ? `${e.message} (${e.location})` : e.message)).join("; ");
  const title = p.title ?? (res.statusText || `Status ${res.status}`);
  const fields = new Map<string, string>();
  for (const e of p.errors ?? [])
    if (e.message && e.location?.startsWith("body.")) fields.set(e.location.slice(5), e.message);
  return new ApiError(res.status, title, [p.detail, where].filter(Boolean).join(": ") || title, fields);
}

/** The headers that every call carries: the key, when there is one. */
export function authorization(): Record<string, string> {
  const key = readKey();
  return key === "" ? {} : { Authorization: `Bearer ${key}` };
}

/** Asks the API; an answer that is not OK is an ApiError, and a key that is refused is forgotten. */
async function ask(path: string, query: Query, init: RequestInit, signal?: AbortSignal): Promise<Response> {
  let res: Response;
  try {
    const headers = { ...authorization(), ...(init.headers as Record<string, string> | undefined) };
    res = await fetch(address(path, query), { ...init, headers, ...(signal ? { signal } : {}) });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new ApiError(0, "No answer", "Foretick does not answer.");
  }
  if (!res.ok) {
    if (res.status === 401) forgetKey();
    throw await problemOf(res);
  }
  return res;
}

/** What is wrong with an answer that is not Foretick's: a proxy or a login page stands in between. */
export function foreign(res: Response): ApiError {
  const type = (res.headers.get("content-type") ?? "").split(";")[0]?.trim() || "no type";
  return new ApiError(0, "Not Foretick", `Something else answered in Foretick's place, with ${type}.`);
}

/** Reads an answer as JSON. */
async function read<T>(res: Response, signal?: AbortSignal): Promise<T> {
  if (!(res.headers.get("content-type") ?? "").includes("json")) throw foreign(res);
  try {
    return (await res.json()) as T;
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new ApiError(0, "Half an answer", "Foretick's answer broke off.");
  }
}

const get = async <T>(path: string, query: Query, signal?: AbortSignal): Promise<T> =>
  read(await ask(path, query, {}, signal), signal);

const backtest = (id: string, rest = ""): string => `/backtests/${encodeURIComponent(id)}${rest}`;

/** The address of a finished backtest's report, as a page or as figures. */
export const reportAddress = (id: string, as: "page" | "figures"): string =>
  address(backtest(id, as === "page" ? "/report.html" : "/report"));

const version = (v: { name: string; id: string }, rest = ""): string =>
  `/versions/${encodeURIComponent(v.name)}/${encodeURIComponent(v.id)}${rest}`;
const training = (id: string): string => `/trainings/${encodeURIComponent(id)}`;

/** The address of a version's file. */
export const fileAddress = (v: { name: string; id: string }): string => address(version(v, "/file"));

const json = (body: unknown): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "Content-Type": "application/json" },
});

const of = (series: string, rest = ""): string => `/series/${encodeURIComponent(series)}${rest}`;

/** The calls that the page makes. */
export const api = {
  status: (signal?: AbortSignal) => get<Status>("/status", {}, signal),
  series: (signal?: AbortSignal) => get<{ items: Series[] }>("/series", {}, signal),
  bars: (series: string, q: { limit: number; cursor?: string; adjusted: Adjusted }, signal?: AbortSignal) =>
    get<Page<Bar>>(of(series, "/bars"), { order: "desc", ...q }, signal),
  /** The bars of a range at the finest interval that has no more than max_points there. */
  chart: (
    series: string,
    q: { from: string; to: string; max_points: number; adjusted: Adjusted },
    signal?: AbortSignal,
  ) => get<Page<Bar> & { interval: string }>(of(series, "/bars"), { order: "asc", ...q }, signal),
  forecasts: (
    series: string,
    q: { model: string; horizon?: number; limit: number; cursor?: string; from?: string },
    signal?: AbortSignal,
  ) => get<Page<Forecast>>(of(series, "/forecasts"), { order: "desc", ...q }, signal),
  accuracy: (series: string, horizon: number, signal?: AbortSignal) =>
    get<Accuracy>(of(series, "/accuracy"), { horizon }, signal),
  calibration: (series: string, q: { model: string; horizon: number }, signal?: AbortSignal) =>
    get<Calibration>(of(series, "/calibration"), q, signal),
  gaps: (series: string, signal?: AbortSignal) => get<{ items: Gap[] }>(of(series, "/gaps"), {}, signal),
  actions: (series: string, signal?: AbortSignal) =>
    get<{ items: Action[] }>(of(series, "/actions"), {}, signal),
  warnings: (series: string, signal?: AbortSignal) =>
    get<{ items: Warning[] }>(of(series, "/warnings"), {}, signal),
  head: (series: string, signal?: AbortSignal) => get<LedgerHead>(of(series, "/ledger"), {}, signal),
  lastIssue: (series: string, signal?: AbortSignal) =>
    get<{ items: LedgerEntry[] }>(
      of(series, "/ledger/entries"),
      { order: "desc", kind: "issue", limit: 1 },
      signal,
    ),
  entry: (series: string, seq: number, signal?: AbortSignal) =>
    get<LedgerEntry>(of(series, `/ledger/entries/${seq}`), {}, signal),
  models: (signal?: AbortSignal) => get<{ items: Model[] }>("/models", {}, signal),
  backtests: (signal?: AbortSignal) => get<{ items: Job[] }>("/backtests", {}, signal),
  backtest: (id: string, signal?: AbortSignal) => get<Job>(backtest(id), {}, signal),
  order: async (o: BacktestOrder): Promise<Job> => read(await ask("/backtests", {}, json(o))),
  /** Cancels a backtest that waits or runs, forgets one that has ended. */
  drop: async (id: string): Promise<void> => {
    await ask(backtest(id), {}, { method: "DELETE" });
  },
  report: (id: string, signal?: AbortSignal) => get<Report>(backtest(id, "/report"), {}, signal),
  reportBlob: async (id: string, as: "page" | "figures"): Promise<Blob> =>
    (await ask(backtest(id, as === "page" ? "/report.html" : "/report"), {}, {})).blob(),
  versions: (signal?: AbortSignal) => get<{ items: Version[] }>("/versions", {}, signal),
  version: (v: { name: string; id: string }, signal?: AbortSignal) =>
    get<VersionDetail>(version(v), {}, signal),
  versionBlob: async (v: { name: string; id: string }): Promise<Blob> =>
    (await ask(version(v, "/file"), {}, {})).blob(),
  importVersion: async (file: Blob): Promise<Version> => {
    const headers = { "Content-Type": "application/octet-stream" };
    return read(await ask("/versions", {}, { method: "POST", body: file, headers }));
  },
  dropVersion: async (v: { name: string; id: string }): Promise<void> => {
    await ask(version(v), {}, { method: "DELETE" });
  },
  trainings: (signal?: AbortSignal) => get<{ items: Training[] }>("/trainings", {}, signal),
  training: (id: string, signal?: AbortSignal) => get<Training>(training(id), {}, signal),
  train: async (o: TrainingOrder): Promise<Training> => read(await ask("/trainings", {}, json(o))),
  /** Cancels a training that waits or runs, forgets one that has ended. */
  dropTraining: async (id: string): Promise<void> => {
    await ask(training(id), {}, { method: "DELETE" });
  },
  feeds: (signal?: AbortSignal) => get<{ items: FeedHealth[] }>("/feeds", {}, signal),
  quarantine: (limit: number, signal?: AbortSignal) =>
    get<{ items: Reject[]; total: number }>("/quarantine", { limit }, signal),
};
