import { describe, expect, it } from "vitest";
import type { StreamState } from "../api/sse.ts";
import type { FeedHealth } from "../api/types.ts";
import { type Light, light, staleAfter } from "./light.ts";

type State = FeedHealth["state"];

const STREAMS: StreamState[] = ["connecting", "open", "reconnecting", "closed"];
const STATES: (State | undefined)[] = ["connecting", "running", "stalled", "finished", "failed", undefined];
const AGES = [null, 0, 9_999, 10_001, 3_600_000];

const feed = (state: State | undefined, detail = ""): FeedHealth | undefined =>
  state === undefined ? undefined : ({ name: "sim", state, detail } as FeedHealth);

describe("the connection light, whatever comes together", () => {
  const all = STREAMS.flatMap(stream =>
    STATES.flatMap(state =>
      AGES.flatMap(age =>
        [true, false].map(key => ({ stream, state, age, key, l: light(stream, feed(state), age, 1, key) })),
      ),
    ),
  );

  it("never says live unless the stream is open and data has come in time", () => {
    for (const c of all.filter(c => c.l.word === "live")) {
      expect(c).toMatchObject({ stream: "open", key: false });
      expect(["running", undefined]).toContain(c.state);
      expect(c.age).toBeLessThanOrEqual(10_000);
    }
    expect(all.some(c => c.l.word === "live")).toBe(true);
  });

  it("asks for the key before all else, and for the stream before the feed", () => {
    for (const c of all) {
      if (c.key) expect(c.l.word).toBe("key needed");
      else if (c.stream === "reconnecting") expect(c.l.word).toBe("reconnecting");
      // What was never open was not cut.
      else if (c.stream === "connecting" || c.stream === "closed") expect(c.l.word).toBe("connecting");
      else if (c.state === "failed" || c.state === "finished") expect(c.l.word).toBe(c.state);
    }
  });

  it("has one tone for a word, and a sentence for each", () => {
    const tones = new Map<string, Set<string>>();
    for (const { l } of all) {
      tones.set(l.word, (tones.get(l.word) ?? new Set()).add(l.tone));
      expect(l.why).toMatch(/^[A-Z].*\.$/);
    }
    for (const [word, set] of tones) expect([word, set.size]).toEqual([word, 1]);
    expect(tones.size).toBe(7);
  });

  it("gives the feed's own words where it has some", () => {
    const words = (state: State): Light => light("open", feed(state, "HTTP 451 from the venue"), 0, 1, false);
    for (const state of ["failed", "finished", "stalled"] as const)
      expect(words(state).why).toBe("HTTP 451 from the venue");
    for (const state of ["running", "connecting"] as const)
      expect(words(state).why).not.toBe("HTTP 451 from the venue");
  });
});

describe("stale", () => {
  it.each([
    [1, 10_000],
    [3, 10_000],
    [5, 15_000],
    [60, 180_000],
    [86_400, 259_200_000],
  ])("bars of %i s are stale after %i ms", (seconds, want) => {
    expect(staleAfter(seconds)).toBe(want);
    expect(light("open", feed("running"), want, seconds, false).word).toBe("live");
    expect(light("open", feed("running"), want + 1, seconds, false).word).toBe("stale");
  });
});
