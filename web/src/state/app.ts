import { batch, computed, effect, signal } from "@preact/signals";
import { ApiError, address, api } from "../api/client.ts";
import { keepKey, readKey } from "../api/key.ts";
import { Stream, type StreamState } from "../api/sse.ts";
import type {
  Abstention,
  Accuracy,
  FeedHealth,
  Gap,
  LedgerHead,
  Reject,
  Series,
  Status,
  Version,
} from "../api/types.ts";
import { ms } from "../format/time.ts";
import { Bars, type Candle, type Change, candle } from "./bars.ts";
import { light } from "./light.ts";
import { type LiveEvent, parseEvent, Queue } from "./live.ts";
import { Slow } from "./slow.ts";
import { Splits } from "./splits.ts";
import { Throttle } from "./throttle.ts";
import { issued, type Sealed, sealed, Trail } from "./trail.ts";
import { formatView, parseView, type View } from "./url.ts";
import { Wide } from "./wide.ts";

const FIRST_BARS = 1500;
const OLDER_BARS = 1000;
const RECENT = 12;
const COMBINED = "auto";

/** Follows what the chart must redraw. */
export interface ChartListener {
  bars(change: Change): void;
  forecasts(): void;
  /** Splits and dividends are known, or others than before. */
  marks?(): void;
}

/**
 * The page's state: what is looked at (view, in the address), what the server said
 * about it, and the stream that keeps it current. Components read the signals.
 */
