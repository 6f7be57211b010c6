import type { StreamState } from "../api/sse.ts";
import type { FeedHealth } from "../api/types.ts";

/** The connection in one word, and what it means. */
export interface Light {
  word: "connecting" | "live" | "stale" | "reconnecting" | "finished" | "failed" | "key needed";
  tone: "good" | "wait" | "bad" | "idle";
  why: string;
}

/** Data older than this is called stale: three of the feed's intervals, 10 s at least. */
export const staleAfter = (intervalSeconds: number): number => Math.max(10, 3 * intervalSeconds) * 1000;

/** Says how the page stands to its data. age is that of the last data in ms, null when there is none. */
export function light(
  stream: StreamState,
  feed: FeedHealth | undefined,
  age: number | null,
  intervalSeconds: number,
  needKey: boolean,
): Light {
  if (needKey) return { word: "key needed", tone: "bad", why: "Foretick asks for an API key." };
  if (stream === "connecting" || stream === "closed") {
    return { word: "connecting", tone: "wait", why: "Opening the stream." };
  }
  if (stream !== "open") {
    return { word: "reconnecting", tone: "bad", why: "The stream was cut; it resumes where it was." };
  }
  if (feed?.state === "failed")
    return { word: "failed", tone: "bad", why: feed.detail || "The feed failed." };
  if (feed?.state === "finished") {
    return {
      word: "finished",
      tone: "idle",
      why: feed.detail || "The recorded data has been played to its end.",
    };
  }
  if (feed?.state === "connecting")
    return { word: "connecting", tone: "wait", why: "The feed is connecting." };
  if (feed?.state === "stalled") {
    return { word: "stale", tone: "wait", why: feed.detail || "The feed sends nothing." };
  }
  if (age === null || age > staleAfter(intervalSeconds)) {
    return { word: "stale", tone: "wait", why: "No data has come for longer than it should take." };
  }
  return { word: "live", tone: "good", why: "Data is arriving." };
}
