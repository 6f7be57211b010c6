import { describe, expect, it } from "vitest";
import type { Forecast } from "../api/types.ts";
import { MIX_POINTS, mixOf } from "./mix.ts";

const at = (t: number): string => new Date(t * 1000).toISOString();
const made = (t: number, shares: Record<string, number> | undefined, over: object = {}): Forecast =>
  ({
    model: "auto",
    horizon: 1,
    cutoff: at(t),
    ...(shares && { shares: Object.entries(shares).map(([expert, weight]) => ({ expert, weight })) }),
    ...over,
  }) as Forecast;

describe("what a combined forecast is made of", () => {
  it("goes by time, whatever the order of arrival", () => {
    const m = mixOf("auto", 1, [
      made(3, { a: 0.5, b: 0.5 }),
      made(1, { a: 1, b: 0 }),
      made(2, { a: 0.7, b: 0.3 }),
    ]);
    expect(m.experts).toEqual(["a", "b"]);
    expect(m.points.map(p => [p.t, ...p.weights])).toEqual([
      [1000, 1, 0],
      [2000, 0.7, 0.3],
      [3000, 0.5, 0.5],
    ]);
  });

  it("keeps what is known and takes what is newer, each cutoff once", () => {
    const old = mixOf("auto", 1, [made(1, { a: 1 }), made(2, { a: 1 })]);
    const m = mixOf("auto", 1, [made(3, { c: 0.25, a: 0.75 }), made(2, { a: 0.9, c: 0.1 })], old);
    expect(m.experts).toEqual(["c", "a"]);
    expect(m.points.map(p => p.weights)).toEqual([
      [0, 1],
      [0.1, 0.9],
      [0.25, 0.75],
    ]);
  });

  it("forgets another model or horizon", () => {
    const old = mixOf("auto", 2, [made(1, { a: 1 }, { horizon: 2 })]);
    expect(mixOf("auto", 1, [], old).points).toEqual([]);
    expect(
      mixOf("auto", 1, [made(1, { a: 1 }, { horizon: 5 }), made(2, { b: 1 }, { model: "x" })]).points,
    ).toEqual([]);
  });

  it("has no experts where nothing is combined", () => {
    expect(mixOf("ewma", 1, [made(1, undefined, { model: "ewma" })]).experts).toEqual([]);
  });

  it("holds no more than it draws", () => {
    const m = mixOf(
      "auto",
      1,
      Array.from({ length: 999 }, (_, i) => made(i, { a: 1 })),
    );
    expect(m.points).toHaveLength(MIX_POINTS);
    expect(m.points[MIX_POINTS - 1]?.t).toBe(998_000);
  });
});
