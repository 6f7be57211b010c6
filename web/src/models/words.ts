import type { Series, Training, Version } from "../api/types.ts";
import { count, fixed, share, volume } from "../format/number.ts";
import { age, barTime, moment, ms } from "../format/time.ts";

/** What a version gives. */
export const kindName = (kind: Version["kind"]): string =>
  kind === "price" ? "price model" : "distribution";

/** "lstm 1 × 16, 8 inputs". */
export const network = (text: string): string =>
  text.replace(/(\d) x (\d)/, "$1 × $2").replace(/\b1 inputs/, "1 input");

/** "1 network" or "3 networks". */
export const several = (n: number, one: string, many = `${one}s`): string =>
  `${count(n)} ${n === 1 ? one : many}`;

/** A count that may be long: exact below 100,000. */
export const brieflyCounted = (n: number, one: string): string =>
  n < 100_000 ? several(n, one) : `${volume(n)} ${one}s`;

/** When bars of an interval begin or end: a date alone where they last a day or longer. */
export const stamp = (at: string, interval: string | undefined): string =>
  /\d(d|w|mo|M|y)$/.test(interval ?? "") ? barTime(ms(at), 86_400, Number.NaN) : moment(ms(at));

/** The bars ahead at which the networks' own locations are weighed. */
const ANCHORS = [1, 2, 5, 10, 20];

/** How far the networks' own idea of where the price goes is believed. */
export function believed(location: readonly number[]): string {
  const some = location.flatMap((v, i) =>
    v > 0 ? [`${share(v, 0)} at ${several(ANCHORS[i] ?? 0, "bar")} ahead`] : [],
  );
  return some.length === 0
    ? "not believed: it says how wide, not where to"
    : `believed to ${some.join(", ")}${some.length < location.length ? ", else not" : ""}`;
}

/** Each of a list once, with how often it was there. */
export function tallied(list: readonly string[]): [string, number][] {
  const n = new Map<string, number>();
  for (const s of list) n.set(s, (n.get(s) ?? 0) + 1);
  return [...n];
}

/** A size in bytes: "37 kB". */
export function bytes(n: number): string {
  if (n < 1000) return `${count(n)} B`;
  if (n < 1e6) return `${fixed(n / 1e3, n < 1e4 ? 1 : 0)} kB`;
  return `${fixed(n / 1e6, 1)} MB`;
}

/** A loss: whatever its size, four decimals tell epochs apart. */
export const loss = (v: number | null | undefined): string => fixed(v, 4);

/** A version's id in a list, long enough to tell it from others. */
export const brief = (id: string): string => id.slice(0, 8);

/** The versions of every model, both in the server's order: newest first. */
export function grouped(list: readonly Version[]): { name: string; versions: Version[] }[] {
  const groups = new Map<string, Version[]>();
  for (const v of list) groups.set(v.name, [...(groups.get(v.name) ?? []), v]);
  return [...groups].map(([name, versions]) => ({ name, versions }));
}

/** The version that an address names: NAME/ID, or NAME for the newest of that name. */
export function find(list: readonly Version[], address: string): Version | undefined {
  const [name, id] = address.split("/");
  return list.find(v => v.name === name && (id === undefined || v.id === id));
}

export const addressOf = (v: { name: string; id: string }): string => `${v.name}/${v.id}`;

/** Whether a series is simulated; one that is not stored here tells by its venue. */
export const simulated = (id: string, known: readonly Series[]): boolean =>
  known.find(s => s.id === id)?.instrument.simulated ?? id.startsWith("sim:");

/** Whether a version says that it comes from simulated series. */
export const fromSimulated = (v: Version, known: readonly Series[]): boolean =>
  known.some(s => s.instrument.simulated && v.source.includes(s.id)) || /\bsim:/.test(v.source);

/** When the bars of a training end; null when it takes all that there were as it was ordered. */
export function endOf(t: Pick<Training, "created" | "plan">): number | null {
  const until = ms(t.plan.until);
  return until > 0 && until < ms(t.created) - 1000 ? until : null;
}

/** How far a training has come, in words. */
export function progress(t: Training, before: number): string {
  const last = t.curve[t.curve.length - 1];
  switch (t.state) {
    case "queued":
      return before === 0 ? "queued, next" : `queued, ${before} before it`;
    case "running":
      return last === undefined
        ? "reading bars"
        : `network ${last.restart} of ${t.plan.options.restarts}, epoch ${count(last.epoch)}`;
    case "done":
      return `done, ${several(t.curve.length, "epoch")}`;
    case "failed":
      return "failed";
    default:
      return "cancelled";
  }
}

/** When a training was seen first, and how far it was. */
export interface Seen {
  at: number;
  progress: number;
}

/** The time that a training needs at most at its pace so far; null while that is not known. */
export function left(t: Training, seen: Seen | undefined, now: number): number | null {
  if (t.state !== "running" || seen === undefined) return null;
  const done = t.progress - seen.progress;
  const took = now - seen.at;
  return done > 0 && took >= 2000 ? ((1 - t.progress) / done) * took : null;
}

/** "at most 2 min 5 s left"; empty while it is not known. */
export function leftWords(ms: number | null): string {
  if (ms === null) return "";
  return ms < 1000 ? "nearly done" : `at most ${age(Math.max(10_000, ms))} left`;
}

/** A message of the server without the names of its parts in front. */
export const plain = (message: string): string =>
  message.replace(/^(?:(?:neural|registry|training|model ?file): )?(?:(?:bad shape|bad order): )?/, "");
