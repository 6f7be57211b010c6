import { describe, expect, it } from "vitest";
import { curve, imported, training, version } from "../../dev/models.ts";
import {
  believed,
  brieflyCounted,
  bytes,
  endOf,
  find,
  grouped,
  left,
  leftWords,
  network,
  plain,
  progress,
  several,
  stamp,
  tallied,
} from "./words.ts";

describe("words", () => {
  it.each([
    ["lstm 1 x 16, 8 inputs", "lstm 1 × 16, 8 inputs"],
    ["lstm 10 x 10, 1 inputs", "lstm 10 × 10, 1 input"],
    ["gru 2 x 32, 11 inputs", "gru 2 × 32, 11 inputs"],
  ])("%s is shown as %s", (s, want) => {
    expect(network(s)).toBe(want);
  });

  it.each([
    [512, "512 B"],
    [1234, "1.2 kB"],
    [37_492, "37 kB"],
    [12_345_678, "12.3 MB"],
  ])("%d bytes are %s", (n, want) => {
    expect(bytes(n)).toBe(want);
  });

  it("counts in the singular and the plural", () => {
    expect(several(1, "series", "series")).toBe("1 series");
    expect(several(1, "bar")).toBe("1 bar");
    expect(several(12_345, "bar")).toBe("12,345 bars");
  });

  it.each([
    [5427, "5,427 parameters"],
    [6_722_760, "6.72M parameters"],
  ])("%d parameters are %s", (n, want) => {
    expect(brieflyCounted(n, "parameter")).toBe(want);
  });

  it("gives bars of a day and more a date alone", () => {
    expect(stamp("2015-01-01T00:00:00Z", "1d")).toBe("01 Jan 2015");
    expect(stamp("2015-01-01T00:00:00Z", "1m")).toMatch(/:00:00$/);
    expect(stamp("2015-01-01T00:00:00Z", undefined)).toMatch(/:00:00$/);
  });

  it.each([
    [[0, 0, 0, 0, 0], "not believed: it says how wide, not where to"],
    [[0, 0, 0, 0.25, 0], "believed to 25 % at 10 bars ahead, else not"],
    [[1, 1, 1, 1, 1], /^believed to 100 % at 1 bar ahead, .* at 20 bars ahead$/],
  ])("a location of %j is %s", (list, want) => {
    expect(believed(list)).toMatch(want);
  });

  it("names a series once though several files are of it", () => {
    expect(tallied(["a", "a", "b"])).toEqual([
      ["a", 2],
      ["b", 1],
    ]);
  });

  it("groups versions by model in the server's order", () => {
    const list = [version("b"), version("a"), imported("o"), version("g", { name: "gru" })];
    expect(grouped(list).map(g => [g.name, g.versions.map(v => v.id)])).toEqual([
      ["lstm", ["b", "a"]],
      ["original", ["o"]],
      ["gru", ["g"]],
    ]);
    expect(grouped([])).toEqual([]);
  });

  it.each([
    ["lstm/a", "a"],
    ["lstm", "b"],
    ["lstm/x", undefined],
    ["x", undefined],
  ])("finds %s", (address, want) => {
    expect(find([version("b"), version("a")], address)?.id).toBe(want);
  });

  it.each([
    ["neural: bad shape: steps 1; choose 2 to 1000", "steps 1; choose 2 to 1000"],
    [
      "registry: not a model version: model file: it is empty",
      "not a model version: model file: it is empty",
    ],
    ["too many are waiting: 16", "too many are waiting: 16"],
    ["AMZN 5m: 468 bars are too few", "AMZN 5m: 468 bars are too few"],
  ])("leaves the names of parts out of %j", (s, want) => {
    expect(plain(s)).toBe(want);
  });

  it("names the end of a training's bars only where it was chosen", () => {
    const t = training("t1");
    expect(endOf(t)).toBeNull();
    expect(endOf({ ...t, plan: { ...t.plan, until: t.created } })).toBeNull();
    expect(endOf({ ...t, plan: { ...t.plan, until: "2026-01-01T00:00:00Z" } })).toBe(
      Date.parse("2026-01-01T00:00:00Z"),
    );
  });

  it("says how far a training is", () => {
    expect(progress(training("t1", { state: "running", curve: [] }), 0)).toBe("reading bars");
    expect(progress(training("t1", { state: "running", curve: curve(1, 10) }), 0)).toBe(
      "network 1 of 3, epoch 7",
    );
    expect(progress(training("t1", { state: "queued" }), 0)).toBe("queued, next");
  });

  it("estimates what is left by the pace that was seen, and never before it was", () => {
    const t = training("t1", { state: "running", progress: 0.5 });
    expect(left(t, undefined, 5000)).toBeNull();
    expect(left(t, { at: 0, progress: 0.5 }, 5000)).toBeNull();
    expect(left(t, { at: 4000, progress: 0.4 }, 5000)).toBeNull();
    expect(left(t, { at: 0, progress: 0.25 }, 5000)).toBe(10_000);
    expect(left({ ...t, state: "done" }, { at: 0, progress: 0 }, 5000)).toBeNull();
    expect(leftWords(null)).toBe("");
    expect(leftWords(500)).toBe("nearly done");
    expect(leftWords(3000)).toBe("at most 10 s left");
    expect(leftWords(125_000)).toBe("at most 2 min 5 s left");
  });
});
