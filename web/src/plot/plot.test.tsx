// @vitest-environment happy-dom
import { type ComponentChild, render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Dice } from "../../dev/market.ts";
import { Bands, type Kept } from "./Bands.tsx";
import { type Box, Figure, Rules, scale, ticks } from "./Figure.tsx";
import { Pit } from "./Pit.tsx";
import { Reliability } from "./Reliability.tsx";
import { Stack } from "./Stack.tsx";

let root: HTMLElement;
let width: number;

beforeEach(() => {
  width = 500;
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockImplementation(() => width);
  root = document.createElement("div");
  document.body.append(root);
});
afterEach(() => {
  void act(() => render(null, root));
  root.remove();
  vi.restoreAllMocks();
});

const draw = (child: ComponentChild): void => void act(() => render(child, root));
const all = (what: string): Element[] => [...root.querySelectorAll(what)];
const attr = (e: Element | undefined, name: string): number => Number(e?.getAttribute(name));
const text = (e: Element | null | undefined = root): string =>
  (e?.textContent ?? "").replace(/\s+/g, " ").trim();

/** Every coordinate of every shape. */
function coordinates(): number[] {
  const list: number[] = [];
  for (const e of all("svg *")) {
    for (const name of ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"])
      if (e.hasAttribute(name)) list.push(attr(e, name));
    list.push(...(e.getAttribute("d")?.match(/-?[\d.]+(e-?\d+)?|NaN/g) ?? []).map(Number));
  }
  return list;
}

describe("a figure", () => {
  const rows = (n: number): (string | number)[][] => Array.from({ length: n }, (_, i) => [`row ${i}`, i]);
  const figure = (n: number, drawn: (b: Box) => ComponentChild = () => null): void =>
    draw(
      <Figure
        title="T"
        note="N"
        desc="D"
        height={200}
        table={{ head: ["A", "B"], rows: rows(n) }}
        draw={drawn}
      />,
    );

  it("draws in the width that it is given", () => {
    const boxes: Box[] = [];
    figure(1, b => {
      boxes.push(b);
      return null;
    });
    expect(boxes.at(-1)).toEqual({ width: 500, height: 200, left: 40, right: 490, top: 10, bottom: 176 });
    expect(attr(all("svg")[0], "width")).toBe(500);
    expect(all("svg")[0]?.getAttribute("viewBox")).toBe("0 0 500 200");
  });

  it("keeps its first width while it has none: on a page that is not shown", () => {
    width = 0;
    figure(1);
    expect(attr(all("svg")[0], "width")).toBe(340);
  });

  it("says what it shows in words and in numbers", () => {
    figure(3);
    const ids = (all("svg")[0]?.getAttribute("aria-labelledby") ?? "").split(" ");
    expect(ids.map(id => text(document.getElementById(id)))).toEqual(["T", "D"]);
    expect(all("tbody tr").map(r => text(r))).toEqual(["row 00", "row 11", "row 22"]);
  });

  it("makes a long table when someone opens it, and only then", () => {
    figure(61);
    expect(all("tbody tr")).toHaveLength(0);
    const details = all("details")[0] as HTMLDetailsElement;
    void act(() => {
      details.open = true;
      details.dispatchEvent(new Event("toggle"));
    });
    expect(all("tbody tr")).toHaveLength(61);
  });
});

describe("scales and ticks", () => {
  it("map the ends to the ends, and what lies between in proportion", () => {
    const y = scale(10, 20, 100, 0);
    expect([y(10), y(15), y(20), y(25)]).toEqual([100, 50, 0, -50]);
    // A range of nothing has one place, and no division by it.
    expect(scale(5, 5, 0, 100)(5)).toBe(0);
    expect(Number.isFinite(scale(5, 5, 0, 100)(7))).toBe(true);
  });

  it("are round, inside the range, evenly spaced and not too many", () => {
    const dice = new Dice(4);
    for (let i = 0; i < 300; i++) {
      const size = 10 ** (dice.next() * 12 - 6);
      const from = (dice.next() - 0.5) * size * 3;
      const to = from + size * (0.1 + dice.next());
      const n = 1 + Math.floor(dice.next() * 8);
      const list = ticks(from, to, n);
      const slack = (to - from) * 1e-5;
      for (const v of list) {
        expect(v).toBeGreaterThanOrEqual(from - slack);
        expect(v).toBeLessThanOrEqual(to + slack);
      }
      expect(list.length).toBeLessThanOrEqual(n + 1);
      const step = (list[1] as number) - (list[0] as number);
      for (let k = 2; k < list.length; k++)
        expect((list[k] as number) - (list[k - 1] as number)).toBeCloseTo(step, 9);
      if (list.length > 1) {
        const digits = step / 10 ** Math.floor(Math.log10(step) + 1e-9);
        expect([1, 2, 2.5, 5, 10].some(m => Math.abs(m - digits) < 1e-6)).toBe(true);
      }
    }
  });

  it.each([
    [0, 0, 4, [0]],
    [3, 1, 4, [3]],
    [0, Number.NaN, 4, [0]],
  ])("of a range that is none, %s to %s, are its beginning", (from, to, n, want) => {
    expect(ticks(from, to, n)).toEqual(want);
  });

  it("are drawn as lines with their values", () => {
    const box = { width: 100, height: 50, left: 10, right: 90, top: 0, bottom: 40 };
    draw(
      <svg aria-label="rules">
        <title>rules</title>
        <Rules box={box} at={[0, 1]} y={v => 40 - 40 * v} label={v => `${v}!`} />
      </svg>,
    );
    expect(all("line").map(l => [attr(l, "x1"), attr(l, "x2"), attr(l, "y1")])).toEqual([
      [10, 90, 40],
      [10, 90, 0],
    ]);
    expect(all("text").map(t => text(t))).toEqual(["0!", "1!"]);
  });
});

describe("coverage side by side", () => {
  const kept = (name: string, share: number | null, level = 0.9): Kept => ({
    ...{ name, n: share === null ? null : 200, level, share },
    low: share === null ? null : share - 0.03,
    high: share === null ? null : Math.min(1, share + 0.03),
  });
  const bands = (list: Kept[]): void =>
    draw(<Bands title="T" note="N" what="Part" list={list} height={200} />);

  it("stand higher the more was kept", () => {
    bands([kept("a", 0.88), kept("b", 0.9), kept("c", 0.93)]);
    const dots = all("svg .dot").map(d => attr(d, "cy"));
    expect([...dots].sort((a, b) => b - a)).toEqual(dots);
    expect(all("line.promise")).toHaveLength(1); // all promise the same
    expect(text(root.querySelector("desc"))).toBe("3 shares; chance explains every one of them.");
  });

  it("have a promise each where promises differ", () => {
    bands([kept("50 %", 0.5, 0.5), kept("90 %", 0.9, 0.9)]);
    const [low, high] = all("line.promise").map(l => attr(l, "y1"));
    expect(low).toBeGreaterThan(high as number);
  });

  it("hold every shape within the plot, whatever was kept", () => {
    const dice = new Dice(9);
    for (let i = 0; i < 12; i++) {
      const n = 1 + Math.floor(dice.next() * 24);
      bands(
        Array.from({ length: n }, (_, k) =>
          kept(`p${k}`, dice.next() < 0.1 ? null : dice.next(), 0.1 + 0.8 * dice.next()),
        ),
      );
      for (const v of coordinates()) {
        expect(v).toBeGreaterThanOrEqual(-5);
        expect(v).toBeLessThanOrEqual(505);
      }
      expect(all("tbody tr")).toHaveLength(n);
    }
  });

  it("drop labels rather than write them over each other", () => {
    bands(Array.from({ length: 24 }, (_, k) => kept(`${k}:00`, 0.9)));
    const labels = all("svg g.kept > text.axis").map(t => attr(t, "x"));
    expect(labels.length).toBeLessThan(24);
    for (let i = 1; i < labels.length; i++)
      expect((labels[i] as number) - (labels[i - 1] as number)).toBeGreaterThanOrEqual(36);
  });

  it("are nothing where nothing is known", () => {
    bands([]);
    expect(text(root.querySelector("desc"))).toBe("No outcomes yet.");
    expect(coordinates().every(Number.isFinite)).toBe(true);
  });
});

describe("the PIT histogram", () => {
  it("has a bar for each part, as high as its count, and a line at even", () => {
    draw(<Pit pit={[10, 20, 30, 40]} n={100} />);
    const bars = all("rect.bin");
    const heights = bars.map(b => attr(b, "height"));
    expect((heights[3] as number) / (heights[0] as number)).toBeCloseTo(4, 6);
    const even = attr(all("line.promise")[0], "y1");
    const bottom = attr(bars[0], "y") + (heights[0] as number);
    expect((bottom - even) / (heights[0] as number)).toBeCloseTo(2.5, 6);
    expect(text(root.querySelector("desc"))).toBe(
      "4 bins; most outcomes, 40, fell at 75 % to 100 %; even would be 25 each.",
    );
    expect(all("tbody tr").map(r => text(r))[3]).toBe("75 % to 100 %40");
  });

  it.each([
    ["no outcome", [0, 0, 0, 0], 0],
    ["no part", [], 0],
    ["one part only", [7], 7],
  ])("is drawn with %s, too", (_, pit, n) => {
    draw(<Pit pit={pit} n={n} />);
    expect(coordinates().every(Number.isFinite)).toBe(true);
    expect(text()).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe("the reliability diagram", () => {
  it("lies on the diagonal where forecasts mean what they say", () => {
    const p = [0.05, 0.25, 0.5, 0.75, 0.95];
    draw(<Reliability probabilities={p} reliability={p} />);
    const line = all("line.promise")[0];
    const [x1, y1, x2, y2] = ["x1", "y1", "x2", "y2"].map(n => attr(line, n)) as [
      number,
      number,
      number,
      number,
    ];
    for (const c of all("circle")) {
      const t = (attr(c, "cx") - x1) / (x2 - x1);
      expect(attr(c, "cy")).toBeCloseTo(y1 + t * (y2 - y1), 6);
    }
    expect(text(root.querySelector("desc"))).toBe(
      "Of 5 quantiles: 5 % held 5.0 %, 50 % held 50.0 %, 95 % held 95.0 %.",
    );
  });

  it("leaves out what is not known", () => {
    draw(<Reliability probabilities={[0.05, 0.5, 0.95]} reliability={[null, 0.4]} />);
    expect(all("circle")).toHaveLength(1);
    expect(text(root.querySelector("desc"))).toBe("Of 1 quantiles: 50 % held 40.0 %.");
    expect(all("path.path")[0]?.getAttribute("d")).toMatch(/^M[\d.]+ [\d.]+$/);
  });
});

describe("parts of a whole", () => {
  const stack = (slices: number[][], names = ["a", "b", "c"]): void =>
    draw(
      <Stack
        title="T"
        note="N"
        desc="D"
        names={names}
        slices={slices.map((parts, i) => ({ name: `t${i}`, parts }))}
        rows={2}
        height={150}
      />,
    );

  it("fill the plot from top to bottom without a gap", () => {
    stack([
      [0.5, 0.3, 0.2],
      [0.2, 0.3, 0.5],
    ]);
    const paths = all("path.layer").map(p => p.getAttribute("d") ?? "");
    const points = (d: string): number[][] =>
      d
        .replace(/[MZ]/g, "")
        .split("L")
        .map(p => p.split(" ").map(Number));
    const [a, b, c] = paths.map(points) as [number[][], number[][], number[][]];
    expect(a.slice(0, 2).map(p => p[1])).toEqual([10, 10]);
    expect(c.slice(2).map(p => p[1])).toEqual([126, 126]);
    // The lower edge of one is the upper edge of the next.
    expect(a.slice(2).reverse()).toEqual(b.slice(0, 2));
    expect(b.slice(2).reverse()).toEqual(c.slice(0, 2));
  });

  it("are named inside where there is room, and all in titles", () => {
    stack([[0.9, 0.06, 0.04]]);
    expect(all("text.inside").map(t => text(t))).toEqual(["a"]);
    expect(all("g > title").map(t => text(t))).toEqual(["a, 90.0 % now", "b, 6.0 % now", "c, 4.0 % now"]);
  });

  it("show the newest rows in the table, newest first", () => {
    stack([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
    expect(all("tbody tr").map(r => text(r))).toEqual(["t20.0 %0.0 %100.0 %", "t10.0 %100.0 %0.0 %"]);
  });

  it.each([
    ["nothing", []],
    ["one slice", [[0.4, 0.6, 0]]],
    ["more than one in sum, by rounding", [[0.5, 0.5, 0.00001]]],
    ["fewer parts than names", [[0.5], [0.5, 0.5, 0]]],
  ])("are drawn with %s, too", (_, slices) => {
    stack(slices as number[][]);
    for (const v of coordinates()) {
      expect(v).toBeGreaterThanOrEqual(0);
      expect(v).toBeLessThanOrEqual(500);
    }
    expect(text(root.querySelector("svg"))).not.toMatch(/NaN|undefined/);
  });
});
