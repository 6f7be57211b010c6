// @vitest-environment happy-dom
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { COLOURS, type Paper, stage } from "../../dev/canvas.ts";
import { App } from "../state/app.ts";
import type { Candle } from "../state/bars.ts";
import { Overview } from "./Overview.tsx";

// 101 bars and 7 of room on a strip of 1,070 pixels: ten pixels a bar.
const MARGIN = 7;
const SIZE = 100 + MARGIN;

let app: App;
let paper: Paper;
let root: HTMLElement;
let shown: [number, number][];

const bar = (i: number, close: number): Candle => ({
  ...{ t: i * 1000, end: i * 1000 + 1000, open: close, high: close, low: close, close },
  ...{ volume: 1, trades: 1, revision: 0 },
});

function show(from: number, to: number): void {
  void act(() =>
    render(
      <Overview app={app} visible={{ from, to }} margin={MARGIN} show={(a, b) => void shown.push([a, b])} />,
      root,
    ),
  );
}

const find = (what: string): HTMLElement => {
  const e = root.querySelector<HTMLElement>(what);
  if (e === null) throw new Error(`no ${what}`);
  return e;
};
const handle = (part: "from" | "to"): HTMLElement => find(`.handle[data-part="${part}"]`);
const percent = (bars: number): string => `${(100 * bars) / SIZE}%`;

function pointer(type: string, on: HTMLElement, bars: number): void {
  on.dispatchEvent(
    new PointerEvent(type, { bubbles: true, cancelable: true, clientX: bars * 10, pointerId: 1 }),
  );
}

/** Presses on something at a bar, goes to others, and lets go. */
function drag(on: HTMLElement, ...bars: number[]): void {
  pointer("pointerdown", on, bars[0] as number);
  for (const b of bars.slice(1)) pointer("pointermove", find(".overview"), b);
  pointer("pointerup", find(".overview"), bars.at(-1) as number);
}

function key(on: HTMLElement, key: string, more: KeyboardEventInit = {}): boolean {
  return on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
}

