import type { Series } from "../api/types.ts";
import { price } from "../format/number.ts";
import { barTime, ms, utc } from "../format/time.ts";
import type { App } from "../state/app.ts";

/** How many bars back a data warning is put where it cannot be overlooked. */
const FRESH = 250;

const SIGN = { split: "◆", dividend: "●", suspected: "▲" };

/** The newest move that looks like an unannounced split, as long as models may still see it. */
export function DataWarning({ app, series }: { app: App; series: Series }) {
  const w = app.splits.suspected.value[0];
  if (w === undefined || app.lastBar.value === null) return null;
  const items = app.bars.items;
  const t = ms(w.bar.start);
  if (t < (items[Math.max(0, items.length - FRESH)]?.t ?? 0)) return null;
  const scale = series.instrument.price_scale;
  return (
    <p class="strip warn" id="data-warning">
      <b>Data warning.</b> The move from {price(w.close, scale)} to {price(w.open, scale)} at{" "}
      <span title={utc(t)}>{barTime(t, series.interval_seconds, app.now.value)}</span> {w.reason}. No model
      learns from it, no forecast is judged across it, and nothing is rescaled. If it was a split, tell
      Foretick with <code>foretick import --actions</code>.
    </p>
  );
}

/** Splits and dividends, and moves that look like a split. */
export function SplitsPanel({ app, series }: { app: App; series: Series }) {
  const list = app.splits.marks.value;
  const warnings = app.splits.suspected.value.length;
  return (
    <section class="panel" aria-labelledby="splits-title">
      <h2 id="splits-title">
        Splits and dividends{" "}
        {warnings > 0 && (
          <small class="data-warnings">
            {warnings} data {warnings === 1 ? "warning" : "warnings"}
          </small>
        )}
      </h2>
      {list.length === 0 ? (
        <p class="muted">None is known, and no move looks like one.</p>
      ) : (
        <section class="scroll tall" tabIndex={0} aria-label="List of splits and dividends">
          <ul class="list">
            {list.map(m => (
              <li key={`${m.kind} ${m.t}`}>
                <p>
                  <span class={`sign ${m.kind}`} aria-hidden="true">
                    {SIGN[m.kind]}
                  </span>{" "}
                  {m.words}{" "}
                  <span class="muted" title={utc(m.t)}>
                    {barTime(m.t, series.interval_seconds, app.now.value)}
                  </span>
                </p>
              </li>
            ))}
          </ul>
        </section>
      )}
      <p class="muted">Bars are stored and forecast as they were traded.</p>
    </section>
  );
}
