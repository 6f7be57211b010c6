import type { UTCTimestamp } from "lightweight-charts";
import { afterEach, describe, expect, it } from "vitest";
import { LocalScale, zoneOffset } from "./scale.ts";

const before = process.env.TZ;
afterEach(() => {
  if (before === undefined) delete process.env.TZ;
  else process.env.TZ = before;
});

type Point = Parameters<LocalScale["fillWeightsForPoints"]>[0][number];

const seconds = (s: string): number => Date.parse(s) / 1000;

/** The weights that points at some seconds get, the stronger the mark the higher. */
function weights(times: readonly number[], start = 0, known: readonly number[] = []): number[] {
  const scale = new LocalScale();
  const points = times.map((t, i) => ({
    originalTime: t,
    time: scale.convertHorzItemToInternal(t as UTCTimestamp),
    timeWeight: known[i] ?? 0,
  })) as unknown as Point[];
  scale.fillWeightsForPoints(points, start);
  return points.map(p => Number(p.timeWeight));
}

const every = (from: string, step: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) => seconds(from) + i * step);

describe("marks on the scale of times", () => {
  it.each([
    ["UTC", "2026-03-04T00:00:00Z"],
    ["America/New_York", "2026-03-04T05:00:00Z"],
    ["Asia/Kolkata", "2026-03-03T18:30:00Z"], // half an hour off UTC
    ["Pacific/Auckland", "2026-03-03T11:00:00Z"],
    // The day on which the clock goes forward: midnight is still UTC+1.
    ["Europe/Berlin", "2026-03-28T23:00:00Z"],
    ["Europe/Berlin", "2026-03-29T22:00:00Z"],
  ])("are strongest at midnight where the viewer is: %s", (tz, midnight) => {
    process.env.TZ = tz;
    const times = every(new Date(Date.parse(midnight) - 6 * 3_600_000).toISOString(), 1800, 24);
    const w = weights(times);
    const strongest = w.slice(1).reduce((best, x, i) => (x > (w[best] as number) ? i + 1 : best), 1);
    expect(new Date((times[strongest] as number) * 1000).toISOString()).toBe(
      new Date(midnight).toISOString(),
    );
  });

  it("are stronger at the viewer's full hours than between them", () => {
    process.env.TZ = "Asia/Kolkata";
    const times = every("2026-03-04T06:30:00Z", 1800, 9); // noon there
    const w = weights(times);
    for (let i = 3; i < 9; i++) {
      const full = i % 2 === 0;
      const [here, next] = [w[i] as number, w[i - 1] as number];
      if (full) expect(here).toBeGreaterThan(next);
      else expect(here).toBeLessThan(next);
    }
  });

  it("prefer round seconds", () => {
    process.env.TZ = "UTC";
    const times = every("2026-03-04T10:00:00Z", 1, 120);
    const w = weights(times);
    const at = (s: number): number => w[s] as number;
    expect(at(61)).toBeLessThan(at(65));
    expect(at(65)).toBeLessThan(at(70));
    expect(at(70)).toBeLessThan(at(75));
    expect(at(75)).toBeLessThan(at(90));
    expect(at(90)).toBeLessThan(at(60));
  });

  it("change nothing before the point from which they are asked for", () => {
    process.env.TZ = "America/New_York";
    const times = every("2026-03-04T04:00:00Z", 600, 20);
    const whole = weights(times);
    const part = weights(times, 12, Array(12).fill(99));
    expect(part.slice(0, 12)).toEqual(Array(12).fill(99));
    expect(part.slice(12)).toEqual(whole.slice(12));
  });

  it("keep the true time of every point", () => {
    process.env.TZ = "Asia/Tokyo";
    const scale = new LocalScale();
    const t = seconds("2026-03-04T10:00:00Z") as UTCTimestamp;
    const point = { originalTime: t, time: scale.convertHorzItemToInternal(t), timeWeight: 0 };
    scale.fillWeightsForPoints([point] as unknown as Point[]);
    expect(point.time).toEqual(scale.convertHorzItemToInternal(t));
    expect(scale.key(t)).toBe(t);
  });

  it.each([
    ["UTC", "2026-03-04T10:00:00Z", 0],
    ["America/New_York", "2026-03-04T10:00:00Z", -18_000],
    ["America/New_York", "2026-07-04T10:00:00Z", -14_400],
    ["Asia/Kolkata", "2026-03-04T10:00:00Z", 19_800],
  ])("%s at %s is %i seconds ahead", (tz, when, want) => {
    process.env.TZ = tz;
    expect(zoneOffset(seconds(when)) + 0).toBe(want);
  });
});
