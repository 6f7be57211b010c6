import { createHash } from "node:crypto";
import type {
  Abstention,
  Bar,
  Calibration,
  Coverage,
  Forecast,
  ForecastEvent,
  ModelAccuracy,
  ScoreEvent,
  Series,
  Spread,
  Window,
  WindowName,
} from "../src/api/types.ts";

// A made-up market for working on the page without the server. It is never part of
// what is built; the numbers look right and mean nothing.

export const MODELS = ["naive", "ewma", "auto"];
export const HORIZONS = 5;

/** A small seeded generator (mulberry32) with a normal draw. */
export class Dice {
  #s: number;
  constructor(seed: number) {
    this.#s = seed;
  }
  next(): number {
    this.#s = (this.#s + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#s ^ (this.#s >>> 15), 1 | this.#s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }
}

export const iso = (ms: number): string => new Date(ms).toISOString();

export interface Issue {
  entry: number;
  hash: string;
  cutoff: number;
  issued: number;
  last: number;
  forecasts: Forecast[];
  abstentions: Abstention[];
}

const hashOf = (s: string): string => createHash("sha256").update(s).digest("hex");

/** One series that makes a bar at a time, forecasts the next ones and scores the last. */
export class Market {
  readonly bars: Bar[] = [];
  readonly issues: Issue[] = [];
  readonly id: string;
  readonly step: number;
  entry = 1;
  hash: string;
  #dice: Dice;
  #price = 178.4;
  #vol = 0.0004;

  constructor(id: string, step: number, seed: number) {
    this.id = id;
    this.step = step;
    this.#dice = new Dice(seed);
    this.hash = hashOf(id);
  }

