import type { components } from "../api/schema.ts";
import type { FeedHealth } from "../api/types.ts";
import { count } from "../format/number.ts";
import { age } from "../format/time.ts";

/** The condition of the connection to a venue. */
export type Link = NonNullable<components["schemas"]["FeedHealth"]["link"]>;

/** How far the venue's clock is from the server's, in words. */
export function clockWords(l: Link): string {
  if (!l.clock_measured) return "The venue does not tell its time.";
  const off = Math.abs(l.clock_offset);
  if (off < 0.05) return "The venue's clock agrees with the server's.";
  const size = off < 90 ? `${off.toFixed(off < 10 ? 2 : 0)} s` : `${Math.round(off / 60)} min`;
  return `The venue's clock is ${size} ${l.clock_offset > 0 ? "ahead of" : "behind"} the server's.`;
}

/** What was missed, and what became of it. */
export function gapWords(l: Link): string {
  const parts: string[] = [];
  if (l.healing > 0) parts.push(`${count(l.healing)} series being filled up`);
  if (l.gaps_open > 0) parts.push(`${count(l.gaps_open)} to be repaired`);
  if (l.gaps_healed > 0) parts.push(`${count(l.gaps_healed)} repaired`);
  if (l.gaps_lost > 0) parts.push(`${count(l.gaps_lost)} not to be had any more`);
  return parts.length === 0 ? "none" : parts.join(", ");
}

/** How much of the rate limit is left, in words. */
export function headroomWords(l: Link): string {
  if (l.headroom <= 0) return "used up: the venue is left alone for now";
  return `${Math.round(l.headroom * 100)} % left`;
}

/**
 * Why what is shown is old, in words, "" when it is not: the feed sends nothing, and a bar should have come. age is
 * that of the feed's last message in ms.
 */
export function staleWords(
  feed: FeedHealth | undefined,
  old: number | null,
  intervalSeconds: number,
): string {
  if (feed === undefined || !["stalled", "failed", "connecting"].includes(feed.state)) return "";
  if (old === null || old < (intervalSeconds + 5) * 1000) return "";
  const why = feed.detail === "" ? "" : ` (${feed.detail})`;
  return `${feed.name} has sent nothing for ${age(old)}${why}. The forecast shown is from before; forecasts that cannot be made in time are recorded as missed.`;
}
