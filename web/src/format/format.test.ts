import { describe, expect, it } from "vitest";
import {
  chance,
  difference,
  fixed,
  metric,
  odds,
  percent,
  price,
  share,
  short,
  signed,
  signedShare,
  volume,
} from "./number.ts";
import { age, barTime, opened, startOf, utc } from "./time.ts";

describe("numbers", () => {
  it.each([
    [0.0004, "less than 0.01 to 1"],
    [0.0501, "0.05 to 1"],
    [1, "1 to 1"],
    [1.1194, "1.1 to 1"],
    [19.99, "19 to 1"],
    [14814.9, "14,814 to 1"],
    [5.2e16, "5 × 10¹⁶ to 1"],
    [1e300, "1 × 10³⁰⁰ to 1"],
    [null, "–"],
  ])("odds(%s) is %s", (v, want) => {
    expect(odds(v)).toBe(want);
  });

  it.each([
    [1, "1.00"],
    [0.0512, "0.051"],
    [0.0021, "0.0021"],
    [0.00007, "< 0.0001"],
    [undefined, "–"],
  ])("chance(%s) is %s", (v, want) => {
    expect(chance(v)).toBe(want);
  });

  it.each([
    [1234.5, 2, "1,234.50"],
    [-1.005, 1, "−1.0"],
    [-0.001, 2, "0.00"],
    [0, 3, "0.000"],
    [null, 2, "–"],
    [undefined, 2, "–"],
    [Number.NaN, 2, "–"],
    [Number.POSITIVE_INFINITY, 2, "–"],
    [-37.63, 2, "−37.63"],
    [0.00012345, 8, "0.00012345"],
  ])("fixed(%s, %i) is %s", (v, decimals, want) => {
    expect(fixed(v, decimals)).toBe(want);
  });

  it.each([
    [0.5, "+0.500"],
    [-0.5, "−0.500"],
    [0.0001, "0.000"],
    [-0.0001, "0.000"],
    [null, "–"],
  ])("signed(%s) is %s", (v, want) => {
    expect(signed(v, 3)).toBe(want);
  });

  it("prices have the instrument's decimals, differences one more", () => {
    expect(price(178.4, 2)).toBe("178.40");
    expect(price(1.09123, 5)).toBe("1.09123");
    expect(difference(0.01, 2)).toBe("+0.010");
  });

  it("per cent and shares are told apart", () => {
    expect(percent(0.1234)).toBe("+0.123 %");
    expect(percent(null)).toBe("–");
    expect(share(0.914)).toBe("91.4 %");
    expect(share(null)).toBe("–");
    expect(signedShare(-0.011)).toBe("−1.1 %");
  });

  it.each([
    [0, "0"],
    [12.5, "12.50"],
    [3658, "3,658"],
    [123_456, "123.5K"],
    [2_500_000, "2.50M"],
    [7_100_000_000, "7.10B"],
    [null, "–"],
  ])("volume(%s) is %s", (v, want) => {
    expect(volume(v)).toBe(want);
  });

  it("metrics keep about four digits", () => {
    expect([123.456, 1.23456, 0.123456, 0.00123456].map(metric)).toEqual([
      "123.46",
      "1.235",
      "0.1235",
      "0.00123",
    ]);
  });

  it("hashes are cut", () => {
    expect(short("abcdef0123456789")).toBe("abcdef01");
  });
});

describe("times", () => {
  it.each([
    [0, "0.0 s"],
    [420, "0.4 s"],
    [12_345, "12 s"],
    [185_000, "3 min 5 s"],
    [7_440_000, "2 h 4 min"],
    [273_600_000, "3 d 4 h"],
    [-50, "0.0 s"],
  ])("age(%i) is %s", (ms, want) => {
    expect(age(ms)).toBe(want);
  });

  it("says before and after", () => {
    expect(opened(48.2)).toBe("48 ms after its bar opened");
    expect(opened(-941.7)).toBe("942 ms before its bar opens");
    expect(opened(0)).toBe("as its bar opened");
    expect(opened(-120_000)).toBe("2 min before its bar opens");
  });

  it("names UTC", () => {
    expect(utc(Date.parse("2026-01-02T03:04:05.678Z"))).toBe("2026-01-02 03:04:05.678 UTC");
    expect(utc(Number.NaN)).toBe("");
  });

  it("shows a daily bar by its date in UTC, whatever the zone", () => {
    const t = Date.parse("2019-02-01T00:00:00Z");
    expect(barTime(t, 86_400, t)).toBe("01 Feb 2019");
  });

  it("leaves out the date of the day of reference, and seconds where there are none", () => {
    const t = new Date(2019, 1, 1, 15, 4, 0).getTime();
    const other = new Date(2019, 1, 2, 9, 0, 0).getTime();
    expect(barTime(t, 1, t)).toBe("15:04:00");
    expect(barTime(t, 60, t)).toBe("15:04");
    expect(barTime(t, 60, other)).toBe("01 Feb 2019, 15:04");
    expect(barTime(t, 1, other)).toBe("01 Feb 2019, 15:04:00");
  });

  it("reads the start of a time or a span", () => {
    const t = "2026-01-02T03:04:05Z";
    expect(startOf(t)).toBe(startOf({ start: t }));
  });
});
