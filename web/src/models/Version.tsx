import { useEffect } from "preact/hooks";
import { ApiError, api, fileAddress } from "../api/client.ts";
import type { Options, Version, VersionDetail } from "../api/types.ts";
import { count, share } from "../format/number.ts";
import { moment, ms, utc } from "../format/time.ts";
import type { App } from "../state/app.ts";
import { Ask } from "../ui/Ask.tsx";
import { Go } from "../ui/Go.tsx";
import { Save } from "../ui/Save.tsx";
import { Curve } from "./Curve.tsx";
import type { Desk } from "./desk.ts";
import {
  addressOf,
  believed,
  brief,
  bytes,
  fromSimulated,
  kindName,
  loss,
  network,
  several,
  simulated,
  stamp,
  tallied,
} from "./words.ts";

/** One version: what it is, what it has seen, how it learnt. */
export function VersionPanel({ app, desk, version: v }: { app: App; desk: Desk; version: Version }) {
  useEffect(() => void desk.detail(v), [desk, v]);
  const detail = desk.details.value.get(addressOf(v));
  const trained = detail === undefined || detail instanceof ApiError ? null : detail.trained;
  const known = app.seriesList.value;
  const made = trained?.series.some(id => simulated(id, known)) ?? fromSimulated(v, known);
  return (
    <section class="panel version" aria-labelledby="version-title" data-version={addressOf(v)}>
      <div class="head">
        <h2 id="version-title">
          {v.name} <span class="hash">{brief(v.id)}</span>{" "}
          {made && <span class="badge simulated">SIMULATED</span>} <small>{kindName(v.kind)}</small>
        </h2>
        <div class="buttons">
          <Save
            label="Download .safetensors"
            href={fileAddress(v)}
            name={`${v.name}-${v.id}.safetensors`}
            fetch={() => api.versionBlob(v)}
          />
          <Ask
            label="Delete"
            title={`Delete ${v.name} ${brief(v.id)}?`}
            about="Its weights are gone, for everyone who looks at this server, unless someone has its file. A race that uses it goes on with it until Foretick is started again."
            keep="Keep it"
            act="Delete it"
            go={() => desk.dropVersion(v)}
            done={() => app.look({ ids: [] })}
          />
        </div>
      </div>
      <p class="lead">{v.about}</p>
      <p class="lead">
        <Since v={v} />
        {made && " It learnt from simulated prices: no real market stands behind them."}
      </p>
      <Races app={app} v={v} />
      {detail === undefined && <p class="muted">Loading…</p>}
      {detail instanceof ApiError && <p class="problem">{detail.message}</p>}
      {trained !== null && <Curve curve={trained.curve} />}
      <div class={trained === null ? "split alone" : "split"}>
        <Facts v={v} trained={trained} />
        {trained !== null && <Settings o={trained.options} />}
      </div>
      {trained !== null && <Learnt app={app} series={trained.series} />}
    </section>
  );
}

function Since({ v }: { v: Version }) {
  if (v.since === null) {
    return (
      <>
        What it was trained on is not known. It forecasts any bar that it is given: where it has seen that
        bar, a backtest flatters it.
      </>
    );
  }
  return (
    <>
      <b>
        Forecasts from <time title={utc(ms(v.since))}>{stamp(v.since, v.interval)}</time> on:
      </b>{" "}
      what it has seen is not forecast.
    </>
  );
}

/** Where it is in the race, with the way there. */
function Races({ app, v }: { app: App; v: Version }) {
  const list = app.seriesList.value.filter(
    s => s.models.some(m => m.name === v.name) && (v.interval === undefined || v.interval === s.interval),
  );
  if (list.length === 0) return <p class="muted">No series has {v.name} in its race now.</p>;
  return (
    <p class="races">
      <span class="muted">{v.name} is in the race of</span>{" "}
      {list.map(s => (
        <Go key={s.id} app={app} to={{ page: "live", ids: [], series: s.id, model: v.name, horizon: 1 }}>
          {s.instrument.symbol} {s.interval}
        </Go>
      ))}
    </p>
  );
}

