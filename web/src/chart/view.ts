import {
  CandlestickSeries,
  ColorType,
  CrosshairMode,
  createChartEx,
  createSeriesMarkers,
  type DeepPartial,
  defaultHorzScaleBehavior,
  HistogramSeries,
  type IChartApiBase,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  LineSeries,
  type LogicalRange,
  TickMarkType,
  type Time,
  type TimeScaleOptions,
  type UTCTimestamp,
} from "lightweight-charts";
import type { Series } from "../api/types.ts";
import { price, volume } from "../format/number.ts";
import { moment } from "../format/time.ts";
import type { App, ChartListener } from "../state/app.ts";
import type { Candle, Change } from "../state/bars.ts";
import { DEFAULT_BARS, type Range } from "../state/url.ts";
import { beginning, DENSE, indexAt, outgrown, stepOf, timeAt } from "../state/wide.ts";
import { type Anchor, Fan } from "./fan.ts";
import { type Palette, readPalette } from "./palette.ts";
import { Path } from "./path.ts";
import { LocalScale } from "./scale.ts";

const DAY = 86_400;
/** The newest of coarser candles is read again this often while bars come. */
const REFRESH_MS = 5000;

/** What a chart reports to the components around it. */
export interface ChartEvents {
  /** The bar under the pointer, by its start in milliseconds. */
  hover(t: number | null): void;
  /** The part in sight, in indices of bars. */
  visible(range: { from: number; to: number }): void;
}

const sec = (t: number): UTCTimestamp => (t / 1000) as UTCTimestamp;

/** Candles, volume and forecasts on one time scale, updated in place. */
export class ChartView implements ChartListener {
  #app: App;
  #events: ChartEvents;
  #host: HTMLElement;
  #chart: IChartApiBase<Time>;
  #candles: ISeriesApi<"Candlestick", Time>;
  #volume: ISeriesApi<"Histogram", Time>;
  /** Whitespace only: it gives the bars that are forecast a place on the time scale. */
  #ahead: ISeriesApi<"Line", Time>;
  #aheadLast = 0;
  #fan: Fan;
  #path: Path;
  #marks: ISeriesMarkersPluginApi<Time>;
  #palette: Palette;
  #series: Series;
  #placed = false;
  #rangeTimer: ReturnType<typeof setTimeout> | undefined;
  #fitTimer: ReturnType<typeof setTimeout> | undefined;
  /** When candles were last asked for. */
  #fitted = 0;

