import { describe, expect, it } from "vitest";
import type { FeedHealth } from "../api/types.ts";
import { clockWords, gapWords, headroomWords, type Link, staleWords } from "./link.ts";

const quiet: Link = {
  at: "2024-05-06T12:00:00Z",
  frames: 10,
  reconnects: 0,
  reason: "",
  healing: 0,
  gaps_open: 0,
  gaps_healed: 0,
  gaps_lost: 0,
  lost: "",
  duplicates: 0,
  unknown: 0,
  refused: "",
  clock_offset: 0,
  clock_measured: true,
  headroom: 1,
};

describe("the words of a connection", () => {
  it("says how far the venue's clock is off", () => {
    expect(clockWords(quiet)).toBe("The venue's clock agrees with the server's.");
    expect(clockWords({ ...quiet, clock_offset: -0.31 })).toBe(
      "The venue's clock is 0.31 s behind the server's.",
    );
    expect(clockWords({ ...quiet, clock_offset: 12 })).toBe(
      "The venue's clock is 12 s ahead of the server's.",
    );
    expect(clockWords({ ...quiet, clock_offset: 3600 })).toBe(
      "The venue's clock is 60 min ahead of the server's.",
    );
    expect(clockWords({ ...quiet, clock_measured: false })).toBe("The venue does not tell its time.");
  });
  it("says what was missed", () => {
    expect(gapWords(quiet)).toBe("none");
    expect(gapWords({ ...quiet, healing: 1, gaps_open: 2, gaps_healed: 3, gaps_lost: 4 })).toBe(
      "1 series being filled up, 2 to be repaired, 3 repaired, 4 not to be had any more",
    );
  });
  it("says when what is shown is old, and only then", () => {
    const feed = { name: "kraken", state: "stalled", detail: "nothing came for 5 s" } as FeedHealth;
    expect(staleWords(feed, 200_000, 60)).toContain(
      "kraken has sent nothing for 3 min 20 s (nothing came for 5 s)",
    );
    expect(staleWords(feed, 200_000, 60)).toContain("recorded as missed");
    expect(staleWords(feed, 30_000, 60)).toBe("");
    expect(staleWords(feed, null, 60)).toBe("");
    expect(staleWords({ ...feed, state: "running" }, 1e9, 60)).toBe("");
    expect(staleWords(undefined, 1e9, 60)).toBe("");
  });
  it("says what is left of the limit", () => {
    expect(headroomWords(quiet)).toBe("100 % left");
    expect(headroomWords({ ...quiet, headroom: 0 })).toContain("used up");
  });
});
