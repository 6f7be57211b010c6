import type { ApiError } from "../api/client.ts";
import type { TrainingOrder } from "../api/types.ts";
import { plain } from "./words.ts";

// The form that orders a training, read and judged. The bounds are those of the API.

export const NUMBERS = [
  { name: "units", label: "Units", about: "of each layer", usual: "16", least: 1, most: 1024, whole: true },
  { name: "layers", label: "Layers", about: "one on another", usual: "1", least: 1, most: 64, whole: true },
  {
    name: "steps",
    label: "Steps",
    about: "bars that it reads",
    usual: "64",
    least: 2,
    most: 1000,
    whole: true,
  },
  {
    name: "epochs",
    label: "Epochs",
    about: "a restart, at most",
    usual: "200",
    least: 1,
    most: 10_000,
    whole: true,
  },
  {
    name: "restarts",
    label: "Restarts",
    about: "networks, all answer",
    usual: "3",
    least: 1,
    most: 100,
    whole: true,
  },
  {
    name: "rate",
    label: "Rate",
    about: "of learning, at first",
    usual: "0.002",
    least: 1e-8,
    most: 1,
    whole: false,
  },
  {
    name: "validation",
    label: "Validation",
    about: "share, the newest bars",
    usual: "0.15",
    least: 0.01,
    most: 0.5,
    whole: false,
  },
  {
    name: "seed",
    label: "Seed",
    about: "of all chance",
    usual: "1",
    least: 1,
    most: Number.MAX_SAFE_INTEGER,
    whole: true,
  },
] as const;

export type NumberName = (typeof NUMBERS)[number]["name"];

export type Cell = "lstm" | "gru";

/** What the form holds, as it was typed; what is empty is left to the server. */
export interface Draft {
  cell: Cell;
  name: string;
  series: readonly string[];
  until: string;
  numbers: Partial<Record<NumberName, string>>;
}

export type FieldName = NumberName | "name" | "until" | "series";
export type Wrong = Partial<Record<FieldName | "form", string>>;

const least = (v: number): string => (v < 1e-6 ? "0.00000001" : v.toLocaleString("en-US"));

/** What is wrong with a name; empty when nothing is. */
export function wrongName(name: string): string {
  if (name === "") return "";
  if (name.length > 32) return "At most 32 characters.";
  return /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)
    ? ""
    : "Lower-case letters, digits and single hyphens, a letter first.";
}

/** Reads the form: an order, or what is wrong with it. */
export function read(d: Draft): { order: TrainingOrder } | { wrong: Wrong } {
  const wrong: Wrong = {};
  const order: TrainingOrder = { cell: d.cell, series: [...d.series] };
  if (d.series.length === 0) wrong.series = "Choose at least one series.";
  const name = d.name.trim();
  const bad = wrongName(name);
  if (bad !== "") wrong.name = bad;
  else if (name !== "") order.name = name;
  for (const f of NUMBERS) {
    const text = (d.numbers[f.name] ?? "").trim();
    if (text === "") continue;
    const v = Number(text);
    if (!(v >= f.least && v <= f.most) || (f.whole && !Number.isInteger(v)))
      wrong[f.name] = `${f.whole ? "A whole number, " : ""}${least(f.least)} to ${least(f.most)}.`;
    else order[f.name] = v;
  }
  if (d.until !== "") {
    const at = new Date(d.until);
    if (Number.isNaN(at.getTime())) wrong.until = "A date and a time.";
    else order.until = at.toISOString();
  }
  return Object.keys(wrong).length > 0 ? { wrong } : { order };
}

const isField = (s: string): s is FieldName =>
  s === "name" || s === "until" || s === "series" || NUMBERS.some(n => n.name === s);

/** Where in the form to say what the server has against an order. */
export function place(e: ApiError): Wrong {
  const wrong: Wrong = {};
  for (const [where, message] of e.fields) {
    const field = where.split(/[.[]/)[0] ?? "";
    if (isField(field)) wrong[field] = plain(message);
  }
  if (Object.keys(wrong).length > 0) return wrong;
  const message = plain(e.message);
  if (e.status !== 422) return { form: e.status === 403 ? `${message}. ${e.advice}` : message };
  // "steps 1; choose 2 to 1000" begins with its field; what is about a name says so.
  const first = /^(\w+) \S+; choose /.exec(message)?.[1] ?? (/\bname\b/.test(message) ? "name" : "");
  return isField(first) ? { [first]: message } : { form: message };
}