export class App {
  readonly view = signal<View>(parseView(""));
  readonly status = signal<Status | null>(null);
  readonly seriesList = signal<Series[]>([]);
  readonly stream = signal<StreamState>("closed");
  readonly feeds = signal<FeedHealth[]>([]);
  readonly ready = signal<{ ready: boolean; reason: string }>({ ready: true, reason: "" });
  readonly problem = signal<ApiError | null>(null);
  readonly needKey = signal<"" | "missing" | "refused">("");
  readonly now = signal(Date.now());
  /** Now by the server's clock, as far as the page knows it. */
  readonly serverNow = computed(() => this.now.value + this.#skew);
  /** The ledger entry that is shown as JSON. */
  readonly inspected = signal<number | null>(null);
  /** The model whose evidence is shown. */
  readonly weighed = signal<string | null>(null);

  /** Names of the models that are stored: trained or imported. */
  readonly stored = signal<ReadonlySet<string>>(new Set());

  readonly loading = signal(true);
  readonly loadingOlder = signal(false);
  readonly lastBar = signal<Candle | null>(null);
  readonly fan = signal<Sealed[]>([]);
  readonly settled = signal<Sealed | null>(null);
  readonly recent = signal<Sealed[]>([]);
  /** The fan, unless a bar has passed without a new one: then nothing is ahead. */
  readonly ahead = computed(() => {
    const last = this.lastBar.value?.t ?? 0;
    return this.fan.value.every(f => f.t < last) ? [] : this.fan.value;
  });
  readonly abstentions = signal<Abstention[]>([]);
  readonly accuracy = signal<Accuracy | null>(null);
  readonly gaps = signal<Gap[]>([]);
  readonly head = signal<LedgerHead | null>(null);
  readonly quarantine = signal<{ items: Reject[]; total: number }>({ items: [], total: 0 });

  readonly series = computed(() => this.seriesList.value.find(s => s.id === this.view.value.series) ?? null);
  readonly feed = computed(() => {
    const s = this.series.value;
    if (s === null) return undefined;
    const bases = this.siblings.value.filter(x => x.base).map(x => x.id);
    return (
      this.feeds.value.find(f => f.name === s.source && f.series?.some(id => bases.includes(id))) ??
      this.feeds.value.find(f => f.series?.some(id => bases.includes(id) || id === s.id)) ??
      this.feeds.value.find(f => f.name === s.source)
    );
  });
  /** The series of the same instrument, finest first. */
  readonly siblings = computed(() => {
    const s = this.series.value;
    if (s === null) return [];
    return this.seriesList.value
      .filter(x => x.instrument.symbol === s.instrument.symbol && x.instrument.venue === s.instrument.venue)
      .sort((a, b) => a.interval_seconds - b.interval_seconds);
  });
  /** Milliseconds since the feed last sent something, null when it never did. */
  readonly age = computed(() => {
    const last = this.feed.value?.last_data;
    const at = last == null ? Number.NaN : ms(last);
    // The feed reports every few seconds; a bar that came since is newer news.
    const told = Number.isFinite(at) && at > 0 ? this.serverNow.value - at : Number.POSITIVE_INFINITY;
    const seen = this.#seen.value > 0 ? this.now.value - this.#seen.value : Number.POSITIVE_INFINITY;
    const age = Math.min(told, seen);
    return Number.isFinite(age) ? Math.max(0, age) : null;
  });
  readonly light = computed(() => {
    const base = this.siblings.value.find(s => s.base) ?? this.series.value;
    return light(
      this.stream.value,
      this.feed.value,
      this.age.value,
      base?.interval_seconds ?? 1,
      this.needKey.value !== "",
    );
  });
  readonly model = computed(
    () => this.accuracy.value?.models.find(m => m.model === this.view.value.model) ?? null,
  );

  readonly slow = new Slow({
    view: () => this.view.value,
    combined: () => this.combined.value,
    signal: () => this.#abort.signal,
    watched: () => this.#watched,
    failed: (e, signal) => this.#failed(e, signal),
  });
  readonly splits = new Splits({
    series: () => this.view.value.series,
    signal: () => this.#abort.signal,
    failed: (e, signal) => this.#failed(e, signal),
    told: () => {
      for (const l of this.listeners) l.marks?.();
    },
  });
  /** The model that is made of others. */
  readonly combined = computed(() => this.series.value?.models.find(m => m.name === COMBINED)?.name ?? "");

  readonly bars = new Bars();
  readonly wide = new Wide();
  readonly trail = new Trail();
  readonly listeners = new Set<ChartListener>();

  /** When a bar last came by the stream, by this browser's clock. */
  readonly #seen = signal(0);
  #skew = 0;
  #stream: Stream | undefined;
  #abort = new AbortController();
  #loaded = false;
  #barsCursor = "";
  #forecastsCursor = "";
  #rejected = -1;
  #queue = new Queue(events => this.#apply(events));
  #accuracySoon = new Throttle(1000, () => void this.loadAccuracy());
  #gapsSoon = new Throttle(1000, () => void this.#loadGaps());
  #quarantineSoon = new Throttle(2000, () => void this.#loadQuarantine());

  /** Reads the address, loads, connects. Called once. */
  start(): void {
    this.view.value = parseView(location.search);
    let written = location.search;
    let place = placeOf(this.view.value);
    effect(() => {
      const v = this.view.value;
      const next = formatView(v);
      if (next === written) return;
      // A new place in the data can be gone back from; a scroll cannot.
      const push = place !== placeOf(v) && placeOf(v) !== "" && !place.startsWith("|");
      written = next;
      place = placeOf(v);
      history[push ? "pushState" : "replaceState"](null, "", location.pathname + next + location.hash);
    });
    addEventListener("popstate", () => {
      written = location.search;
      const v = parseView(written);
      place = placeOf(v);
      const { series, model, horizon } = v.page === "live" && v.series !== "" ? v : this.view.value;
      this.look({ page: v.page, ids: v.ids, series, model, horizon });
    });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.#stream?.nudge(Date.now());
      this.#accuracySoon.call();
      this.slow.stir();
    });
    addEventListener("online", () => this.#stream?.nudge(Date.now() + 1e9));
    setInterval(() => {
      if (!document.hidden) this.now.value = Date.now();
    }, 250);
    void this.reload();
  }