beforeEach(() => {
  vi.useFakeTimers();
  ({ paper } = stage(10 * SIZE, 44));
  HTMLElement.prototype.setPointerCapture ??= () => {};
  app = new App();
  for (let i = 0; i <= 100; i++) app.bars.put(bar(i, 50 + (i % 10)));
  app.lastBar.value = app.bars.last ?? null;
  shown = [];
  root = document.createElement("div");
  document.body.append(root);
});
afterEach(() => {
  render(null, root);
  root.remove();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("the overview", () => {
  it("is empty until there is something to see", () => {
    app.lastBar.value = null;
    show(0, 10);
    expect(root.querySelector(".handle")).toBeNull();
    expect(root.querySelector(".overview")).not.toBeNull();
  });

  it.each([
    [20, 60, 20, 60],
    [-50, 60, 0, 60],
    [20, 900, 20, SIZE],
    [-50, 900, 0, SIZE],
    [90, 90, 90, 91],
  ])("lays its window over %i to %i", (from, to, left, right) => {
    show(from, to);
    const brush = find(".brush");
    expect(brush.style.left).toBe(percent(left));
    expect(Number.parseFloat(brush.style.width)).toBeCloseTo((100 * (right - left)) / SIZE, 6);
    expect(handle("from").getAttribute("aria-valuenow")).toBe(String(left));
    expect(handle("to").getAttribute("aria-valuenow")).toBe(String(right));
    expect(handle("to").getAttribute("aria-valuemax")).toBe(String(SIZE));
  });

  it("says in words what stands at its ends", () => {
    show(20, 104);
    expect(handle("from").getAttribute("aria-valuetext")).toMatch(/1970/);
    expect(handle("to").getAttribute("aria-valuetext")).toBe("ahead of the latest bar");
    expect(handle("from").getAttribute("aria-label")).toContain("Start");
  });

  it.each<[string, string, number[], [number, number]]>([
    ["the window", ".brush", [40, 50], [30, 70]],
    ["the window beyond the beginning", ".brush", [40, 0], [0, 40]],
    ["the window beyond the end", ".brush", [40, 200], [SIZE - 40, SIZE]],
    ["its start", '.handle[data-part="from"]', [20, 35], [35, 60]],
    ["its start across its end", '.handle[data-part="from"]', [20, 90], [52, 60]],
    ["its end", '.handle[data-part="to"]', [60, 80], [20, 80]],
    ["its end across its start", '.handle[data-part="to"]', [60, 5], [20, 28]],
    ["its end beyond the last bar", '.handle[data-part="to"]', [60, 300], [20, SIZE]],
  ])("is dragged by %s", (_, what, bars, want) => {
    show(20, 60);
    drag(find(what), ...bars);
    expect(shown.at(-1)?.map(v => Math.round(v))).toEqual(want);
  });

  it("moves its middle to where it is pressed, and on from there", () => {
    show(20, 60);
    drag(find("canvas"), 80, 75);
    expect(shown).toEqual([
      [60, 100],
      [55, 95],
    ]);
    drag(find("canvas"), 3);
    expect(shown.at(-1)).toEqual([0, 40]);
    drag(find("canvas"), SIZE);
    expect(shown.at(-1)).toEqual([SIZE - 40, SIZE]);
  });

  it("does not move unless it is held", () => {
    show(20, 60);
    pointer("pointermove", find(".overview"), 50);
    drag(find(".brush"), 40);
    pointer("pointermove", find(".overview"), 50);
    pointer("pointerdown", find(".brush"), 40);
    pointer("pointercancel", find(".overview"), 40);
    pointer("pointermove", find(".overview"), 50);
    expect(shown).toEqual([]);
  });

  it.each<["from" | "to", string, boolean, [number, number]]>([
    ["from", "ArrowLeft", false, [15, 60]],
    ["from", "ArrowDown", false, [15, 60]],
    ["from", "ArrowRight", false, [25, 60]],
    ["from", "ArrowUp", true, [52, 60]],
    ["from", "Home", false, [0, 60]],
    ["from", "End", false, [52, 60]],
    ["from", "PageDown", false, [0, 60]],
    ["to", "ArrowRight", true, [20, SIZE]],
    ["to", "ArrowLeft", true, [20, 28]],
    ["to", "PageUp", false, [20, SIZE]],
    ["to", "End", false, [20, SIZE]],
    ["to", "Home", false, [20, 28]],
  ])("is moved by the keyboard: %s, %s, shift %s", (part, name, shiftKey, want) => {
    show(20, 60);
    expect(key(handle(part), name, { shiftKey })).toBe(false); // the page does not scroll
    expect(shown).toEqual([want]);
  });

  it("leaves other keys to the page", () => {
    show(20, 60);
    expect(key(handle("from"), "Tab")).toBe(true);
    expect(key(handle("from"), "a")).toBe(true);
    expect(shown).toEqual([]);
  });
});

describe("the strip", () => {
  it("draws every close between its lowest and its highest", () => {
    show(20, 60);
    vi.advanceTimersByTime(20);
    const points = paper.strokes
      .filter(s => s.op === "lineTo" || s.op === "moveTo")
      .map(s => s.args[1] as number);
    expect(points.length).toBeGreaterThan(100);
    const line = points.slice(0, 101);
    expect(Math.min(...line)).toBeCloseTo(5, 6); // 59
    expect(Math.max(...line)).toBeCloseTo(39, 6); // 50
    expect(paper.strokes.find(s => s.op === "stroke")?.stroke).toBe(COLOURS.muted);
    expect(paper.strokes.find(s => s.op === "fill")?.fill).toBe(COLOURS.brush);
  });

  it("draws a price that does not move, too", () => {
    app.bars.clear();
    for (let i = 0; i < 5; i++) app.bars.put(bar(i, 7));
    app.lastBar.value = app.bars.last ?? null;
    show(0, 4);
    vi.advanceTimersByTime(20);
    const ys = paper.strokes.filter(s => s.op === "lineTo").map(s => s.args[1] as number);
    expect(ys.length).toBeGreaterThan(3);
    expect(ys.every(y => Number.isFinite(y))).toBe(true);
  });

  it("draws once for many bars that come in one frame, and not after it has gone", () => {
    show(20, 60);
    vi.advanceTimersByTime(20);
    paper.clear();
    for (let i = 0; i < 50; i++) for (const l of app.listeners) l.bars({ kind: "rebuild" });
    vi.advanceTimersByTime(20);
    expect(paper.said("clearRect")).toHaveLength(1);
    for (const l of app.listeners) l.forecasts();
    vi.advanceTimersByTime(20);
    expect(paper.said("clearRect")).toHaveLength(1);
    void act(() => render(null, root));
    expect(app.listeners.size).toBe(0);
  });
});
