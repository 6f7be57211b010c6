import { describe, expect, it } from "vitest";
import { beginning, indexAt, outgrown, type Stretch, stepOf, timeAt } from "./wide.ts";

const items = [100, 110, 120, 150, 160].map(t => ({ t }));

describe("places on the time scale", () => {
  it("find the time of an index and back, beyond both ends and over a hole", () => {
    for (const [i, t] of [
      [0, 100],
      [0.5, 105],
      [2.5, 135],
      [4, 160],
      [6, 180],
      [-2, 80],
    ] as const) {
      expect(timeAt(items, i, 10)).toBe(t);
      expect(indexAt(items, t, 10)).toBeCloseTo(i);
    }
  });
  it("step by the median, so that a night does not count", () => {
    expect(stepOf(items, 7)).toBe(10);
    expect(stepOf(items.slice(0, 2), 7)).toBe(7);
  });
});

describe("a stretch", () => {
  const s = (first: number): Stretch => ({
    interval: "1h",
    items: [{ t: first }] as unknown as Stretch["items"],
    from: 1000,
    to: 4000,
    width: 1000,
  });
  it("is outgrown by zooming and by moving off its ends", () => {
    expect(outgrown(s(1000), 2000, 3000, 9000)).toBe(false);
    expect(outgrown(s(1000), 1000, 3000, 9000)).toBe(true);
    expect(outgrown(s(1000), 2400, 2900, 9000)).toBe(true);
    expect(outgrown(s(1000), 900, 1900, 9000)).toBe(true);
    expect(outgrown(s(1000), 3100, 4100, 9000)).toBe(true);
  });
  it("is not outgrown where there is nothing more", () => {
    expect(beginning(s(2500))).toBe(2500);
    expect(outgrown(s(2500), 900, 1900, 9000)).toBe(false);
    expect(outgrown(s(1000), 3100, 4100, 4000)).toBe(false);
  });
});