  /** Loads everything anew: at the start, after a reset, with a new key, on request. */
  async reload(): Promise<void> {
    this.#abort.abort();
    this.#abort = new AbortController();
    const signal = this.#abort.signal;
    this.#loaded = false;
    this.problem.value = null;
    try {
      const [status, list, versions] = await Promise.all([
        api.status(signal),
        api.series(signal),
        api.versions(signal),
      ]);
      this.#skew = ms(status.now) - Date.now();
      batch(() => {
        this.status.value = status;
        this.ready.value = { ready: status.ready, reason: status.ready_reason };
        this.seriesList.value = list.items;
        this.stored.value = namesOf(versions.items);
        this.needKey.value = "";
      });
      if (list.items.length === 0) {
        this.loading.value = false;
        setTimeout(() => void this.#again(signal), 2000);
        return;
      }
      const wanted = this.view.value.series;
      const found = list.items.some(s => s.id === wanted);
      if (wanted !== "" && !found) {
        this.problem.value = new ApiError(
          404,
          "No such series",
          `There is no series ${wanted}; this is ${status.default_series}.`,
        );
      }
      this.#settleView(found ? wanted : status.default_series || (list.items[0] as Series).id);
      await this.#loadSeries(signal);
    } catch (e) {
      this.#failed(e, signal);
    }
  }

  /** Reads the series and the stored models anew: a model has joined the race or left it. */
  async renew(): Promise<void> {
    const signal = this.#abort.signal;
    try {
      const [list, versions] = await Promise.all([api.series(signal), api.versions(signal)]);
      batch(() => {
        this.seriesList.value = list.items;
        this.stored.value = namesOf(versions.items);
      });
    } catch (e) {
      this.#failed(e, signal);
    }
  }

  /** Changes what is looked at. */
  look(change: Partial<Pick<View, "page" | "ids" | "series" | "model" | "horizon">>): void {
    const before = this.view.value;
    batch(() => {
      this.view.value = { ...before, ...change };
      this.#settleView(this.view.value.series);
    });
    const after = this.view.value;
    if (before.series !== after.series) {
      this.view.value = { ...after, range: { kind: "last", bars: spanOf(after) } };
      this.#loadAnew();
    } else if (before.model !== after.model || before.horizon !== after.horizon) {
      void this.#loadForecasts(this.#abort.signal).catch(e => this.#failed(e, this.#abort.signal));
      void this.loadAccuracy();
      void this.slow.load();
    } else if (before.page !== after.page) {
      void this.loadAccuracy();
      void this.slow.load();
    }
  }

  /** Changes how it is looked at. */
  show(change: Partial<Pick<View, "theme" | "units" | "range" | "adjusted">>): void {
    const before = this.view.value;
    this.view.value = { ...before, ...change };
    if (change.adjusted !== undefined && change.adjusted !== before.adjusted) this.#loadAnew();
  }

  /** Loads the series anew: every bar may be another. */
  #loadAnew(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    const signal = this.#abort.signal;
    void this.#loadSeries(signal).catch(e => this.#failed(e, signal));
  }

  /** The first bar whose forecasts are in the unit that the chart shows: they are sealed as traded. */
  comparable(): number {
    return this.view.value.adjusted === "none" ? 0 : this.splits.newest(this.bars);
  }

  /** Asks for a key when that is what an error is about. */
  askKey(e: unknown): boolean {
    if (!(e instanceof ApiError) || e.status !== 401) return false;
    // Several calls may be refused at once: the first one says why.
    this.needKey.value = this.#hadKey ? "refused" : this.needKey.value || "missing";
    this.#hadKey = false;
    this.#stream?.close();
    return true;
  }

  useKey(key: string): void {
    keepKey(key);
    this.#hadKey = true;
    void this.reload();
  }

