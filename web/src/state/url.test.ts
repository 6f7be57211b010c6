import { describe, expect, it } from "vitest";
import { DEFAULT_VIEW, formatView, parseRange, parseView, type View } from "./url.ts";

describe("the view in the address", () => {
  it("is empty when everything is as usual", () => {
    expect(formatView(DEFAULT_VIEW)).toBe("");
    expect(parseView("")).toEqual(DEFAULT_VIEW);
  });

  const views: [string, Partial<View>, string][] = [
    ["a series", { series: "sim:AMZN@1s" }, "?series=sim:AMZN@1s"],
    ["a symbol with a slash", { series: "kraken:BTC/USD@1m" }, "?series=kraken:BTC/USD@1m"],
    ["odd characters", { series: "x:A&B=C+D #%@1s" }, "?series=x:A%26B%3DC%2BD%20%23%25@1s"],
    ["model and horizon", { model: "ewma", horizon: 3 }, "?model=ewma&h=3"],
    ["theme and units", { theme: "dark", units: "percent" }, "?theme=dark&units=percent"],
    ["adjusted prices", { adjusted: "splits" }, "?adjusted=splits"],
    ["the newest bars", { range: { kind: "last", bars: 300 } }, "?range=last-300"],
    ["a stretch of the past", { range: { kind: "between", from: 100, to: 200 } }, "?range=100-200"],
  ];
  it.each(views)("%s comes back as it was", (_, change, want) => {
    const view = { ...DEFAULT_VIEW, ...change };
    expect(formatView(view)).toBe(want);
    expect(parseView(formatView(view))).toEqual(view);
  });

  it.each([
    [{ page: "backtests" }, "?view=backtests"],
    [{ page: "backtests", ids: ["b65f3"] }, "?view=backtests&id=b65f3"],
    [{ page: "models" }, "?view=models"],
    [{ page: "models", ids: ["t65f3"] }, "?view=models&id=t65f3"],
    [{ page: "models", ids: ["my-lstm/6c69"], theme: "dark" }, "?view=models&id=my-lstm/6c69&theme=dark"],
    [{ page: "backtests", ids: ["b1", "b2"], theme: "dark" }, "?view=backtests&id=b1,b2&theme=dark"],
  ] as [Partial<View>, string][])("%j is shared as %s", (change, want) => {
    const view = { ...DEFAULT_VIEW, ...change };
    expect(formatView(view)).toBe(want);
    expect(parseView(want)).toEqual(view);
  });

  it("leaves the live page's place out of a backtest's address", () => {
    expect(formatView({ ...DEFAULT_VIEW, page: "backtests", series: "sim:A@1s", horizon: 3 })).toBe(
      "?view=backtests",
    );
  });

  it("takes no strange ids, none twice and not too many", () => {
    expect(parseView("?view=backtests&id=b1,../x,b1,,b2").ids).toEqual(["b1", "b2"]);
    expect(parseView("?view=backtests&id=1,2,3,4,5,6,7,8").ids).toHaveLength(6);
    expect(parseView("?view=models&id=a/b/c,../x,lstm,gru").ids).toEqual(["lstm"]);
    expect(parseView("?view=live&id=b1").ids).toEqual([]);
  });

  it.each([
    "?h=0",
    "?h=-1",
    "?h=1.5",
    "?h=x",
    "?h=99999",
    "?theme=pink",
    "?adjusted=some",
    "?units=bananas",
    "?range=last-0",
    "?range=last-999999",
    "?range=200-100",
    "?range=x",
    "?unknown=1",
    "?view=nothing",
  ])("%s falls back to the usual", search => {
    expect(parseView(search)).toEqual(DEFAULT_VIEW);
  });

  it("reads ranges", () => {
    expect(parseRange("last-50")).toEqual({ kind: "last", bars: 50 });
    expect(parseRange("1548979200-1548982800")).toEqual({
      kind: "between",
      from: 1548979200,
      to: 1548982800,
    });
  });
});
