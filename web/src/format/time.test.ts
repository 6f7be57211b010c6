import { afterAll, afterEach, describe, expect, it, vi } from "vitest";

const zoneBefore = process.env.TZ;

/** The formatters are made once: another zone needs the module anew. */
async function inZone(tz: string) {
  process.env.TZ = tz;
  vi.resetModules();
  return import("./time.ts");
}

afterEach(() => {
  if (zoneBefore === undefined) delete process.env.TZ;
  else process.env.TZ = zoneBefore;
});
afterAll(() => vi.resetModules());

const at = (s: string): number => Date.parse(s);

describe("times in the viewer's zone", () => {
  it.each([
    ["UTC", "2026-03-04T15:04:05.067Z", "15:04:05", "15:04:05.067", "04 Mar 2026, 15:04:05"],
    ["America/New_York", "2026-03-04T15:04:05.067Z", "10:04:05", "10:04:05.067", "04 Mar 2026, 10:04:05"],
    ["Asia/Kolkata", "2026-03-04T20:04:05.500Z", "01:34:05", "01:34:05.500", "05 Mar 2026, 01:34:05"],
    ["Pacific/Auckland", "2025-12-31T11:00:00Z", "00:00:00", "00:00:00.000", "01 Jan 2026, 00:00:00"],
  ])("%s, %s", async (tz, when, clock, clockMs, moment) => {
    const time = await inZone(tz);
    expect(time.clock(at(when))).toBe(clock);
    expect(time.clockMs(at(when))).toBe(clockMs);
    expect(time.moment(at(when))).toBe(moment);
  });

  // Europe/Berlin puts its clock forward at 01:00 UTC on 29 March 2026, and back on 25 October.
  it.each([
    ["2026-03-29T00:59:59Z", "01:59:59"],
    ["2026-03-29T01:00:00Z", "03:00:00"],
    ["2026-10-25T00:59:59Z", "02:59:59"],
    ["2026-10-25T01:00:00Z", "02:00:00"],
  ])("across a change of the clock: %s", async (when, want) => {
    const time = await inZone("Europe/Berlin");
    expect(time.clock(at(when))).toBe(want);
  });

  it("names the zone", async () => {
    expect((await inZone("Europe/Berlin")).zone()).toBe("Europe/Berlin");
  });

  it("calls midnight 00, not 24", async () => {
    const time = await inZone("UTC");
    expect(time.clock(at("2026-01-01T00:00:00Z"))).toBe("00:00:00");
  });
});

describe("when a bar starts", () => {
  const noon = "2026-03-04T12:00:00Z";
  it.each<[string, string, number, string, string, string]>([
    ["the same day, minutes", "UTC", 60, "2026-03-04T09:30:00Z", noon, "09:30"],
    ["the same day, seconds", "UTC", 1, "2026-03-04T09:30:07Z", noon, "09:30:07"],
    ["the same day, 90 seconds", "UTC", 90, "2026-03-04T09:30:30Z", noon, "09:30:30"],
    ["another day, minutes", "UTC", 60, "2026-03-03T09:30:00Z", noon, "03 Mar 2026, 09:30"],
    ["another day, seconds", "UTC", 1, "2026-03-03T09:30:07Z", noon, "03 Mar 2026, 09:30:07"],
    ["another year", "UTC", 3600, "2025-03-04T09:00:00Z", noon, "04 Mar 2025, 09:00"],
    // The viewer's day counts, not UTC's: 02:00 UTC is the evening before in New York.
    ["the viewer's yesterday", "America/New_York", 60, "2026-03-04T02:00:00Z", noon, "03 Mar 2026, 21:00"],
    ["the viewer's today", "America/New_York", 60, "2026-03-04T06:00:00Z", noon, "01:00"],
    // A bar of a day is that day, wherever the viewer is.
    ["a day, in New York", "America/New_York", 86_400, "2026-03-04T00:00:00Z", noon, "04 Mar 2026"],
    ["a day, in Auckland", "Pacific/Auckland", 86_400, "2026-03-04T00:00:00Z", noon, "04 Mar 2026"],
    ["a week", "America/Los_Angeles", 604_800, "2026-03-02T00:00:00Z", noon, "02 Mar 2026"],
  ])("%s", async (_, tz, seconds, when, reference, want) => {
    const time = await inZone(tz);
    expect(time.barTime(at(when), seconds, at(reference))).toBe(want);
  });
});

describe("how long", () => {
  it.each([
    [-5000, "0.0 s"],
    [0, "0.0 s"],
    [49, "0.0 s"],
    [51, "0.1 s"],
    [9949, "9.9 s"],
    [10_000, "10 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [61_000, "1 min 1 s"],
    [3_599_999, "59 min 59 s"],
    [3_600_000, "1 h"],
    [7_440_000, "2 h 4 min"],
    [86_399_999, "23 h 59 min"],
    [86_400_000, "1 d"],
    [100 * 86_400_000 + 4 * 3_600_000, "100 d 4 h"],
  ])("%i ms is %s", async (v, want) => {
    const time = await inZone("UTC");
    expect(time.age(v)).toBe(want);
  });

  it.each([
    [0, "as its bar opened"],
    [0.4, "as its bar opened"],
    [-0.4, "as its bar opened"],
    [48, "48 ms after its bar opened"],
    [-48, "48 ms before its bar opens"],
    [1234, "1.2 s after its bar opened"],
    [-65_000, "1 min 5 s before its bar opens"],
  ])("sealed %d ms after the opening: %s", async (v, want) => {
    const time = await inZone("UTC");
    expect(time.opened(v)).toBe(want);
  });
});

describe("the API's times", () => {
  it("reads a time, and the start of a span", async () => {
    const { ms, startOf, utc } = await inZone("Asia/Tokyo");
    expect(ms("2026-03-04T15:00:00Z")).toBe(at("2026-03-04T15:00:00Z"));
    expect(ms("2026-03-04T15:00:00.000001Z")).toBe(at("2026-03-04T15:00:00Z"));
    expect(ms("never")).toBeNaN();
    expect(startOf({ start: "2026-03-04T15:00:00Z" })).toBe(startOf("2026-03-04T15:00:00Z"));
    expect(utc(at("2026-03-04T15:00:00.5Z"))).toBe("2026-03-04 15:00:00.500 UTC");
    expect(utc(Number.NaN)).toBe("");
    expect(utc(Number.POSITIVE_INFINITY)).toBe("");
  });
});
