import { entryAddress } from "../api/client.ts";
import type { Series } from "../api/types.ts";
import { percent, price, short } from "../format/number.ts";
import { barTime, clockMs, opened, utc } from "../format/time.ts";
import type { App } from "../state/app.ts";

/** The last forecast that was judged, the next one that is sealed, and the ones further ahead. */
export function Prediction({ app, series }: { app: App; series: Series }) {
  const { horizon, model } = app.view.value;
  const scale = series.instrument.price_scale;
  const done = app.settled.value;
  const fan = app.ahead.value;
  const last = app.lastBar.value?.t ?? 0;
  const next = fan.find(f => f.horizon === horizon && f.t >= last);
  return (
    <section class="panel prediction" aria-labelledby="prediction-title">
      <h2 id="prediction-title">
        Forecast{" "}
        <small>
          {model}, {horizon === 1 ? "next bar" : `${horizon} bars ahead`}
        </small>
      </h2>
      {done === null ? (
        <p class="muted">No forecast of this model and horizon has met its outcome yet.</p>
      ) : (
        <p class="line" id="prediction-line" data-entry={done.entry} data-target={done.t}>
          <span>
            Predicted price <b>{price(done.point, scale)}</b>
            <span class="comma">, </span>
          </span>
          <span>
            Actual price <b>{price(done.actual, scale)}</b>
            <span class="comma">, </span>
          </span>
          <span>
            Difference{" "}
            <b class={done.hit === false ? "miss" : ""}>{percent(done.percentError).replace(" %", "%")}</b>
          </span>
        </p>
      )}
      {next === undefined ? (
        <Abstained app={app} />
      ) : (
        <p
          class="next"
          id="next-forecast"
          data-entry={next.entry}
          data-target={next.t}
          data-issued={next.issued}
        >
          Next: <b>{price(next.point, scale)}</b> (90 %: {price(next.lower90, scale)} to{" "}
          {price(next.upper90, scale)}), sealed{" "}
          <time title={`${utc(next.issued)}, ${opened(next.openedMs)}`}>{clockMs(next.issued)}</time>, hash{" "}
          <EntryLink app={app} entry={next.entry} text={`${short(next.hash)}…`} />
          {next.late && <span class="tag late">late</span>}
          <span class="muted how">Sealed {opened(next.openedMs)}.</span>
        </p>
      )}
      {fan.length > 0 && (
        <section class="scroll" tabIndex={0} aria-label="Sealed forecasts ahead">
          <table class="fan">
            <caption class="sr-only">Sealed forecasts ahead of the last bar</caption>
            <thead>
              <tr>
                <th scope="col" class="text">
                  Bar
                </th>
                <th scope="col">Price</th>
                <th scope="col">90 % interval</th>
              </tr>
            </thead>
            <tbody>
              {fan.map(f => (
                <tr key={f.horizon} class={f.horizon === horizon ? "chosen" : ""}>
                  <th scope="row" class="text" title={utc(f.t)}>
                    +{f.horizon} <span class="muted">{barTime(f.t, series.interval_seconds, last)}</span>
                  </th>
                  <td>{price(f.point, scale)}</td>
                  <td>
                    {price(f.lower90, scale)} – {price(f.upper90, scale)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  );
}

function Abstained({ app }: { app: App }) {
  const { horizon, model } = app.view.value;
  const a = app.abstentions.value.find(a => a.horizon === 0 || a.horizon === horizon);
  if (app.loading.value) return <p class="muted">Loading…</p>;
  return (
    <p class="next" id="abstention">
      {a === undefined
        ? "No forecast is open. The next one is sealed when a bar closes."
        : `${model} abstains: ${a.reason}.`}
    </p>
  );
}

/** A link to a ledger entry as JSON; with a key the page fetches it, because a link carries none. */
export function EntryLink({ app, entry, text }: { app: App; entry: number; text: string }) {
  const series = app.view.value.series;
  const title = `Ledger entry ${entry}`;
  return (
    <a
      class="hash"
      href={entryAddress(series, entry)}
      title={title}
      onClick={e => {
        if (e.ctrlKey || e.metaKey || e.shiftKey) return;
        e.preventDefault();
        app.inspected.value = entry;
      }}
    >
      {text}
    </a>
  );
}