  advance(start: number, now: number): { bar: Bar; score: ScoreEvent | null; issue: Issue } {
    const d = this.#dice;
    this.#vol = Math.max(0.0001, this.#vol * Math.exp(0.15 * d.normal()) * 0.97 + 0.000012);
    const open = this.#price;
    let high = open;
    let low = open;
    for (let i = 0; i < 6; i++) {
      const jump = d.next() < 0.004 ? 6 : 1;
      this.#price *= Math.exp((this.#vol / 2.4) * d.normal() * jump);
      high = Math.max(high, this.#price);
      low = Math.min(low, this.#price);
    }
    const bar: Bar = {
      start: iso(start),
      end: iso(start + this.step),
      open,
      high,
      low,
      close: this.#price,
      volume: Math.round(200 + 2e6 * this.#vol * d.next() + 900 * d.next() ** 4),
      trades: 6,
      revision: 0,
    };
    this.bars.push(bar);
    const score = this.#settle(bar);
    return { bar, score, issue: this.#issue(bar, now) };
  }

  #next(what: string): void {
    this.entry++;
    this.hash = hashOf(this.hash + what);
  }

  #settle(bar: Bar): ScoreEvent | null {
    const scores: ScoreEvent["scores"] = [];
    for (const issue of this.issues.slice(-HORIZONS)) {
      for (const f of issue.forecasts) {
        if (f.target.start !== bar.start) continue;
        f.status = "scored";
        f.actual = bar.close;
        f.error = bar.close - f.point;
        f.percent_error = (100 * f.error) / f.point;
        f.hit = f.lower90 <= bar.close && bar.close <= f.upper90;
        scores.push({
          model: f.model,
          horizon: f.horizon,
          cutoff: f.cutoff,
          predicted: f.point,
          actual: bar.close,
          error: f.error,
          percent_error: f.percent_error,
          hit: f.hit,
        });
      }
    }
    if (scores.length === 0) return null;
    this.#next(bar.start);
    return { series: this.id, entry: this.entry, target: bar.start, close: bar.close, revision: 0, scores };
  }

  #issue(bar: Bar, now: number): Issue {
    this.#next(`issue ${bar.start}`);
    const cutoff = Date.parse(bar.end);
    const window = this.bars.slice(-60).map(b => b.close);
    const ready = window.length >= 20;
    const sigma = ready ? deviation(window) : 0;
    const slope = ready ? (bar.close - (window[0] as number)) / window.length : 0;
    const issue: Issue = {
      entry: this.entry,
      hash: this.hash,
      cutoff,
      issued: now,
      last: bar.close,
      forecasts: [],
      abstentions: [],
    };
    for (const model of MODELS) {
      if (!ready) {
        issue.abstentions.push({ model, horizon: 0, reason: `too few bars: ${window.length} of 20` });
        continue;
      }
      for (let h = 1; h <= HORIZONS; h++) {
        const start = cutoff + (h - 1) * this.step;
        const point = bar.close + (model === "auto" ? slope * h * 0.5 : 0);
        const w = sigma * Math.sqrt(h) * (model === "ewma" ? 1.02 : 1.15);
        issue.forecasts.push({
          entry: this.entry,
          hash: this.hash,
          model,
          version: `${model}-1`,
          horizon: h,
          cutoff: bar.end,
          issued_at: iso(now),
          opened_ms: now - start,
          late: false,
          target: { start: iso(start), end: iso(start + this.step) },
          last: bar.close,
          point,
          lower90: point - 1.645 * w,
          lower50: point - 0.674 * w,
          upper50: point + 0.674 * w,
          upper90: point + 1.645 * w,
          ...(model === "auto" ? { shares: shares(cutoff / this.step) } : {}),
          status: "open",
          actual: null,
          error: null,
          percent_error: null,
          hit: null,
        });
      }
    }
    this.issues.push(issue);
    return issue;
  }

  calibration(model: string, horizon: number): Calibration {
    const list = this.issues.flatMap(i =>
      i.forecasts.filter(f => f.model === model && f.horizon === horizon && f.status === "scored"),
    );
    const p = [0.01, 0.025, ...Array.from({ length: 19 }, (_, i) => (i + 1) / 20), 0.975, 0.99];
    const n = list.length;
    const all = list.length === 0 ? null : list.filter(f => f.hit).length / n;
    const near = (level: number, count = n): Coverage => {
      if (all === null || count === 0) return { level, share: null, low: null, high: null };
      const share = Math.min(1, level * (1 + (all - 0.9) / 4));
      const half = 1.96 * Math.sqrt((share * (1 - share) + 0.01) / count);
      return { level, share, low: Math.max(0, share - half), high: Math.min(1, share + half) };
    };
    const parts = (names: string[], shares: number[]) =>
      names.map((name, i) => {
        const count = Math.round(n * (shares[i] as number));
        return { name, n: count, ...near(0.9, count) };
      });
    return {
      series: this.id,
      model,
      horizon,
      n,
      levels: [0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1].map(l => near(l)),
      probabilities: p,
      reliability: p.map((v, i) => (n === 0 ? null : v + 0.012 * Math.sin(i))),
      pit: Array.from({ length: 20 }, (_, i) => Math.round((n / 20) * (1 + 0.15 * Math.sin(2.3 * i)))),
      regimes: parts(["low", "middle", "high"], [0.4, 0.3, 0.2]),
      times: parts(["14:00", "15:00"], [0.7, 0.3]),
      interval_score90: n === 0 ? null : 0.2485,
    };
  }

  accuracy(horizon: number): ModelAccuracy[] {
    const of = (model: string): Forecast[] =>
      this.issues.flatMap(i =>
        i.forecasts.filter(f => f.model === model && f.horizon === horizon && f.status === "scored"),
      );
    const naive = of("naive");
    return MODELS.map(model => {
      const all = of(model);
      const count: [WindowName, number][] = [
        ["last", 1],
        ["last_10", 10],
        ["last_hour", 3600e3 / this.step],
        ["last_6_hours", (6 * 3600e3) / this.step],
        ["last_day", 86400e3 / this.step],
        ["all", Number.POSITIVE_INFINITY],
      ];
      return {
        model,
        champion: model === "auto",
        windows: count.map(([window, n]) => judge(window, all.slice(-n), naive.slice(-n))),
        verdict: {
          code: "not_judged_yet",
          text: "not judged yet",
          why: `The evidence that it differs from naive is 1.1 to 1 after ${all.length} forecasts, and was 1.3 to 1 at its best; 20 to 1 is needed.`,
          evidence: {
            n: all.length,
            e_value: 1.1,
            peak: 1.3,
            peak_better: 1.3,
            peak_worse: 1,
            p: 0.77,
            better: 1.2,
            worse: 1,
            weak: 0.9,
            mean_gain: 0.0007,
          },
        },
      };
    });
  }
}

export function eventOf(series: string, i: Issue): ForecastEvent {
  return {
    series,
    entry: i.entry,
    hash: i.hash,
    cutoff: iso(i.cutoff),
    issued_at: iso(i.issued),
    last: i.last,
    forecasts: i.forecasts,
    abstentions: i.abstentions,
  };
}

/** Weights that wander, for the look of them. */
function shares(t: number): NonNullable<Forecast["shares"]> {
  const raw = ["rangevol-t", "rangevol-historical", "rangevol-local", "har", "ridge"].map((expert, i) => ({
    expert,
    weight: 1.2 + Math.sin(t / (40 + 17 * i) + i),
  }));
  const sum = raw.reduce((a, s) => a + s.weight, 0);
  return raw.map(s => ({ ...s, weight: s.weight / sum }));
}

function deviation(closes: readonly number[]): number {
  let sum = 0;
  for (let i = 1; i < closes.length; i++) sum += ((closes[i] as number) - (closes[i - 1] as number)) ** 2;
  return Math.sqrt(sum / (closes.length - 1));
}

const mean = (v: readonly number[]): number | null =>
  v.length === 0 ? null : v.reduce((a, b) => a + b, 0) / v.length;

function spread(v: readonly number[]): Spread {
  const s = [...v].sort((a, b) => a - b);
  const at = (i: number): number | null => s[i] ?? null;
  const [low, high] = [at((s.length - 1) >> 1), at(s.length >> 1)];
  return {
    mean: mean(s),
    median: low === null || high === null ? null : (low + high) / 2,
    min: at(0),
    max: at(s.length - 1),
  };
}

function judge(window: WindowName, list: readonly Forecast[], naive: readonly Forecast[]): Window {
  const errors = list.map(f => f.error ?? 0);
  const abs = errors.map(Math.abs);
  const crps = mean(abs.map(e => e / 3));
  const naiveAbs = naive.map(f => Math.abs(f.error ?? 0));
  const naiveCrps = mean(naiveAbs.map(e => e / 2.9));
  const root = (v: readonly number[]): number | null => {
    const m = mean(v.map(e => e * e));
    return m === null ? null : Math.sqrt(m);
  };
  return {
    window,
    n: list.length,
    error: spread(errors),
    percent_error: spread(list.map(f => f.percent_error ?? 0)),
    absolute_error: spread(abs),
    mae: mean(abs),
    rmse: root(errors),
    mape: mean(list.map(f => Math.abs(f.percent_error ?? 0))),
    mase: list.length === 0 ? null : 1.013,
    direction_hit_rate: list.length === 0 || list[0]?.model === "naive" ? null : 0.507,
    coverage90: mean(list.map(f => (f.hit ? 1 : 0))),
    width90: mean(list.map(f => f.upper90 - f.lower90)),
    crps,
    skill: crps === null || naiveCrps === null ? null : 1 - crps / naiveCrps,
    naive: { mae: mean(naiveAbs), rmse: root(naiveAbs), crps: naiveCrps },
    late: 0,
    median_approximate: window === "all" && list.length > 2000,
  };
}

/** The API's description of a market. */
export function describeMarket(m: Market, main: boolean): Series {
  return {
    id: m.id,
    instrument: {
      symbol: "AMZN",
      venue: "sim",
      class: "equity",
      currency: "USD",
      price_scale: 2,
      calendar: "24x7",
      simulated: true,
      allow_non_positive: false,
    },
    interval: m.step === 1000 ? "1s" : "1m",
    interval_seconds: m.step / 1000,
    mode: "live",
    source: "sim",
    base: main,
    default: main,
    horizons: HORIZONS,
    models: MODELS.map(name => ({ name, description: `The ${name} forecaster`, champion: name === "auto" })),
    first_bar: m.bars[0]?.start ?? null,
    last_bar: m.bars[m.bars.length - 1] ?? null,
  };
}
