import { beforeEach, describe, expect, it, vi } from "vitest";
import { Bars, type Candle } from "./bars.ts";
import { Splits } from "./splits.ts";

const DAY = 86_400_000;
const iso = (t: number): string => new Date(t).toISOString();
const bar = (day: number): Candle => ({
  ...{ t: day * DAY, end: (day + 1) * DAY, open: 1, high: 1, low: 1, close: 1 },
  ...{ volume: 1, trades: 1, revision: 0 },
});

const answers: Record<string, unknown[]> = {};
let asked: string[] = [];

function make() {
  const told = vi.fn();
  const failed = vi.fn();
  const abort = new AbortController();
  const s = new Splits({ series: () => "file:A@1d", signal: () => abort.signal, failed, told });
  return { s, told, failed };
}

describe("Splits", () => {
  beforeEach(() => {
    asked = [];
    answers.actions = [
      { ex: iso(40 * DAY), kind: "split", ratio: 4, words: "split 4:1" },
      { ex: iso(30 * DAY), kind: "dividend", amount: 0.8, words: "dividend 0.8" },
      { ex: iso(20 * DAY), kind: "split", ratio: 7, words: "split 7:1" },
    ];
    const w = { series: "file:A@1d", close: 700, open: 100, ratio: 7, voided: 5 };
    answers.warnings = [
      {
        ...w,
        bar: { start: iso(35 * DAY), end: iso(36 * DAY) },
        announced: false,
        reason: "looks like a split",
      },
      { ...w, bar: { start: iso(20 * DAY), end: iso(21 * DAY) }, announced: true, reason: "split 7:1" },
    ];
    vi.stubGlobal("fetch", async (url: string) => {
      asked.push(url);
      return Response.json({ items: answers[url.split("/").at(-1) as string] });
    });
  });

  it("puts actions and what nobody announced in one list, newest first, and tells once", async () => {
    const { s, told } = make();
    await s.load();
    expect(s.marks.value.map(m => [m.kind, m.t / DAY])).toEqual([
      ["split", 40],
      ["suspected", 35],
      ["dividend", 30],
      ["split", 20],
    ]);
    await s.load();
    expect(told).toHaveBeenCalledTimes(1);
    expect(asked).toContain("/v1/series/file%3AA%401d/warnings");
    s.clear();
    expect(s.marks.value).toEqual([]);
  });

  it("places marks at the first bar that they affect, where that is on the chart", async () => {
    const { s } = make();
    await s.load();
    const bars = new Bars();
    expect(s.placed(bars)).toEqual([]);
    expect(s.newest(bars)).toBe(0);
    // There is no bar from day 29 to 31: the dividend's first bar is that of day 32.
    bars.merge([25, 26, 27, 28, 32, 33, 34, 35, 36].map(bar));
    expect(s.placed(bars).map(p => [p.mark.kind, p.bar.t / DAY])).toEqual([
      ["dividend", 32],
      ["suspected", 35],
    ]);
    // The split of day 40 is not in force yet.
    expect(s.newest(bars) / DAY).toBe(32);
    expect(s.between(bars.last, bar(39))).toBe(false);
    expect(s.between(bars.last, bar(40))).toBe(true);
    expect(s.between(bar(40), bar(41))).toBe(false);
    bars.merge([bar(41)]);
    expect(s.newest(bars) / DAY).toBe(41);
  });

  it("reports what failed", async () => {
    const { s, failed, told } = make();
    vi.stubGlobal("fetch", async () => new Response("", { status: 503 }));
    await s.load();
    expect(failed).toHaveBeenCalledTimes(1);
    expect(told).not.toHaveBeenCalled();
  });
});
