import type { Epoch } from "../api/types.ts";

// The geometry of a learning curve. Losses are the server's.

/** One network's epochs, in order, and the one whose weights were kept. */
export interface Restart {
  n: number;
  points: Epoch[];
  best: Epoch | undefined;
}

/** The networks of a curve, by their number. */
export function restarts(curve: readonly Epoch[]): Restart[] {
  const by = new Map<number, Epoch[]>();
  for (const p of curve) {
    const list = by.get(p.restart);
    if (list === undefined) by.set(p.restart, [p]);
    else list.push(p);
  }
  return [...by]
    .sort(([a], [b]) => a - b)
    .map(([n, points]) => {
      points.sort((a, b) => a.epoch - b.epoch);
      // Every epoch that was the best so far is marked; the last of them was kept.
      return { n, points, best: points.filter(p => p.best).pop() };
    });
}

/** The network with the lowest validation loss. */
export function bestOf(list: readonly Restart[]): Restart | undefined {
  let found: Restart | undefined;
  for (const r of list)
    if (r.best !== undefined && (found?.best === undefined || r.best.valid < found.best.valid)) found = r;
  return found;
}

/** The stretch of epochs and losses that a plot shows. */
export interface Frame {
  epochs: number;
  low: number;
  high: number;
  /** Whether some losses are above it. */
  cut: boolean;
}

/** How far above the median, in distances from the lowest to it, a loss may be and still be shown. */
const REACH = 12;

/** The frame of a curve: a network that diverges, or begins far off, does not flatten all others. */
export function frame(curve: readonly Epoch[]): Frame {
  const losses = curve
    .flatMap(p => [p.train, p.valid])
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const epochs = Math.max(2, ...curve.map(p => p.epoch));
  const low = losses[0] ?? 0;
  const most = losses[losses.length - 1] ?? 1;
  const middle = losses[Math.floor((losses.length - 1) / 2)] ?? 0;
  const reach = middle + (middle - low) * REACH;
  const cut = middle > low && most > reach;
  const high = cut ? reach : most;
  const room = (high - low || Math.abs(high) || 1) * 0.05;
  return { epochs, low: low - room, high: high + room, cut };
}

/** Decimals that tell the steps of a scale apart. */
export const decimals = (step: number): number =>
  step > 0
    ? Math.min(
        6,
        Math.max(
          0,
          Math.ceil(-Math.log10(step) - 1e-9) + (step < 1 && /25/.test(step.toPrecision(2)) ? 1 : 0),
        ),
      )
    : 2;

/** A line through the epochs of a network; a single epoch is a dash that can be seen. */
export function line(
  points: readonly Epoch[],
  which: "train" | "valid",
  x: (epoch: number) => number,
  y: (loss: number) => number,
): string {
  const path = points
    .filter(p => Number.isFinite(p[which]))
    .map((p, i) => `${i === 0 ? "M" : "L"}${round(x(p.epoch))} ${round(y(p[which]))}`)
    .join("");
  return points.length === 1 ? `${path}h3` : path;
}

/** Where the number of a network stands: at the end of its line. */
export interface Label {
  n: number;
  x: number;
  y: number;
}

/** The numbers at the ends of lines, the best network's first; one that would cover another is left out. */
export function labels(
  list: readonly Restart[],
  best: Restart | undefined,
  x: (epoch: number) => number,
  y: (loss: number) => number,
): Label[] {
  const kept: Label[] = [];
  for (const r of best === undefined ? list : [best, ...list.filter(r => r !== best)]) {
    const last = r.points[r.points.length - 1];
    if (last === undefined || !Number.isFinite(last.valid)) continue;
    const l = { n: r.n, x: x(last.epoch) + (last === r.best ? 8 : 5), y: y(last.valid) + 4 };
    if (kept.every(k => Math.abs(k.x - l.x) > 16 || Math.abs(k.y - l.y) > 12)) kept.push(l);
  }
  return kept;
}

const round = (v: number): number => Math.round(v * 100) / 100;