  /** Loads bars and forecasts that are older than those on the chart. */
  async older(): Promise<void> {
    if (this.loadingOlder.value || this.#barsCursor === "" || this.bars.full || !this.#loaded) return;
    this.loadingOlder.value = true;
    const signal = this.#abort.signal;
    const { series, model, horizon, adjusted } = this.view.value;
    try {
      const page = await api.bars(series, { limit: OLDER_BARS, cursor: this.#barsCursor, adjusted }, signal);
      this.#barsCursor = page.next_cursor;
      if (this.bars.merge(page.items.map(candle)) > 0) this.#tell({ kind: "rebuild" });
      for (let pages = 0; pages < 3 && this.#forecastsCursor !== ""; pages++) {
        const first = this.bars.first?.t ?? 0;
        if ((this.trail.items[0]?.cutoff ?? 0) <= first) break;
        const q = { model, horizon, limit: OLDER_BARS, cursor: this.#forecastsCursor };
        const older = await api.forecasts(series, q, signal);
        if (model !== this.view.value.model || horizon !== this.view.value.horizon) break;
        this.#forecastsCursor = older.next_cursor;
        for (const f of older.items) this.trail.put(sealed(f));
      }
      this.#tellForecasts();
    } catch (e) {
      this.#failed(e, signal);
    } finally {
      this.loadingOlder.value = false;
    }
  }

  /**
   * Draws what is in sight, from a to b (milliseconds), at the interval that fits so many
   * pixels: candles of a coarser one, or the series' own bars again. False: nothing changed.
   */
  async widen(a: number, b: number, pixels: number): Promise<boolean> {
    const s = this.series.value;
    if (s === null || !this.#loaded) return false;
    const signal = this.#abort.signal;
    try {
      const drawn = this.wide.drawn.value;
      const got = await this.wide.load(s.id, this.view.value.adjusted, a, b, pixels, signal);
      if (got === undefined) return false;
      if (got.interval !== s.interval || got.to < (this.lastBar.value?.t ?? 0)) {
        if (got.items.length === 0) return false;
        this.wide.drawn.value = got;
        return true;
      }
      const fresh = this.bars.merge(got.items);
      this.wide.leave();
      return drawn !== null || fresh > 0;
    } catch (e) {
      this.#failed(e, signal);
      return false;
    }
  }

  get canLoadOlder(): boolean {
    return this.#barsCursor !== "" && !this.bars.full;
  }

  async loadAccuracy(): Promise<void> {
    const { series, horizon } = this.view.value;
    const signal = this.#abort.signal;
    if (series === "" || !this.#watched) return;
    try {
      const a = await api.accuracy(series, horizon, signal);
      if (series === this.view.value.series && horizon === this.view.value.horizon) this.accuracy.value = a;
    } catch (e) {
      this.#failed(e, signal);
    }
  }

  /** Whether anyone sees the live page. */
  get #watched(): boolean {
    return !document.hidden && this.view.value.page === "live";
  }

  async #again(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await this.reload();
  }

  /** Makes the view name a series, model and horizon that exist. */
  #settleView(id: string): void {
    const s = this.seriesList.value.find(x => x.id === id);
    if (s === undefined) return;
    const v = this.view.value;
    const model = s.models.find(m => m.name === v.model) ?? s.models.find(m => m.champion) ?? s.models[0];
    const horizon = Math.min(Math.max(1, v.horizon), s.horizons);
    this.view.value = { ...v, series: id, model: model?.name ?? "", horizon };
  }

  async #loadSeries(signal: AbortSignal): Promise<void> {
    const { series, range, adjusted } = this.view.value;
    this.#loaded = false;
    batch(() => {
      this.#seen.value = 0;
      this.loading.value = true;
      this.bars.clear();
      this.lastBar.value = null;
      this.accuracy.value = null;
      this.gaps.value = [];
      this.head.value = null;
    });
    this.slow.clear();
    this.splits.clear();
    this.wide.leave();
    this.#clearForecasts();
    this.#tell({ kind: "rebuild" });
    // The stream is opened first: what happens while the pages load is merged, not missed.
    this.#listen(series);
    const [page] = await Promise.all([
      api.bars(series, { limit: FIRST_BARS, adjusted }, signal),
      this.#loadForecasts(signal),
      this.loadAccuracy(),
      this.slow.load(),
      this.splits.load(),
      this.#loadGaps(),
      this.#loadQuarantine(),
      api.head(series, signal).then(h => {
        if ((this.head.value?.seq ?? 0) <= h.seq) this.head.value = h;
      }),
      api.feeds(signal).then(f => {
        this.feeds.value = f.items;
      }),
    ]);
    this.bars.merge(page.items.map(candle));
    this.#barsCursor = page.next_cursor;
    this.#loaded = true;
    // What is long is drawn in coarser candles.
    const long =
      range.kind === "between" && range.to - range.from > 3000 * (this.series.value?.interval_seconds ?? 1);
    for (let i = 0; i < 15 && range.kind === "between" && !long && this.canLoadOlder; i++) {
      if (signal.aborted || (this.bars.first?.t ?? 0) <= range.from * 1000) break;
      await this.older();
    }
    if (signal.aborted) return;
    batch(() => {
      this.loading.value = false;
      this.lastBar.value = this.bars.last ?? null;
    });
    this.#tell({ kind: "rebuild" });
    this.#tellForecasts();
    for (const l of this.listeners) l.marks?.();
  }

  #clearForecasts(): void {
    this.trail.clear();
    this.#forecastsCursor = "";
    batch(() => {
      this.fan.value = [];
      this.settled.value = null;
      this.recent.value = [];
      this.abstentions.value = [];
    });
  }

  async #loadForecasts(signal: AbortSignal): Promise<void> {
    const { series, model, horizon } = this.view.value;
    this.#clearForecasts();
    this.#tellForecasts();
    if (model === "") return;
    const [path, ahead, issue] = await Promise.all([
      api.forecasts(series, { model, horizon, limit: FIRST_BARS }, signal),
      api.forecasts(series, { model, limit: 1 }, signal),
      api.lastIssue(series, signal),
    ]);
    const v = this.view.value;
    if (v.series !== series || v.model !== model || v.horizon !== horizon) return;
    for (const f of path.items) this.trail.put(sealed(f));
    this.#forecastsCursor = path.next_cursor;
    const fan = ahead.items.map(sealed).sort((a, b) => a.horizon - b.horizon);
    const cutoff = fan[0]?.cutoff ?? 0;
    const last = issue.items[0]?.issue;
    batch(() => {
      if (cutoff >= (this.fan.value[0]?.cutoff ?? 0)) this.fan.value = fan;
      if (last !== undefined && ms(last.cutoff) >= (this.fan.value[0]?.cutoff ?? 0)) {
        this.abstentions.value = (last.abstentions ?? []).filter(a => a.model === model);
      }
    });
    this.#tellForecasts();
  }

