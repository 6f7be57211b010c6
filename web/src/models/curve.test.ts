import { describe, expect, it } from "vitest";
import { curve } from "../../dev/models.ts";
import type { Epoch } from "../api/types.ts";
import { reading } from "./Curve.tsx";
import { bestOf, decimals, frame, labels, line, restarts } from "./curve.ts";

const epoch = (restart: number, n: number, train: number, valid: number, best = false): Epoch => ({
  restart,
  epoch: n,
  train,
  valid,
  rate: 0.002,
  best,
});

describe("a learning curve", () => {
  it("is a line a network; the last epoch that was best is the one that was kept", () => {
    const list = restarts([
      epoch(2, 1, 2, 1.9, true),
      epoch(1, 2, 1.8, 1.6, true),
      epoch(1, 1, 2, 1.7, true),
      epoch(1, 3, 1.7, 1.65),
    ]);
    expect(list.map(r => [r.n, r.points.map(p => p.epoch), r.best?.epoch])).toEqual([
      [1, [1, 2, 3], 2],
      [2, [1], 1],
    ]);
    expect(bestOf(list)?.n).toBe(1);
    expect(bestOf([])).toBeUndefined();
    expect(bestOf(restarts([epoch(1, 1, 3, 3)]))).toBeUndefined();
  });

  it("leaves the server's list as it is", () => {
    const list = [epoch(1, 2, 1, 1), epoch(1, 1, 1, 1)];
    restarts(list);
    expect(list.map(p => p.epoch)).toEqual([2, 1]);
  });

  it("fits its frame with room above and below", () => {
    const c = curve();
    const f = frame(c);
    expect(f.epochs).toBe(37);
    expect(f.cut).toBe(false);
    expect(f.low).toBeLessThan(Math.min(...c.flatMap(p => [p.train, p.valid])));
    expect(f.high).toBeGreaterThan(Math.max(...c.flatMap(p => [p.train, p.valid])));
  });

  it("is not flattened by a network that diverges", () => {
    const f = frame([...curve(), epoch(4, 1, 9e6, 9e6)]);
    expect(f.cut).toBe(true);
    expect(f.high).toBeLessThan(10);
  });

  it.each([
    ["nothing", []],
    ["one epoch", [epoch(1, 1, 1.5, 1.5)]],
    ["losses that are all the same", [epoch(1, 1, 1, 1), epoch(1, 2, 1, 1)]],
  ])("has a frame for %s", (_, c) => {
    const f = frame(c);
    expect(f.high).toBeGreaterThan(f.low);
    expect(f.epochs).toBeGreaterThanOrEqual(2);
  });

  it("draws a path through its epochs, and one epoch as a dash", () => {
    const x = (e: number): number => e * 10;
    const y = (v: number): number => 100 - v * 10;
    expect(line([epoch(1, 1, 2, 3), epoch(1, 2, 1, 2.3456)], "valid", x, y)).toBe("M10 70L20 76.54");
    expect(line([epoch(1, 1, 2, 3)], "train", x, y)).toBe("M10 80h3");
    expect(line([], "train", x, y)).toBe("");
  });

  it.each([
    [0.1, 1],
    [0.25, 2],
    [0.02, 2],
    [0.05, 2],
    [0.025, 3],
    [0.005, 3],
    [1, 0],
    [20, 0],
    [0, 2],
  ])("tells steps of %d apart with %i decimals", (step, want) => {
    expect(decimals(step)).toBe(want);
  });

  it("numbers its lines where they end, the best for certain, and none over another", () => {
    const list = restarts([
      epoch(1, 9, 1, 1.5),
      epoch(2, 9, 1, 1.49, true),
      epoch(3, 9, 1, 1),
      epoch(4, 2, 1, 1.5),
    ]);
    const at = labels(
      list,
      bestOf(list),
      e => e * 10,
      v => v * 100,
    );
    expect(at).toEqual([
      { n: 2, x: 98, y: 153 },
      { n: 3, x: 95, y: 104 },
      { n: 4, x: 25, y: 154 },
    ]);
    expect(labels([], undefined, Number, Number)).toEqual([]);
  });

  it("is read in words at an epoch", () => {
    const one = restarts([epoch(1, 1, 1.5, 1.4)]);
    expect(reading(one, 1)).toBe("Epoch 1: training 1.5000, validation 1.4000");
    expect(reading(one, 2)).toBe("Epoch 2: all networks had stopped");
    const two = restarts([epoch(1, 1, 1.5, 1.4), epoch(2, 1, 1.6, 1.3), epoch(2, 2, 1.6, 1.3)]);
    expect(reading(two, 1)).toBe(
      "Epoch 1: network 1 training 1.5000, validation 1.4000; network 2 training 1.6000, validation 1.3000",
    );
    const many = restarts([1, 2, 3, 4, 5].map(n => epoch(n, 1, 1, 2 - n / 10, true)));
    expect(reading(many, 1)).toBe(
      "Epoch 1: network 5 training 1.0000, validation 1.5000; network 1 training 1.0000, validation 1.9000; network 2 training 1.0000, validation 1.8000; and 2 more",
    );
    expect(reading(two, 2)).toBe("Epoch 2: network 2 training 1.6000, validation 1.3000");
  });
});
