import type { Epoch, Options, Training, TrainingOrder, Version, VersionDetail } from "../src/api/types.ts";

// Made-up stored models and trainings, for work on the page and its tests.

const OPTIONS: Options = {
  cell: "lstm",
  units: 16,
  layers: 1,
  steps: 64,
  warm: 24,
  batch: 64,
  rate: 0.002,
  decay: 0.01,
  clip: 1,
  epochs: 200,
  patience: 8,
  restarts: 3,
  ensemble: 3,
  validation: 0.15,
  seed: 1,
};

/** A curve of networks that learn fast, then slowly, then too much. */
export function curve(restarts = 3, epochs = 40): Epoch[] {
  const list: Epoch[] = [];
  for (let restart = 1; restart <= restarts; restart++) {
    let least = Number.POSITIVE_INFINITY;
    for (let epoch = 1; epoch <= epochs - restart * 3; epoch++) {
      const train = 1.35 + 0.3 * Math.exp(-epoch / 6) - 0.0008 * epoch + 0.01 * restart;
      const valid = 1.38 + 0.28 * Math.exp(-epoch / 7) + 0.00006 * epoch * epoch + 0.01 * restart;
      list.push({ restart, epoch, train, valid, rate: 0.002, best: valid < least });
      least = Math.min(least, valid);
    }
  }
  return list;
}

export function version(id: string, change: Partial<Version> = {}): Version {
  return {
    name: "lstm",
    id,
    kind: "distribution",
    about: "Networks that learnt the distribution of returns from many bars.",
    created: "2026-01-02T03:04:05Z",
    source: "trained on sim:AMZN@1s",
    bytes: 27_312,
    network: "lstm 1 x 16, 8 inputs",
    members: 3,
    parameters: 5427,
    lookback: 64,
    interval: "1s",
    series: 1,
    rows: 12_345,
    until: "2026-01-02T03:00:00Z",
    since: "2026-01-02T03:00:00Z",
    loss: 1.3842,
    ...change,
  };
}

/** A version that was brought along: nobody knows what it has seen. */
export const imported = (id: string, change: Partial<Version> = {}): Version => {
  const { interval: _, ...rest } = version(id);
  return {
    ...rest,
    name: "original",
    kind: "price",
    about: "A price-level model: it gives a price, no distribution.",
    source: "imported from lstm_model.pth",
    network: "lstm 10 x 10, 1 inputs",
    members: 1,
    parameters: 8451,
    lookback: 7,
    series: 0,
    rows: 0,
    until: null,
    since: null,
    loss: null,
    ...change,
  };
};

export function detail(v: Version): VersionDetail {
  if (v.kind === "price") return { ...v, trained: null };
  return {
    ...v,
    trained: {
      interval: v.interval ?? "",
      series: ["sim:AMZN@1s"],
      rows: v.rows,
      split: "2026-01-02T02:30:00Z",
      until: v.until ?? "",
      since: v.since ?? "",
      options: OPTIONS,
      standard: { mean: [], scale: [] } as unknown as NonNullable<VersionDetail["trained"]>["standard"],
      nu: [5, 6, 7, 8, 9],
      location: [0, 0, 0, 0, 0],
      loss: v.loss ?? 0,
      curve: curve(),
    },
  };
}

export function training(id: string, change: Partial<Training> = {}): Training {
  return {
    id,
    created: "2026-01-02T03:04:05Z",
    state: "done",
    plan: { name: "lstm", series: ["sim:AMZN@1s"], until: "0001-01-01T00:00:00Z", options: OPTIONS },
    progress: 1,
    curve: curve(),
    version: "aaaa1111bbbb2222",
    ...change,
  };
}

/** Takes orders and works them off one after another; what comes out is kept. */
export class Shelf {
  versions: Version[] = [imported("6c693fa55817b39f")];
  trainings: Training[] = [];
  #n = 0;

  order(o: TrainingOrder): Training {
    const { version: _, ...rest } = training(`t${++this.#n}`);
    const t: Training = {
      ...rest,
      created: new Date().toISOString(),
      state: "queued",
      plan: { name: o.name ?? o.cell ?? "lstm", series: o.series, until: "", options: OPTIONS },
      progress: 0,
      curve: [],
    };
    this.trainings.unshift(t);
    return t;
  }

  /** A step of work on the one that runs, or on the one that has waited longest. */
  work(): void {
    const waiting = this.trainings.filter(t => t.state === "queued");
    const t = this.trainings.find(t => t.state === "running") ?? waiting[waiting.length - 1];
    if (t === undefined) return;
    const all = curve();
    t.state = "running";
    t.curve = all.slice(0, t.curve.length + 2);
    t.progress = t.curve.length / all.length;
    if (t.curve.length < all.length) return;
    const v = version(`${Date.now().toString(16)}beef`, {
      name: t.plan.name,
      created: new Date().toISOString(),
      source: `trained on ${t.plan.series.join(", ")}`,
      series: t.plan.series.length,
    });
    t.state = "done";
    t.version = v.id;
    this.versions = [v, ...this.versions];
  }

  drop(id: string): void {
    const t = this.trainings.find(t => t.id === id);
    if (t === undefined) return;
    if (t.state === "queued" || t.state === "running") t.state = "cancelled";
    else this.trainings = this.trainings.filter(x => x !== t);
  }
}
