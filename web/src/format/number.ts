// Numbers as text. Nothing here computes: values come from the server.

const MISSING = "–";
const MINUS = "−";
const cache = new Map<string, Intl.NumberFormat>();

function formatter(decimals: number, grouping: boolean): Intl.NumberFormat {
  const id = `${decimals}${grouping}`;
  let f = cache.get(id);
  if (f === undefined) {
    f = new Intl.NumberFormat("en-US", {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      useGrouping: grouping,
    });
    cache.set(id, f);
  }
  return f;
}

type Maybe = number | null | undefined;

const known = (v: Maybe): v is number => typeof v === "number" && Number.isFinite(v);

/** A number with a fixed count of decimals and a true minus sign; an en dash when it is not known. */
export function fixed(v: Maybe, decimals: number): string {
  if (!known(v)) return MISSING;
  const s = formatter(decimals, true).format(v);
  if (!s.startsWith("-")) return s;
  // What rounds to zero has no sign.
  return /[1-9]/.test(s) ? MINUS + s.slice(1) : s.slice(1);
}

/** Like fixed, with a plus sign in front of what is above zero. */
export function signed(v: Maybe, decimals: number): string {
  const s = fixed(v, decimals);
  return known(v) && v > 0 && /[1-9]/.test(s) ? `+${s}` : s;
}

/** A price with the instrument's decimals. */
export const price = (v: Maybe, scale: number): string => fixed(v, scale);

/** A difference of prices: one decimal more than prices have, because it may be an average. */
export const difference = (v: Maybe, scale: number): string => signed(v, Math.min(scale + 1, 12));

/** The size of a difference, without a sign. */
export const size = (v: Maybe, scale: number): string => fixed(v, Math.min(scale + 1, 12));

/** What is in per cent already: 0.1234 is "+0.123 %". */
export function percent(v: Maybe, decimals = 3): string {
  return known(v) ? `${signed(v, decimals)} %` : MISSING;
}

/** A share of one as per cent: 0.914 is "91.4 %". */
export function share(v: Maybe, decimals = 1): string {
  return known(v) ? `${fixed(v * 100, decimals)} %` : MISSING;
}

/** A share of one with its sign: skill. */
export function signedShare(v: Maybe, decimals = 1): string {
  return known(v) ? `${signed(v * 100, decimals)} %` : MISSING;
}

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** Evidence as odds, never rounded up: "1.1 to 1", "14,814 to 1", "5 × 10¹⁶ to 1". */
export function odds(v: Maybe): string {
  if (!known(v)) return MISSING;
  if (v < 0.01) return "less than 0.01 to 1";
  if (v < 10) return `${Number(v.toPrecision(2))} to 1`;
  if (v < 1e6) return `${count(Math.floor(v))} to 1`;
  const [digit, power] = v.toExponential(0).split("e+") as [string, string];
  return `${digit} × 10${[...power].map(d => SUPERSCRIPT[Number(d)]).join("")} to 1`;
}

/** A p-value: what is very small has no digits worth reading. */
export function chance(v: Maybe): string {
  if (!known(v)) return MISSING;
  if (v < 0.0001) return "< 0.0001";
  return fixed(v, v < 0.01 ? 4 : v < 0.1 ? 3 : 2);
}

/** A count. */
export const count = (v: Maybe): string => fixed(v, 0);

/** A volume in at most five characters or so: 1,234 or 1.23M. */
export function volume(v: Maybe): string {
  if (!known(v)) return MISSING;
  const a = Math.abs(v);
  if (a >= 1e9) return `${fixed(v / 1e9, 2)}B`;
  if (a >= 1e6) return `${fixed(v / 1e6, 2)}M`;
  if (a >= 1e5) return `${fixed(v / 1e3, 1)}K`;
  return fixed(v, a >= 100 || Number.isInteger(v) ? 0 : 2);
}

/** A score without a natural unit, to four significant decimals. */
export function metric(v: Maybe): string {
  if (!known(v)) return MISSING;
  const a = Math.abs(v);
  return fixed(v, a >= 100 ? 2 : a >= 1 ? 3 : a >= 0.01 ? 4 : 5);
}

/** The first digits of a hash. */
export const short = (hash: string, n = 8): string => hash.slice(0, n);
