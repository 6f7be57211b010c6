import type { BacktestOrder, Job, Pooled, Report } from "../src/api/types.ts";

// Made-up backtests that take their time, for work on the page and its tests.

export const MODELS = [
  ["naive", "The price stays where it is. Every model is judged against it."],
  ["ewma", "The spread follows recent volatility (RiskMetrics 1996)."],
  ["garch", "Volatility clusters and returns to its mean (Bollerslev 1987)."],
  ["auto", "The champion: combines others by how well each has done."],
].map(([name, description]) => ({
  name: name as string,
  description: description as string,
  champion: name === "auto",
}));

export function pooled(model: string, horizon: number, change: Partial<Pooled> = {}): Pooled {
  const naive = model === "naive";
  return {
    model,
    horizon,
    series: 1,
    n: 1442,
    crps_ratio: naive ? 1 : 0.9482,
    better: naive ? 0 : 1,
    better_significant: naive ? 0 : 1,
    worse_significant: 0,
    coverage90: naive ? 0.897 : 0.909,
    coverage90_by_regime: naive ? [0.969, 0.946, 0.775] : [0.906, 0.913, 0.909],
    worst_coverage90: naive ? 0.897 : 0.909,
    discoveries: naive ? 0 : 1,
    confidence_set: !naive,
    ...change,
  };
}

export function job(id: string, change: Partial<Job> = {}): Job {
  return {
    id,
    created: "2026-01-02T03:04:05Z",
    state: "done",
    bars: 1943,
    total: 1943,
    order: {
      series: ["sim:AMZN@1s"],
      models: ["naive", "auto"],
      burn_in: 500,
      refit: 20,
      horizons: [1, 5],
      last: 0,
      raw: false,
    },
    pooled: [1, 5].flatMap(h => [pooled("naive", h), pooled("auto", h)]),
    ...change,
  };
}

export function report(j: Job): Report {
  return {
    protocol: {
      ...j.order,
      version: "mock",
      created: j.created,
      crps: "twice the mean pinball loss",
      digest: "",
      note: "",
    },
    series: j.order.series.map(series => ({
      series,
      file: "",
      simulated: true,
      bars: 1943,
      from: "2026-01-01T00:00:00Z",
      to: "2026-01-02T00:00:00Z",
    })),
    pooled: j.pooled,
    results: j.order.series.flatMap(series =>
      j.pooled.map(p => ({
        series,
        file: "",
        model: p.model,
        horizon: p.horizon,
        n: p.n,
        abstained: 0,
        crps: 0.0305,
        coverage90: p.coverage90,
        width90: 0.2,
        coverage90_by_regime: p.coverage90_by_regime,
        mae: 0.6,
        mase: 0.859,
        skill: 1 - p.crps_ratio,
        dm_p: p.model === "naive" ? (null as unknown as number) : 0.00002,
        e_value: p.model === "naive" ? (null as unknown as number) : 5.2e20,
        verdict: p.model === "naive" ? "not_judged_yet" : "better_than_naive",
      })),
    ),
  };
}

/** Takes orders and works them off one after another. */
export class Desk {
  jobs: Job[] = [];
  #n = 0;

  order(o: BacktestOrder): Job {
    const j = job(`b${++this.#n}`, {
      created: new Date().toISOString(),
      state: "queued",
      bars: 0,
      total: 0,
      pooled: [],
      order: {
        burn_in: 500,
        refit: 20,
        horizons: [1, 5],
        last: 0,
        raw: false,
        models: ["naive", "auto"],
        ...o,
      },
    });
    this.jobs.unshift(j);
    return j;
  }

  /** A step of work on the one that runs, or on the one that has waited longest. */
  work(): void {
    const waiting = this.jobs.filter(j => j.state === "queued");
    const j = this.jobs.find(j => j.state === "running") ?? waiting[waiting.length - 1];
    if (j === undefined) return;
    j.state = "running";
    j.total = 1943 * j.order.series.length;
    j.bars = Math.min(j.total, j.bars + 97);
    if (j.bars < j.total) return;
    j.state = "done";
    j.pooled = j.order.horizons.flatMap(h =>
      j.order.models.map(m => pooled(m, h, { series: j.order.series.length })),
    );
  }

  drop(id: string): boolean {
    const j = this.jobs.find(j => j.id === id);
    if (j === undefined) return false;
    if (j.state === "queued" || j.state === "running") j.state = "cancelled";
    else this.jobs = this.jobs.filter(x => x !== j);
    return true;
  }
}
