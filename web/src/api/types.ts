// The shapes of the HTTP API under the names that the page uses. schema.ts is written
// by `npm run gen` from the OpenAPI document; the events of the stream, which that
// document cannot describe, follow by hand.
import type { components } from "./schema.ts";

type Schemas = components["schemas"];

/** RFC 3339 in UTC. */
export type Time = string;

export type Status = Schemas["Status"];
export type Instrument = Schemas["Instrument"];
export type Bar = Schemas["Bar"];
export type Model = Schemas["Model"];
export type Series = Omit<Schemas["SeriesInfo"], "last_bar"> & { last_bar: Bar | null };
export type Span = Schemas["Span"];
export type Forecast = Schemas["Forecast"];
export type Spread = Schemas["Stats"];
export type Window = Schemas["Window"];
export type WindowName = Window["window"];
export type Verdict = Schemas["Verdict"];
export type Evidence = Schemas["Evidence"];
export type ModelAccuracy = Schemas["ModelAccuracy"];
export type Coverage = Schemas["Coverage"];
export type CoverageOf = Schemas["CoverageOf"];
export type Calibration = Schemas["Calibration"];
export type Accuracy = Schemas["Accuracy"];
export type Job = Schemas["Job"];
export type BacktestOrder = Schemas["BacktestOrder"];
export type Pooled = Schemas["Pooled"];
export type Report = Schemas["Report"];
export type Result = Schemas["Result"];
export type Version = Schemas["VersionInfo"];
export type VersionDetail = Omit<Schemas["VersionDetail"], "trained"> & { trained: Schemas["About"] | null };
export type Training = Schemas["Training"];
export type TrainingOrder = Schemas["TrainingOrder"];
export type Options = Schemas["Options"];
/** One epoch on a learning curve. */
export type Epoch = Schemas["Point"];
/** A split or dividend. */
export type Action = Schemas["Action"];
/** A bar before which a share was split, announced or not. */
export type Warning = Schemas["Warning"];
/** Whether prices before splits and dividends are made comparable with the newest. */
export type Adjusted = "none" | "splits" | "all";
export type Gap = Schemas["GapInfo"];
export type LedgerHead = Pick<Schemas["LedgerHead"], "series" | "seq" | "hash">;
export type FeedHealth = Schemas["FeedHealth"];
export type Reject = Schemas["Reject"];
export type Problem = Schemas["Problem"];

export interface Page<T> {
  items: T[];
  next_cursor: string;
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
