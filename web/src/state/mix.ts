import type { Forecast } from "../api/types.ts";
import { ms } from "../format/time.ts";

/** What a combined forecast was made of, at one cutoff after another. */
export interface Mix {
  model: string;
  horizon: number;
  /** In the server's order; empty when the model combines nothing. */
  experts: string[];
  /** Oldest first; one weight for each expert, 0 where it had no part. */
  points: { t: number; weights: number[] }[];
}

/** As many cutoffs are kept and drawn. */
export const MIX_POINTS = 240;

/** Joins what is known with newer forecasts of the same model and horizon. */
export function mixOf(model: string, horizon: number, list: readonly Forecast[], known?: Mix | null): Mix {
  const byTime = new Map<number, Map<string, number>>();
  const experts: string[] = [];
  const put = (t: number, shares: Iterable<readonly [string, number]>): void => {
    const m = new Map(shares);
    byTime.set(t, m);
    for (const name of m.keys()) if (!experts.includes(name)) experts.push(name);
  };
  // The newest names the order: an expert that joins late stands where the server puts it.
  for (const f of [...list].sort((a, b) => ms(b.cutoff) - ms(a.cutoff))) {
    if (f.model === model && f.horizon === horizon) {
      put(
        ms(f.cutoff),
        (f.shares ?? []).map(s => [s.expert, s.weight] as const),
      );
    }
  }
  if (known?.model === model && known.horizon === horizon) {
    for (const p of known.points) {
      if (!byTime.has(p.t)) {
        put(
          p.t,
          known.experts.map((e, i) => [e, p.weights[i] ?? 0] as const),
        );
      }
    }
  }
  const times = [...byTime.keys()].sort((a, b) => a - b).slice(-MIX_POINTS);
  return {
    model,
    horizon,
    experts,
    points: times.map(t => ({ t, weights: experts.map(e => byTime.get(t)?.get(e) ?? 0) })),
  };
}