  async #loadGaps(): Promise<void> {
    const { series } = this.view.value;
    const signal = this.#abort.signal;
    try {
      const g = await api.gaps(series, signal);
      if (series === this.view.value.series) this.gaps.value = g.items;
    } catch (e) {
      this.#failed(e, signal);
    }
  }

  async #loadQuarantine(): Promise<void> {
    const signal = this.#abort.signal;
    try {
      this.quarantine.value = await api.quarantine(20, signal);
    } catch (e) {
      this.#failed(e, signal);
    }
  }

  #listen(series: string): void {
    this.#stream?.close();
    this.#queue.clear();
    let cut = false;
    const stream = new Stream(address("/stream", { series }), {
      onEvent: (type, data) => {
        const e = parseEvent(type, data);
        if (e !== null) this.#queue.push(e);
      },
      onReset: () => void this.reload(),
      onState: state => {
        if (this.#stream !== stream) return;
        this.stream.value = state;
        const passing = this.problem.value?.status ?? 200;
        if (state === "open" && (passing === 0 || passing >= 500)) this.problem.value = null;
        // Cut before the first event that can be resumed from: something may have been missed.
        const blind = cut && stream.lastEventId === "";
        cut = state === "reconnecting" || (cut && state !== "open");
        if (state === "open" && !this.loading.value && (blind || !this.#loaded)) void this.reload();
      },
      onProblem: p => this.#failed(p, this.#abort.signal),
    });
    this.#stream = stream;
    stream.open();
  }

  /** Applies what the stream brought since the last time, then tells the chart once. */
  #apply(events: LiveEvent[] | "overflow"): void {
    if (events === "overflow") {
      void this.reload();
      return;
    }
    const { series, model, horizon, adjusted } = this.view.value;
    let forecasts = false;
    let anew = false;
    const changes: Change[] = [];
    batch(() => {
      for (const e of events) {
        if (e.type === "status") {
          this.feeds.value = e.data.feeds;
          this.ready.value = { ready: e.data.ready, reason: e.data.ready_reason };
          const rejected = e.data.feeds.reduce((n, f) => n + f.rejected, 0);
          if (rejected !== this.#rejected) this.#quarantineSoon.call();
          this.#rejected = rejected;
          continue;
        }
        if (e.data.series !== series) continue;
        if (e.type === "bar") {
          const bar = candle(e.data.bar);
          // Where prices are adjusted, all before an action change with the first bar after it.
          anew ||= adjusted !== "none" && this.splits.between(this.bars.last, bar);
          changes.push(this.bars.put(bar));
        } else if (e.type === "forecast") {
          forecasts = true;
          this.slow.stir();
          const mine = issued(e.data, model);
          const chosen = mine.find(f => f.horizon === horizon);
          if (chosen !== undefined) this.trail.put(chosen);
          if (ms(e.data.cutoff) >= (this.fan.value[0]?.cutoff ?? 0)) {
            this.fan.value = mine;
            this.abstentions.value = e.data.abstentions.filter(a => a.model === model);
          }
          if ((this.head.value?.seq ?? 0) < e.data.entry) {
            this.head.value = { series, seq: e.data.entry, hash: e.data.hash };
          }
        } else if (e.type === "score") {
          forecasts = this.trail.settle(e.data, model, horizon) || forecasts;
          this.#accuracySoon.call();
          this.slow.stir();
        } else if (e.type === "void") {
          forecasts = this.trail.void(e.data) || forecasts;
          this.#accuracySoon.call();
          this.splits.stir();
        } else {
          this.#gapsSoon.call();
        }
      }
      if (changes.length > 0) {
        this.lastBar.value = this.bars.last ?? null;
        this.#seen.value = Date.now();
      }
      this.now.value = Date.now();
    });
    if (anew) {
      this.#loadAnew();
      return;
    }
    if (changes.length > 100) this.#tell({ kind: "rebuild" });
    else for (const c of changes) this.#tell(c);
    if (forecasts) this.#tellForecasts();
  }

  #tell(change: Change): void {
    if (change.kind === "none") return;
    for (const l of this.listeners) l.bars(change);
  }

  #tellForecasts(): void {
    batch(() => {
      this.settled.value = this.trail.settled ?? null;
      this.recent.value = this.trail.items.slice(-RECENT).reverse();
    });
    for (const l of this.listeners) l.forecasts();
  }

  #failed(e: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    const p = e instanceof ApiError ? e : new ApiError(-1, "The page failed", String(e));
    this.loading.value = false;
    if (this.askKey(p)) return;
    this.problem.value = p;
    // Without a stream nothing would bring the page back by itself.
    if (this.#stream === undefined || this.#stream.state === "closed") {
      setTimeout(() => void this.#again(signal), 3000);
    }
  }

  #hadKey = readKey() !== "";
}

const placeOf = (v: View): string =>
  v.page === "live" ? `${v.series}|${v.model}|${v.horizon}` : `${v.page} ${v.ids}`;
const namesOf = (list: readonly Version[]): ReadonlySet<string> => new Set(list.map(v => v.name));
const spanOf = (v: View): number => (v.range.kind === "last" ? v.range.bars : 140);
