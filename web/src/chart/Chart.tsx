import { useEffect, useRef, useState } from "preact/hooks";
import type { Adjusted, Series } from "../api/types.ts";
import { price } from "../format/number.ts";
import { barTime, zone } from "../format/time.ts";
import type { App } from "../state/app.ts";
import { Select } from "../ui/Picker.tsx";
import { Legend } from "./Legend.tsx";
import { Overview } from "./Overview.tsx";
import { ChartView } from "./view.ts";

const SPEAK_EVERY_MS = 20_000;

/** The chart with its legend, overview and a text for those who do not see it. */
export function Chart({ app, series }: { app: App; series: Series }) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<ChartView | null>(null);
  const [hover, setHover] = useState<number | null>(null);
  const [visible, setVisible] = useState({ from: 0, to: 1 });
  const { theme } = app.view.value;

  useEffect(() => {
    if (host.current === null) return;
    const v = new ChartView(host.current, app, series, { hover: setHover, visible: setVisible });
    view.current = v;
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const restyle = (): void => v.restyle();
    dark.addEventListener("change", restyle);
    return () => {
      dark.removeEventListener("change", restyle);
      v.dispose();
      view.current = null;
    };
  }, [app, series.id]);

  useEffect(() => view.current?.restyle(), [theme]);

  const key = (e: KeyboardEvent): void => {
    const v = view.current;
    if (v === null || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "ArrowLeft") v.pan(e.shiftKey ? -0.8 : -0.1);
    else if (e.key === "ArrowRight") v.pan(e.shiftKey ? 0.8 : 0.1);
    else if (e.key === "+" || e.key === "=") v.zoom(0.8);
    else if (e.key === "-") v.zoom(1.25);
    else if (e.key === "End") v.latest();
    else return;
    e.preventDefault();
  };

  const bars = app.lastBar.value === null ? 0 : app.bars.items.length;
  const wide = app.wide.drawn.value;
  const back = wide !== null || (bars > 0 && visible.to < bars - 1);
  return (
    <section
      class="chart panel"
      aria-labelledby="chart-title"
      data-bars={bars}
      data-interval={wide?.interval ?? series.interval}
      data-drawn={wide?.items.length ?? bars}
      data-first={bars > 0 ? app.bars.first?.t : undefined}
      data-last={app.lastBar.value?.t}
    >
      <h2 id="chart-title" class="sr-only">
        Prices and forecasts of {series.instrument.symbol}, {series.interval}
      </h2>
      <Legend app={app} series={series} hover={hover} />
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is not what a chart is */}
      <div
        class="canvas"
        ref={host}
        role="group"
        tabIndex={0}
        aria-label="Chart. Arrow keys move, plus and minus zoom, End goes to the latest bar."
        aria-describedby="chart-words"
        onKeyDown={key}
      />
      {back && (
        <button type="button" class="latest" onClick={() => view.current?.latest()}>
          Latest bar →
        </button>
      )}
      <Waiting app={app} />
      {wide === null && (
        <Overview
          app={app}
          visible={visible}
          margin={series.horizons + 2}
          show={(a, b) => view.current?.showLogical(a, b)}
        />
      )}
      <div class="key">
        <span class="swatch up">up</span>
        <span class="swatch down">down</span>
        {wide === null ? (
          <>
            <span class="swatch fan">sealed forecast, 50 % and 90 %</span>
            <span class="swatch trail">what was forecast, 90 %</span>
            <span class="swatch cross">outcome outside the 90 % interval</span>
          </>
        ) : (
          <span id="drawn">
            candles of {wide.interval}: zoom in for bars of {series.interval} and their forecasts
          </span>
        )}
        <Unit app={app} />
        <span class="zone">
          {series.interval_seconds >= 86_400 ? "Dates in UTC" : `Times in ${zone()}`}
          {app.loadingOlder.value && " · loading older bars…"}
          {app.wide.loading.value && " · loading candles…"}
        </span>
      </div>
      <Words app={app} series={series} />
    </section>
  );
}

const UNITS = [
  { value: "none", label: "as traded" },
  { value: "splits", label: "split-adjusted", title: "Those before a split are in shares of now" },
  { value: "all", label: "fully adjusted", title: "For splits, and lowered by dividends paid since" },
];

/** The unit of prices before splits and dividends, where there are any. */
function Unit({ app }: { app: App }) {
  const { adjusted } = app.view.value;
  if (app.splits.actions.value.length === 0 && adjusted === "none") return null;
  return (
    <Select
      label="Prices"
      options={UNITS}
      value={adjusted}
      pick={v => app.show({ adjusted: v as Adjusted })}
    />
  );
}

/** What stands over an empty chart. */
function Waiting({ app }: { app: App }) {
  if (app.lastBar.value !== null) return null;
  return (
    <p class="waiting">
      {app.loading.value
        ? "Loading bars…"
        : "No bars yet. The chart begins with the first bar that is final."}
    </p>
  );
}

/** The chart in words, renewed at most every 20 seconds so that it does not talk all the time. */
function Words({ app, series }: { app: App; series: Series }) {
  const [text, setText] = useState("");
  const bar = app.lastBar.value;
  const next = app.ahead.value.find(f => f.horizon === app.view.value.horizon);
  const spoken = useRef(0);
  const scale = series.instrument.price_scale;
  useEffect(() => {
    if (bar === null || Date.now() - spoken.current < SPEAK_EVERY_MS) return;
    spoken.current = Date.now();
    setText(
      `${series.instrument.symbol} ${series.interval}: close ${price(bar.close, scale)} at ${barTime(bar.t, series.interval_seconds, Date.now())}. ` +
        (next === undefined
          ? "No forecast is open."
          : `${next.model} forecasts ${price(next.point, scale)} ${next.horizon} bars ahead, 90 % interval ${price(next.lower90, scale)} to ${price(next.upper90, scale)}.`),
    );
  }, [bar, next]);
  return (
    <p id="chart-words" class="sr-only" aria-live="polite">
      {text}
    </p>
  );
}