  constructor(host: HTMLElement, app: App, series: Series, events: ChartEvents) {
    this.#app = app;
    this.#host = host;
    this.#events = events;
    this.#series = series;
    this.#palette = readPalette(host);
    const daily = series.interval_seconds >= DAY;
    const scale = daily ? new (defaultHorzScaleBehavior())() : new LocalScale();
    // The type of createChartEx leaves out what only the scale of times knows.
    const timeScale: DeepPartial<TimeScaleOptions> = {
      borderVisible: false,
      rightOffset: this.#margin(),
      timeVisible: !daily,
      secondsVisible: series.interval_seconds < 60,
      minBarSpacing: 0.6,
      allowShiftVisibleRangeOnWhitespaceReplacement: true,
      tickMarkFormatter: (t: Time, kind?: TickMarkType) =>
        tick(Number(t), kind ?? TickMarkType.TimeWithSeconds, daily),
    };
    this.#chart = createChartEx<Time, typeof scale>(host, scale, {
      autoSize: true,
      layout: { attributionLogo: true, fontSize: 11 },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.2 } },
      timeScale,
      localization: {
        timeFormatter: (t: Time) =>
          daily ? new Date(Number(t) * 1000).toISOString().slice(0, 10) : moment(Number(t) * 1000),
      },
      kineticScroll: { mouse: false, touch: !matchMedia("(prefers-reduced-motion: reduce)").matches },
    });
    this.#volume = this.#chart.addSeries(HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "custom", formatter: volume, minMove: 1e-8 },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.#chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.#candles = this.#chart.addSeries(CandlestickSeries, {
      priceFormat: {
        type: "custom",
        formatter: this.#format,
        minMove: 10 ** -series.instrument.price_scale,
      },
    });
    this.#ahead = this.#chart.addSeries(LineSeries, { lastValueVisible: false, priceLineVisible: false });
    this.#fan = new Fan(this.#palette, this.#format);
    this.#path = new Path(app.trail.items, this.#palette, () => app.comparable());
    this.#marks = createSeriesMarkers(this.#candles);
    this.#candles.attachPrimitive(this.#path);
    this.#candles.attachPrimitive(this.#fan);
    this.restyle();
    this.#chart.subscribeCrosshairMove(p => {
      events.hover(p.time === undefined ? null : Number(p.time) * 1000);
    });
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange(r => this.#moved(r));
    app.listeners.add(this);
    this.bars({ kind: "rebuild" });
    this.forecasts();
    this.marks();
  }

  dispose(): void {
    clearTimeout(this.#rangeTimer);
    clearTimeout(this.#fitTimer);
    this.#app.listeners.delete(this);
    this.#chart.remove();
  }

  #format = (v: number): string => price(v, this.#series.instrument.price_scale);

  /** Bars of room to the right of the last: the forecasts and a little air. */
  #margin(): number {
    return this.#series.horizons + 2;
  }

  restyle(): void {
    const p = readPalette(this.#host);
    this.#palette = p;
    this.#chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: p.panel },
        textColor: p.muted,
        fontFamily: p.font,
      },
      grid: { vertLines: { color: p.grid }, horzLines: { color: p.grid } },
      crosshair: {
        vertLine: { color: p.muted, labelBackgroundColor: p.text },
        horzLine: { color: p.muted, labelBackgroundColor: p.text },
      },
    });
    // Up is hollow and down is filled: the shape says it without the colour.
    this.#candles.applyOptions({
      upColor: p.panel,
      borderUpColor: p.up,
      wickUpColor: p.up,
      downColor: p.down,
      borderDownColor: p.down,
      wickDownColor: p.down,
      priceLineColor: p.muted,
    });
    this.#fan.restyle(p, this.#format);
    this.#path.restyle(p);
    this.marks();
    this.#volume.setData(this.#items.map(b => this.#bin(b)));
  }

  /** What is drawn: the bars of the series, or candles of a coarser interval. */
  get #items(): readonly Candle[] {
    return this.#app.wide.drawn.value?.items ?? this.#app.bars.items;
  }

  /** The usual time between what is drawn, in milliseconds. */
  get #step(): number {
    return stepOf(this.#items, this.#series.interval_seconds * 1000);
  }

  #bin(b: Candle) {
    const color = b.close >= b.open ? this.#palette.upVolume : this.#palette.downVolume;
    return { time: sec(b.t), value: b.volume, color };
  }

  #candle(b: Candle) {
    return { time: sec(b.t), open: b.open, high: b.high, low: b.low, close: b.close };
  }

  bars(change: Change): void {
    if (change.kind === "none") return;
    if (this.#app.wide.drawn.value !== null) {
      // The newest candle goes on with the bars, as far as it is in sight.
      if (Date.now() - this.#fitted > REFRESH_MS) this.#fitSoon(true);
      return;
    }
    if (change.kind === "rebuild") {
      const items = this.#app.bars.items;
      this.#candles.setData(items.map(b => this.#candle(b)));
      this.#volume.setData(items.map(b => this.#bin(b)));
      this.#ahead.setData([]);
      this.#aheadLast = 0;
      if (items.length === 0) this.#placed = false;
      this.#extend();
      this.#placeFirst();
      this.marks();
    } else {
      const historical = change.kind === "revise" && change.bar !== this.#app.bars.last;
      this.#candles.update(this.#candle(change.bar), historical);
      this.#volume.update(this.#bin(change.bar), historical);
      this.#placeFirst();
      if ((this.#app.splits.marks.value[0]?.t ?? 0) >= change.bar.t) this.marks();
    }
    this.forecasts();
  }

  /** Marks splits, dividends and what looks like a split; a letter or sign says which. */
  marks(): void {
    const p = this.#palette;
    if (this.#app.wide.drawn.value !== null) {
      this.#marks.setMarkers([]);
      return;
    }
    this.#marks.setMarkers(
      this.#app.splits.placed(this.#app.bars).map(({ bar, mark }) =>
        mark.kind === "suspected"
          ? { time: sec(bar.t), position: "aboveBar", shape: "arrowDown", color: p.miss, text: "split?" }
          : {
              time: sec(bar.t),
              position: "belowBar",
              shape: mark.kind === "split" ? "square" : "circle",
              color: p.muted,
              text: mark.kind === "split" ? mark.words : "D",
              size: mark.kind === "split" ? 1 : 0.6,
            },
      ),
    );
  }

  /** Shows the range that the address names, once what it needs is loaded. */
  #placeFirst(): void {
    if (this.#placed || this.#app.loading.value || this.#app.bars.items.length === 0) return;
    this.#placed = true;
    this.place(this.#app.view.value.range);
  }

  forecasts(): void {
    this.#path.shown = this.#app.wide.drawn.value === null;
    this.#path.refresh();
    if (!this.#path.shown) {
      this.#fan.set([], undefined, this.#app.view.value.horizon);
      return;
    }
    this.#extend();
    const fan = this.#app.ahead.value;
    this.#fan.set(fan, this.#anchor(), this.#app.view.value.horizon);
  }

  /** The last bar that the forecast ahead was made from, when it is on the chart. */
  #anchor(): Anchor | undefined {
    const f = this.#app.fan.value[0];
    if (f === undefined) return undefined;
    const items = this.#app.bars.items;
    for (let i = items.length - 1; i >= 0; i--) {
      const b = items[i] as Candle;
      if (b.end === f.cutoff) return { t: b.t, price: f.last };
      if (b.end < f.cutoff) return undefined;
    }
    return undefined;
  }

  /** Gives the targets ahead their places on the time scale. */
  #extend(): void {
    const last = this.#app.bars.last?.t ?? Number.POSITIVE_INFINITY;
    const targets = this.#app.ahead.value.map(f => f.t).filter(t => t > last);
    const first = targets[0];
    // After a gap, places that were kept for bars that never came must go.
    if (first !== undefined && this.#aheadLast > 0 && first > this.#aheadLast) {
      this.#ahead.setData([]);
      this.#aheadLast = 0;
    }
    for (const t of targets) {
      if (t <= this.#aheadLast) continue;
      this.#ahead.update({ time: sec(t) });
      this.#aheadLast = t;
    }
  }

  /** Shows a range. */
  place(range: Range): void {
    const scale = this.#chart.timeScale();
    if (range.kind === "between" && range.from * 1000 < (this.#app.bars.first?.t ?? 0)) {
      void this.#draw(range.from * 1000, range.to * 1000);
      return;
    }
    const n = this.#app.bars.items.length;
    if (range.kind === "last") {
      // On a narrow screen fewer bars are shown, so that each can be seen.
      const room = Math.max(30, Math.floor(this.#host.clientWidth / 6));
      const bars = range.bars === DEFAULT_BARS ? Math.min(range.bars, room) : range.bars;
      scale.setVisibleLogicalRange({ from: n - bars, to: n - 1 + this.#margin() });
    } else {
      const first = this.#app.bars.first?.t ?? 0;
      const last = this.#app.bars.last?.t ?? 0;
      const from = Math.max(range.from * 1000, first);
      const to = Math.min(range.to * 1000, last);
      if (from < to) scale.setVisibleRange({ from: sec(from), to: sec(to) });
    }
  }

  /** Shows bars by index; fractions are fine. */
  showLogical(from: number, to: number): void {
    this.#chart.timeScale().setVisibleLogicalRange({ from, to });
  }

  latest(): void {
    if (this.#app.wide.drawn.value !== null) {
      this.#app.wide.leave();
      this.bars({ kind: "rebuild" });
      this.place({ kind: "last", bars: DEFAULT_BARS });
      return;
    }
    const r = this.#chart.timeScale().getVisibleLogicalRange();
    const n = this.#app.bars.items.length;
    const wide = r === null ? DEFAULT_BARS : r.to - r.from;
    this.showLogical(n - 1 + this.#margin() - wide, n - 1 + this.#margin());
  }

  /** Moves by a part of what is in sight, and zooms: the keyboard's way. */
  pan(part: number): void {
    const r = this.#chart.timeScale().getVisibleLogicalRange();
    if (r === null) return;
    const by = (r.to - r.from) * part;
    this.showLogical(r.from + by, r.to + by);
    // At the very edge nothing moves, and nothing would be reported.
    this.#wantOlder({ from: r.from + by });
  }

  zoom(factor: number): void {
    const r = this.#chart.timeScale().getVisibleLogicalRange();
    if (r === null) return;
    this.showLogical(r.to - Math.max(8, (r.to - r.from) * factor), r.to);
  }

  #moved(r: LogicalRange | null): void {
    if (r === null) return;
    this.#events.visible({ from: r.from, to: r.to });
    if (!this.#placed) return;
    this.#wantOlder(r);
    this.#fitSoon(false);
    clearTimeout(this.#rangeTimer);
    this.#rangeTimer = setTimeout(() => this.#remember(r), 400);
  }

  #fitSoon(refresh: boolean): void {
    clearTimeout(this.#fitTimer);
    this.#fitTimer = setTimeout(() => void this.#fit(refresh), 200);
  }

  /** Draws coarser candles when more is in sight than can be seen, and finer ones when less is. */
  async #fit(refresh: boolean): Promise<void> {
    const r = this.#chart.timeScale().getVisibleLogicalRange();
    if (r === null) return;
    const wide = this.#app.wide.drawn.value;
    const last = this.#app.lastBar.value?.t ?? 0;
    const step = this.#step;
    const a = Math.max(timeAt(this.#items, r.from, step), wide === null ? 0 : beginning(wide));
    const b = Math.min(timeAt(this.#items, r.to, step), last + step * this.#margin());
    if (a >= b) return;
    const dense = r.to - r.from > this.#host.clientWidth * DENSE;
    const blank = r.from < -(r.to - r.from) / 20 && !this.#app.canLoadOlder;
    if (wide === null ? dense || blank : outgrown(wide, a, b, last) || (refresh && b > last))
      await this.#draw(a, b);
  }

  /** Draws from a to b at the interval that fits. */
  async #draw(a: number, b: number): Promise<void> {
    this.#fitted = Date.now();
    if (!(await this.#app.widen(a, b, this.#host.clientWidth))) return;
    const items = this.#items;
    const step = this.#step;
    this.#candles.setData(items.map(x => this.#candle(x)));
    this.#volume.setData(items.map(x => this.#bin(x)));
    this.#ahead.setData([]);
    this.#aheadLast = 0;
    this.showLogical(indexAt(items, a, step), indexAt(items, b, step));
    this.marks();
    this.forecasts();
  }

  /** Loads older bars when the oldest that are there come into sight. */
  #wantOlder(r: { from: number } | null): void {
    // More than can be seen is drawn in coarser candles instead: see #fit.
    const dense =
      this.#app.wide.drawn.value !== null || (r !== null && -r.from > this.#host.clientWidth * DENSE);
    if (this.#placed && r !== null && !dense && r.from < 60 && this.#app.canLoadOlder) void this.#app.older();
  }

  #remember(r: LogicalRange): void {
    const items = this.#items;
    const lastIndex = items.length - 1;
    if (lastIndex < 0) return;
    const before = this.#app.view.value.range;
    let range: Range;
    if (this.#app.wide.drawn.value !== null) {
      const at = (i: number): number => Math.max(0, Math.round(timeAt(items, i, this.#step) / 1000));
      range = { kind: "between", from: at(r.from), to: at(r.to) };
    } else if (r.to >= lastIndex) {
      const bars = Math.max(5, Math.round(lastIndex + 1 - r.from));
      const room = Math.max(30, Math.floor(this.#host.clientWidth / 6));
      range = { kind: "last", bars: bars === Math.min(DEFAULT_BARS, room) ? DEFAULT_BARS : bars };
      if (before.kind === "last" && Math.abs(before.bars - bars) <= 1) return;
    } else {
      const at = (i: number): number =>
        (items[Math.min(Math.max(0, Math.round(i)), lastIndex)] as Candle).t / 1000;
      if (at(r.from) >= at(r.to)) return;
      range = { kind: "between", from: at(r.from), to: at(r.to) };
    }
    this.#app.show({ range });
  }
}

const FORMATS: Record<TickMarkType, Intl.DateTimeFormatOptions> = {
  [TickMarkType.Year]: { year: "numeric" },
  [TickMarkType.Month]: { month: "short" },
  [TickMarkType.DayOfMonth]: { day: "numeric", month: "short" },
  [TickMarkType.Time]: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  [TickMarkType.TimeWithSeconds]: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
};

function tick(seconds: number, kind: TickMarkType, daily: boolean): string {
  const zone = daily ? { timeZone: "UTC" } : {};
  return new Intl.DateTimeFormat("en-GB", { ...FORMATS[kind], ...zone }).format(seconds * 1000);
}