function Facts({ v, trained }: { v: Version; trained: VersionDetail["trained"] }) {
  const at = (t: string | null, none: string) =>
    t === null ? none : <time title={utc(ms(t))}>{stamp(t, v.interval)}</time>;
  return (
    <section aria-labelledby="facts-title">
      <h3 id="facts-title">What it is</h3>
      <dl class="rows">
        <Fact name="Network" value={network(v.network)} />
        <Fact
          name="Together"
          value={`${several(v.members, "network")}, ${several(v.parameters, "parameter")}`}
        />
        <Fact
          name="Reads"
          value={v.kind === "price" ? several(v.lookback, "price") : several(v.lookback, "bar")}
        />
        <Fact
          name="Trained on"
          value={
            v.rows > 0
              ? `${several(v.series, "series", "series")}, ${several(v.rows, "bar")} of ${v.interval}`
              : "not known"
          }
        />
        {trained !== null && <Fact name="Validated from" value={at(trained.split, "–")} />}
        <Fact name="Has seen until" value={at(v.until, "not known")} />
        <Fact name="Validation loss" value={loss(v.loss)} />
        {trained !== null && <Fact name="Location" value={<Believed list={trained.location} />} />}
        <Fact name="Source" value={v.source} />
        <Fact name="Created" value={<time title={utc(ms(v.created))}>{moment(ms(v.created))}</time>} />
        <Fact name="File" value={bytes(v.bytes)} />
        <Fact name="Version" value={<span class="hash">{v.id}</span>} />
      </dl>
    </section>
  );
}

/** How much of the networks' own idea of where the price goes is believed. */
function Believed({ list }: { list: readonly number[] }) {
  return (
    <span title="Share of the networks' locations that is believed: 0 unless the validation bars showed beyond doubt that they help.">
      {believed(list)}
    </span>
  );
}

function Fact({ name, value }: { name: string; value: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** The options of a training. */
export function Settings({ o }: { o: Options }) {
  return (
    <section aria-labelledby="options-title">
      <h3 id="options-title">How it learns</h3>
      <dl class="rows">
        <Fact name="Cell" value={o.cell.toUpperCase()} />
        <Fact name="Layers × units" value={`${count(o.layers)} × ${count(o.units)}`} />
        <Fact name="Steps" value={`${several(o.steps, "bar")}, the first ${count(o.warm)} to warm up`} />
        <Fact
          name="Epochs"
          value={`at most ${count(o.epochs)}, ${count(o.patience)} without progress end it`}
        />
        <Fact name="Restarts" value={`${count(o.restarts)}, the best ${count(o.ensemble)} answer`} />
        <Fact name="Rate" value={String(o.rate)} />
        <Fact name="Validation" value={`the newest ${share(o.validation, 0)} of the bars`} />
        <Fact name="Batch" value={count(o.batch)} />
        <Fact name="Weight decay" value={String(o.decay)} />
        <Fact name="Gradient" value={`cut at ${o.clip}`} />
        <Fact name="Seed" value={String(o.seed)} />
      </dl>
    </section>
  );
}

const SHOWN = 12;

/** The series that it learnt from. */
function Learnt({ app, series }: { app: App; series: readonly string[] }) {
  const known = app.seriesList.value;
  const all = tallied(series);
  const list = (part: typeof all) => (
    <ul class="chips">
      {part.map(([id, n]) => (
        <li key={id}>
          {id} {n > 1 && <span class="muted">{n} files</span>}{" "}
          {simulated(id, known) && <span class="sim">simulated</span>}
        </li>
      ))}
    </ul>
  );
  return (
    <section class="learnt" aria-labelledby="learnt-title">
      <h3 id="learnt-title">Learnt from</h3>
      {list(all.slice(0, SHOWN))}
      {all.length > SHOWN && (
        <details>
          <summary>{count(all.length - SHOWN)} more</summary>
          {list(all.slice(SHOWN))}
        </details>
      )}
    </section>
  );
}
