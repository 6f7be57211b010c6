import { vi } from "vitest";

// What a chart needs of a browser, for tests that run without one: elements with a size,
// colours that compute, and a canvas that writes down what is drawn on it.

/** One stroke of the pen: what was called, with what, in which colours. */
export interface Stroke {
  op: string;
  args: number[];
  fill: string;
  stroke: string;
  width: number;
}

export class Paper {
  strokes: Stroke[] = [];
  readonly context: CanvasRenderingContext2D;

  constructor() {
    const state: Record<string, unknown> = { fillStyle: "", strokeStyle: "", lineWidth: 1, font: "" };
    this.context = new Proxy(state, {
      get: (_, name: string) => {
        if (name in state) return state[name];
        if (name === "measureText")
          return (s: string) => ({
            width: 6 * s.length,
            actualBoundingBoxAscent: 6,
            actualBoundingBoxDescent: 2,
          });
        if (name === "canvas") return undefined;
        return (...args: number[]) => {
          this.strokes.push({
            op: name,
            args,
            fill: String(state.fillStyle),
            stroke: String(state.strokeStyle),
            width: Number(state.lineWidth),
          });
        };
      },
      set: (_, name: string, v: unknown) => {
        state[name] = v;
        return true;
      },
    }) as unknown as CanvasRenderingContext2D;
  }

  /** The calls of some names, as "moveTo 1 2". */
  said(...ops: string[]): string[] {
    return this.strokes
      .filter(s => ops.length === 0 || ops.includes(s.op))
      .map(s => [s.op, ...s.args.map(a => Math.round(a * 100) / 100)].join(" "));
  }

  clear(): void {
    this.strokes = [];
  }
}

/** The variables of the style sheet that the chart reads. */
export const COLOURS: Record<string, string> = {
  panel: "rgb(1, 1, 1)",
  grid: "rgb(2, 2, 2)",
  text: "rgb(3, 3, 3)",
  muted: "rgb(4, 4, 4)",
  line: "rgb(5, 5, 5)",
  up: "rgb(6, 6, 6)",
  down: "rgb(7, 7, 7)",
  "up-volume": "rgb(8, 8, 8)",
  "down-volume": "rgb(9, 9, 9)",
  forecast: "rgb(10, 10, 10)",
  band90: "rgb(11, 11, 11)",
  band50: "rgb(12, 12, 12)",
  trail: "rgb(13, 13, 13)",
  "trail-band": "rgb(14, 14, 14)",
  miss: "rgb(15, 15, 15)",
  brush: "rgb(16, 16, 16)",
};

/** Gives every element a size, every canvas a context, and the page its colours; strike takes it back. */
export function stage(width: number, height: number): { paper: Paper; strike(): void } {
  const paper = new Paper();
  const computed = globalThis.getComputedStyle.bind(globalThis);
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation((() => paper.context) as never);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(width);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(height);
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(0, 0, width, height));
  vi.spyOn(globalThis, "getComputedStyle").mockImplementation((e: Element) => {
    // What the browser's stand-in computes is slow, so it is asked only for what is not known.
    let rest: CSSStyleDeclaration | undefined;
    return new Proxy({} as CSSStyleDeclaration, {
      get: (_, name: string) => {
        // The library lets the browser turn every colour into numbers.
        if (name === "color") return COLOURS.text;
        if (name === "fontFamily") return "Stage";
        if (name === "getPropertyValue") return (v: string) => COLOURS[v.slice(2)] ?? "";
        rest ??= computed(e);
        return rest[name as keyof CSSStyleDeclaration];
      },
    });
  });
  return { paper, strike: () => vi.restoreAllMocks() };
}
