import type { Series } from "../api/types.ts";
import { price, signed, volume } from "../format/number.ts";
import { barTime, clock, utc, zone } from "../format/time.ts";
import type { App } from "../state/app.ts";
import { type Candle, lowerBound } from "../state/bars.ts";

const DAY = 86_400;

/** The bar under the pointer, or the last one, with what was forecast for it. */
export function Legend({ app, series, hover }: { app: App; series: Series; hover: number | null }) {
  const last = app.lastBar.value;
  const scale = series.instrument.price_scale;
  const model = app.view.value.model;
  const t = hover ?? last?.t;
  if (t === undefined || last === null) return <div class="legend" />;
  const bar = hover === null ? last : barAt(app, t);
  const forecast =
    t >= app.comparable() ? (app.trail.at(t) ?? app.ahead.value.find(f => f.t === t)) : undefined;
  const daily = series.interval_seconds >= DAY;
  const up = bar !== undefined && bar.close >= bar.open;
  return (
    <div class="legend">
      <span class="when" title={utc(t)}>
        {barTime(t, series.interval_seconds, app.now.value)}
        {hover !== null && !daily && (
          <span class="muted">
            {" "}
            {zone()} · {clock(t + 60_000 * new Date(t).getTimezoneOffset())} UTC
          </span>
        )}
      </span>
      {bar !== undefined && (
        <span class={up ? "ohlc up" : "ohlc down"}>
          <i>O</i> {price(bar.open, scale)} <i>H</i> {price(bar.high, scale)} <i>L</i> {price(bar.low, scale)}{" "}
          <i>C</i> {price(bar.close, scale)} <i>V</i> {volume(bar.volume)}
          {bar.revision > 0 && <i> revised {bar.revision}×</i>}
        </span>
      )}
      {forecast !== undefined && (
        <span class="said">
          <i>
            {model} h{forecast.horizon}
          </i>{" "}
          {price(forecast.point, scale)}{" "}
          <i>
            90 % {price(forecast.lower90, scale)} to {price(forecast.upper90, scale)}
          </i>
          {forecast.status === "scored" && (
            <>
              {" "}
              {forecast.hit === false ? <b class="miss">✕ outside</b> : <span class="hit">✓ inside</span>}{" "}
              <i>{signed(forecast.percentError, 3)} %</i>
            </>
          )}
        </span>
      )}
    </div>
  );
}

/** What is drawn at t: a bar, or a candle of a coarser interval. */
function barAt(app: App, t: number): Candle | undefined {
  const wide = app.wide.drawn.value;
  if (wide === null) return app.bars.at(t);
  const b = wide.items[lowerBound(wide.items, t)];
  return b?.t === t ? b : undefined;
}
