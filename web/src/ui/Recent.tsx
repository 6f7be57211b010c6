import type { Series } from "../api/types.ts";
import { percent, price, short } from "../format/number.ts";
import { barTime, utc } from "../format/time.ts";
import type { App } from "../state/app.ts";
import type { Sealed } from "../state/trail.ts";
import { EntryLink } from "./Prediction.tsx";

/** The newest forecasts of the chosen model and horizon, one a row: the chart's text twin. */
export function Recent({ app, series }: { app: App; series: Series }) {
  const scale = series.instrument.price_scale;
  const list = app.recent.value;
  return (
    <section class="panel" aria-labelledby="recent-title">
      <h2 id="recent-title">
        Latest forecasts <small>newest first</small>
      </h2>
      <section class="scroll" tabIndex={0} aria-label="Latest forecasts">
        <table id="recent">
          <thead>
            <tr>
              <th scope="col" class="text">
                Bar
              </th>
              <th scope="col">Predicted</th>
              <th scope="col">90 % interval</th>
              <th scope="col">Actual</th>
              <th scope="col">Difference</th>
              <th scope="col" class="text">
                Outcome
              </th>
              <th scope="col" class="text">
                Sealed in
              </th>
            </tr>
          </thead>
          <tbody>
            {list.map(f => (
              <tr key={f.t} data-target={f.t} data-entry={f.entry}>
                <th scope="row" class="text" title={utc(f.t)}>
                  {barTime(f.t, series.interval_seconds, app.lastBar.value?.t ?? f.t)}
                </th>
                <td>{price(f.point, scale)}</td>
                <td>
                  {price(f.lower90, scale)} – {price(f.upper90, scale)}
                </td>
                <td>{price(f.actual, scale)}</td>
                <td>{percent(f.percentError)}</td>
                <td class="text">
                  <Outcome f={f} />
                </td>
                <td class="text">
                  <EntryLink app={app} entry={f.entry} text={`#${f.entry} ${short(f.hash, 4)}…`} />
                </td>
              </tr>
            ))}
            {list.length === 0 && (
              <tr>
                <td colSpan={7} class="text muted">
                  {app.loading.value ? "Loading…" : "None yet."}
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </section>
    </section>
  );
}

function Outcome({ f }: { f: Sealed }) {
  const late = f.late ? <span class="tag late">late</span> : null;
  if (f.status === "open") return <span class="muted">open {late}</span>;
  if (f.status === "void") return <span class="muted">void: its bar never was {late}</span>;
  return f.hit === false ? (
    <span class="miss">✕ outside {late}</span>
  ) : (
    <span class="hit">✓ inside {late}</span>
  );
}
