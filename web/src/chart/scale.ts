import {
  defaultHorzScaleBehavior,
  type IHorzScaleBehavior,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";

type Point = Parameters<IHorzScaleBehavior<Time>["fillWeightsForPoints"]>[0][number];

/** Seconds that the viewer's clock is ahead of UTC at a moment. */
export const zoneOffset = (seconds: number): number => -60 * new Date(seconds * 1000).getTimezoneOffset();

/** The library's weight of a mark at a second that is nothing more. */
const SECOND = 10;

/** Round seconds are better marks than others; the library knows nothing between a second and a minute. */
function secondWeight(t: number): number {
  if (t % 30 === 0) return SECOND + 4;
  if (t % 15 === 0) return SECOND + 3;
  if (t % 10 === 0) return SECOND + 2;
  return t % 5 === 0 ? SECOND + 1 : SECOND;
}

/**
 * The time scale of lightweight-charts puts its strong marks at midnight and full
 * hours in UTC. LocalScale puts them where the viewer's clock has them. Points keep
 * their true time; only the weights of marks are found on a shifted copy.
 */
export class LocalScale extends defaultHorzScaleBehavior() {
  override fillWeightsForPoints(points: readonly Point[], start = 0): void {
    const from = Math.max(0, start - 1);
    const shifted: Point[] = points.slice(from).map(p => {
      const t = Number(p.originalTime);
      return { ...p, time: this.convertHorzItemToInternal((t + zoneOffset(t)) as UTCTimestamp) };
    });
    super.fillWeightsForPoints(shifted, start - from);
    for (let i = start - from; i < shifted.length; i++) {
      const to = points[from + i] as { timeWeight: number };
      const { timeWeight } = shifted[i] as Point;
      to.timeWeight =
        timeWeight === SECOND ? secondWeight(Number((shifted[i] as Point).originalTime)) : timeWeight;
    }
  }
}
