// The shapes of the HTTP API. `npm run gen` writes schema.ts from the OpenAPI
// document; this file gives its parts the names that the page uses.

/** RFC 3339 in UTC. */
export type Time = string;

export interface Status {
  version: string;
  epoch: string;
  mode: "live" | "replay";
  simulated: boolean;
  started_at: Time;
  now: Time;
  insecure_public: boolean;
  auth: boolean;
  default_series: string;
  feeds_ok: boolean;
  ready: boolean;
  ready_reason: string;
}

export interface Instrument {
  symbol: string;
  venue: string;
  class: string;
  currency: string;
  price_scale: number;
  calendar: string;
  simulated: boolean;
  allow_non_positive: boolean;
}

export interface Bar {
  start: Time;
  end: Time;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  trades: number;
  revision: number;
}

export interface Model {
  name: string;
  description: string;
  champion: boolean;
}

export interface Series {
  id: string;
  instrument: Instrument;
  interval: string;
  interval_seconds: number;
  mode: "live" | "replay";
  source: string;
  base: boolean;
  default: boolean;
  horizons: number;
  models: Model[];
  first_bar: Time | null;
  last_bar: Bar | null;
}

export interface Span {
  start: Time;
  end: Time;
}

export interface Forecast {
  entry: number;
  hash: string;
  model: string;
  version: string;
  horizon: number;
  cutoff: Time;
  issued_at: Time;
  opened_ms: number;
  late: boolean;
  target: Span;
  last: number;
  point: number;
  lower90: number;
  lower50: number;
  upper50: number;
  upper90: number;
  status: "open" | "scored" | "void";
  actual: number | null;
  error: number | null;
  percent_error: number | null;
  hit: boolean | null;
}

export interface Page<T> {
  items: T[];
  next_cursor: string;
}

export interface Spread {
  mean: number | null;
  median: number | null;
  min: number | null;
  max: number | null;
}

export type WindowName = "last" | "last_10" | "last_hour" | "last_6_hours" | "last_day" | "all";

export interface Window {
  window: WindowName;
  n: number;
  error: Spread;
  percent_error: Spread;
  absolute_error: Spread;
  mae: number | null;
  rmse: number | null;
  mape: number | null;
  mase: number | null;
  direction_hit_rate: number | null;
  coverage90: number | null;
  width90: number | null;
  crps: number | null;
  skill: number | null;
  naive: { mae: number | null; rmse: number | null; crps: number | null };
  late: number;
  median_approximate: boolean;
}

export interface Verdict {
  code: "not_judged_yet" | "better_than_naive" | "no_skill" | "worse_than_naive";
  text: string;
  why: string;
}

export interface ModelAccuracy {
  model: string;
  champion: boolean;
  windows: Window[];
  verdict: Verdict;
}

export interface Accuracy {
  series: string;
  horizon: number;
  as_of: Time | null;
  models: ModelAccuracy[];
}

export interface Gap {
  entry: number;
  from: Time;
  to: Time;
  bars: number;
  missed: number;
  reason: string;
}

export interface LedgerHead {
  series: string;
  seq: number;
  hash: string;
}

export interface Abstention {
  model: string;
  horizon: number;
  reason: string;
}

/** One entry of the ledger as `foretick ledger export` writes it; only what the page reads is named. */
export interface LedgerEntry {
  seq: number;
  kind: string;
  at: Time;
  hash: string;
  issue?: { cutoff: Time; abstentions: Abstention[] | null };
}

export interface FeedHealth {
  name: string;
  series: string[] | null;
  simulated: boolean;
  replay: boolean;
  state: "connecting" | "running" | "stalled" | "finished" | "failed";
  detail: string;
  since: Time | null;
  last_data: Time | null;
  clock: Time | null;
  ticks: number;
  bars: number;
  bars_revised: number;
  ticks_late: number;
  rejected: number;
  gaps: number;
}

export interface Reject {
  num: number;
  at: Time;
  source: string;
  instrument: string;
  line: number;
  raw: string;
  reason: string;
}

export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail?: string;
  errors?: { message: string; location?: string }[];
}

export interface BarEvent {
  series: string;
  bar: Bar;
}

/** One model's forecast of one target inside a forecast event. */
export interface IssuedForecast {
  model: string;
  version: string;
  horizon: number;
  target: Span;
  point: number;
  lower90: number;
  lower50: number;
  upper50: number;
  upper90: number;
  late: boolean;
  opened_ms: number;
}

export interface ForecastEvent {
  series: string;
  entry: number;
  hash: string;
  cutoff: Time;
  issued_at: Time;
  last: number;
  forecasts: IssuedForecast[];
  abstentions: Abstention[];
}

export interface ScoreEvent {
  series: string;
  entry: number;
  target: Time | Span;
  close: number;
  revision: number;
  scores: {
    model: string;
    horizon: number;
    cutoff: Time;
    predicted: number;
    actual: number;
    error: number | null;
    percent_error: number | null;
    hit: boolean;
  }[];
}

export interface VoidEvent {
  series: string;
  entry: number;
  targets: Time[];
  reason: string;
}

export interface GapEvent extends Gap {
  series: string;
}

export interface StatusEvent {
  feeds: FeedHealth[];
  ready: boolean;
  ready_reason: string;
}
