import type { Adjusted } from "../api/types.ts";

// The view lives in the address, so that it can be shared and survives a reload.

/** What the chart shows: the newest bars, or a stretch of the past (seconds since 1970). */
export type Range = { kind: "last"; bars: number } | { kind: "between"; from: number; to: number };

export type Theme = "auto" | "light" | "dark";
export type Units = "price" | "percent" | "absolute";

/** The live page, the backtests, or the stored models. */
export type PageName = "live" | "backtests" | "models";

export interface View {
  page: PageName;
  /**
   * Backtests that are looked at: one, or several to compare. Of the models one training,
   * one version as NAME/ID, or NAME for its newest version.
   */
  ids: readonly string[];
  series: string;
  model: string;
  horizon: number;
  theme: Theme;
  units: Units;
  range: Range;
  adjusted: Adjusted;
}

export const DEFAULT_BARS = 140;

/** At most as many backtests are compared. */
export const MAX_COMPARED = 6;

export const DEFAULT_VIEW: View = {
  page: "live",
  ids: [],
  series: "",
  model: "",
  horizon: 1,
  theme: "auto",
  units: "price",
  range: { kind: "last", bars: DEFAULT_BARS },
  adjusted: "none",
};

/** What an id looks like; the live page has none. */
const SHAPE: Record<PageName, RegExp> = {
  live: /(?!)/,
  backtests: /^[\w-]{1,40}$/,
  models: /^[\w-]{1,40}(\/[\w-]{1,40})?$/,
};

/** Reads a view from an address's query. What is missing or makes no sense is the default. */
export function parseView(search: string): View {
  const q = new URLSearchParams(search);
  const horizon = Number(q.get("h") ?? "1");
  const theme = q.get("theme");
  const units = q.get("units");
  const view = q.get("view");
  const adjusted = q.get("adjusted");
  const page = view === "backtests" || view === "models" ? view : "live";
  const ids = (q.get("id") ?? "").split(",").filter(id => SHAPE[page].test(id));
  return {
    page,
    ids: [...new Set(ids)].slice(0, page === "models" ? 1 : MAX_COMPARED),
    series: q.get("series") ?? "",
    model: q.get("model") ?? "",
    horizon: Number.isInteger(horizon) && horizon >= 1 && horizon <= 1000 ? horizon : 1,
    theme: theme === "light" || theme === "dark" ? theme : "auto",
    units: units === "percent" || units === "absolute" ? units : "price",
    range: parseRange(q.get("range") ?? ""),
    adjusted: adjusted === "splits" || adjusted === "all" ? adjusted : "none",
  };
}

/** Reads "last-140" or "1700000000-1700000600". */
export function parseRange(s: string): Range {
  const m = /^(last|\d{1,11})-(\d{1,11})$/.exec(s);
  if (m !== null) {
    const to = Number(m[2]);
    if (m[1] === "last" && to >= 5 && to <= 20_000) return { kind: "last", bars: to };
    const from = Number(m[1]);
    if (from < to) return { kind: "between", from, to };
  }
  return DEFAULT_VIEW.range;
}

/** The query of a view; what is at its default is left out. */
export function formatView(v: View): string {
  const q: string[] = [];
  const put = (k: string, value: string): void => {
    // ":" and "@" may stand in a query as they are; that keeps series readable.
    q.push(
      `${k}=${encodeURIComponent(value).replace(/%3A/g, ":").replace(/%40/g, "@").replace(/%2F/g, "/")}`,
    );
  };
  if (v.page !== "live") {
    // What the live page looks at is no part of a backtest or a model.
    put("view", v.page);
    if (v.ids.length > 0) q.push(`id=${v.ids.join(",")}`);
    if (v.theme !== "auto") put("theme", v.theme);
    return `?${q.join("&")}`;
  }
  if (v.series !== "") put("series", v.series);
  if (v.model !== "") put("model", v.model);
  if (v.horizon !== 1) put("h", String(v.horizon));
  if (v.theme !== "auto") put("theme", v.theme);
  if (v.units !== "price") put("units", v.units);
  if (v.adjusted !== "none") put("adjusted", v.adjusted);
  if (v.range.kind === "between") put("range", `${v.range.from}-${v.range.to}`);
  else if (v.range.bars !== DEFAULT_BARS) put("range", `last-${v.range.bars}`);
  return q.length === 0 ? "" : `?${q.join("&")}`;
}
