import type { Time } from "../api/types.ts";

// Times are shown in the viewer's zone; UTC stands in titles. Bars of a day and more
// belong to a date, which is the date in UTC wherever the viewer is.

const DAY = 86_400;

/** Milliseconds since 1970. */
export const ms = (t: Time): number => Date.parse(t);

/** The start of a time or span in milliseconds. */
export const startOf = (t: Time | { start: Time }): number => ms(typeof t === "string" ? t : t.start);

const cache = new Map<string, Intl.DateTimeFormat>();

function formatter(id: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  let f = cache.get(id);
  if (f === undefined) {
    f = new Intl.DateTimeFormat("en-GB", { hourCycle: "h23", ...options });
    cache.set(id, f);
  }
  return f;
}

const HMS: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const HM: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit" };
const DATE: Intl.DateTimeFormatOptions = { day: "2-digit", month: "short", year: "numeric" };

/** The name of the viewer's zone, such as Europe/Berlin. */
export const zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Time of day to the second, in the viewer's zone. */
export const clock = (at: number): string => formatter("hms", HMS).format(at);

/** Time of day to the millisecond, in the viewer's zone. */
export const clockMs = (at: number): string =>
  formatter("hms3", { ...HMS, fractionalSecondDigits: 3 }).format(at);

/** Date and time in the viewer's zone. */
export const moment = (at: number): string => formatter("full", { ...DATE, ...HMS }).format(at);

/** Date and time in UTC, for titles. */
export function utc(at: number): string {
  return Number.isFinite(at) ? `${new Date(at).toISOString().replace("T", " ").replace("Z", "")} UTC` : "";
}

/**
 * When a bar starts: with its date unless that is the day of reference, a date alone
 * for bars of a day and more, without seconds where all bars start at full minutes.
 */
export function barTime(at: number, intervalSeconds: number, reference: number): string {
  if (intervalSeconds >= DAY) return formatter("date-utc", { ...DATE, timeZone: "UTC" }).format(at);
  const day = formatter("date", DATE);
  const same = day.format(at) === day.format(reference);
  if (intervalSeconds % 60 !== 0) return same ? clock(at) : moment(at);
  return (same ? formatter("hm", HM) : formatter("date-hm", { ...DATE, ...HM })).format(at);
}

/** How long ago in words: "0.4 s", "12 s", "3 min 5 s", "2 h 4 min", "3 d 4 h". */
export function age(milliseconds: number): string {
  const s = Math.max(0, milliseconds) / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  const two = (a: number, big: string, b: number, small: string): string =>
    Math.floor(b) === 0 ? `${Math.floor(a)} ${big}` : `${Math.floor(a)} ${big} ${Math.floor(b)} ${small}`;
  if (s < 3600) return two(s / 60, "min", s % 60, "s");
  if (s < DAY) return two(s / 3600, "h", (s % 3600) / 60, "min");
  return two(s / DAY, "d", (s % DAY) / 3600, "h");
}

/** How far ahead something was sealed: "48 ms after it opened", "1.2 s before it opened". */
export function opened(milliseconds: number): string {
  const a = Math.abs(milliseconds);
  if (a < 0.5) return "as its bar opened";
  const much = a < 1000 ? `${Math.round(a)} ms` : age(a);
  return milliseconds > 0 ? `${much} after its bar opened` : `${much} before its bar opens`;
}
