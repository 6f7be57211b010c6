import type { Job, Series } from "../api/types.ts";
import { count } from "../format/number.ts";

/** A series as a person names it: "AMZN 1m". */
export function seriesName(id: string, known: readonly Series[]): string {
  const s = known.find(s => s.id === id);
  return s === undefined ? id : `${s.instrument.symbol} ${s.interval}`;
}

/** The series of a backtest in a few words: "AMZN 1m, MSFT 1m and 3 more". */
export function seriesNames(ids: readonly string[], known: readonly Series[], most = 2): string {
  const names = ids.slice(0, most).map(id => seriesName(id, known));
  const rest = ids.length - names.length;
  return rest > 0 ? `${names.join(", ")} and ${rest} more` : names.join(", ");
}

/** "1 and 5 bars ahead". */
export function ahead(horizons: readonly number[]): string {
  if (horizons.length === 1 && horizons[0] === 1) return "next bar";
  const last = horizons[horizons.length - 1];
  const list = horizons.slice(0, -1).join(", ");
  return `${list === "" ? "" : `${list} and `}${last} bars ahead`;
}

/** One name for an origin's horizon. */
export const horizonName = (h: number): string => (h === 1 ? "next bar" : `${h} bars ahead`);

export const SIGN: Record<Job["state"], string> = {
  queued: "…",
  running: "▶",
  done: "✓",
  failed: "✕",
  cancelled: "–",
};

/** How far a backtest has come, in words. */
export function progress(j: Job, before: number): string {
  switch (j.state) {
    case "queued":
      return before === 0 ? "queued, next" : `queued, ${before} before it`;
    case "running":
      return j.total === 0 ? "counting bars" : `${count(j.bars)} of ${count(j.total)} bars`;
    case "done":
      return `done, ${count(j.total)} bars`;
    case "failed":
      return "failed";
    default:
      return "cancelled";
  }
}

/** Reads "1, 5" as horizons; null when it is not a list of whole numbers above 0. */
export function readHorizons(text: string): number[] | null {
  const parts = text.split(/[\s,;]+/).filter(Boolean);
  if (parts.length === 0 || !parts.every(p => /^[1-9]\d{0,5}$/.test(p))) return null;
  return [...new Set(parts.map(Number))].sort((a, b) => a - b);
}
