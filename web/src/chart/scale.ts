import {
  defaultHorzScaleBehavior,
  type IHorzScaleBehavior,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";

type Point = Parameters<IHorzScaleBehavior<Time>["fillWeightsForPoints"]>[0][number];

/** Seconds that the viewer's clock is ahead of UTC at a moment. */
export const zoneOffset = (seconds: number): number => -60 * new Date(seconds * 1000).getTimezoneOffset();

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
      to.timeWeight = (shifted[i] as Point).timeWeight;
    }
  }
}
