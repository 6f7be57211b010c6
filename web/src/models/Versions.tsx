import type { Version } from "../api/types.ts";
import { moment, ms, utc } from "../format/time.ts";
import type { App } from "../state/app.ts";
import { GoModel } from "../ui/Go.tsx";
import type { Desk } from "./desk.ts";
import {
  addressOf,
  brief,
  brieflyCounted,
  bytes,
  find,
  fromSimulated,
  grouped,
  kindName,
  loss,
  network,
  several,
  stamp,
} from "./words.ts";

interface Props {
  app: App;
  desk: Desk;
  /** Opens the form that orders a training. */
  train(): void;
}

/** All stored versions, by the model that they belong to. */
export function Versions({ app, desk, train }: Props) {
  const list = desk.versions.value;
  if (list === null) {
    return (
      <section class="panel empty">
        <p class="muted">{desk.problem.value === null ? "Loading…" : "Not known yet."}</p>
      </section>
    );
  }
  if (list.length === 0) return <None train={train} />;
  const groups = grouped(list);
  const [id] = app.view.value.ids;
  const chosen = id === undefined ? undefined : find(list, id);
  return (
    <section class="panel" aria-labelledby="versions-title">
      <div class="head">
        <h2 id="versions-title">
          Stored models{" "}
          <small>
            {several(groups.length, "model")}, {several(list.length, "version")}, newest first
          </small>
        </h2>
      </div>
      <section class="scroll" tabIndex={0} aria-label="Stored model versions">
        <table id="versions">
          <caption class="sr-only">Stored model versions by model</caption>
          <thead>
            <tr>
              <th scope="col" class="text">
                Version
              </th>
              <th scope="col" class="text">
                Gives
              </th>
              <th scope="col" class="text">
                Network
              </th>
              <th scope="col" class="text">
                Trained on
              </th>
              <th scope="col" class="text" title="End of the newest bar that it has seen">
                Has seen until
              </th>
              <th scope="col" class="text" title="What it has seen is not forecast">
                Forecasts from
              </th>
              <th
                scope="col"
                title="Mean negative log likelihood on the newest bars of its training, in units of the volatility of the time; lower is better"
              >
                Validation
              </th>
              <th scope="col">File</th>
            </tr>
          </thead>
          {groups.map(g => (
            <tbody key={g.name}>
              <tr class="band">
                <th scope="rowgroup" class="text" colSpan={8}>
                  <b>{g.name}</b> {g.versions.length > 1 && several(g.versions.length, "version")}
                </th>
              </tr>
              {g.versions.map(v => (
                <Row key={v.id} app={app} v={v} chosen={v === chosen} />
              ))}
            </tbody>
          ))}
        </table>
      </section>
      <p class="foot">
        A stored model is in the race like any other and has to earn its verdict there. Losses of versions
        that learnt from other bars are not comparable.
      </p>
    </section>
  );
}

function Row({ app, v, chosen }: { app: App; v: Version; chosen: boolean }) {
  return (
    <tr class={chosen ? "chosen" : ""} data-version={addressOf(v)}>
      <th scope="row" class="text">
        <GoModel app={app} id={addressOf(v)} title={v.id}>
          <span class="hash">{brief(v.id)}</span>
        </GoModel>
        <When at={v.created} />
      </th>
      <td class="text">
        {kindName(v.kind)} {fromSimulated(v, app.seriesList.value) && <b class="sim">simulated</b>}
        <small title={v.source}>{v.source}</small>
      </td>
      <td class="text">
        {network(v.network)}
        <small title={several(v.parameters, "parameter")}>
          {several(v.members, "network")}, {brieflyCounted(v.parameters, "parameter")}
        </small>
      </td>
      <td class="text">
        {v.rows > 0 ? (
          <>
            {several(v.series, "series", "series")} of {v.interval}
            <small>{several(v.rows, "bar")}</small>
          </>
        ) : (
          <span class="muted">not known</span>
        )}
      </td>
      <td class="text">
        <Day at={v.until} of={v.interval} none="not known" />
      </td>
      <td class="text">
        <Day at={v.since} of={v.interval} none="any bar" />
      </td>
      <td>{loss(v.loss)}</td>
      <td class="muted">{bytes(v.bytes)}</td>
    </tr>
  );
}

function When({ at }: { at: string }) {
  return (
    <small>
      <time dateTime={at} title={utc(ms(at))}>
        {moment(ms(at))}
      </time>
    </small>
  );
}

/** A date with its time below it. */
function Day({ at, of, none }: { at: string | null; of: string | undefined; none: string }) {
  if (at === null) return <span class="muted">{none}</span>;
  const [day, time] = stamp(at, of).split(", ");
  return (
    <time dateTime={at} title={utc(ms(at))}>
      {day}
      {time !== undefined && <small>{time}</small>}
    </time>
  );
}

function None({ train }: { train(): void }) {
  return (
    <section class="panel about" aria-labelledby="none-title">
      <h2 id="none-title">No model is stored yet</h2>
      <p>
        A stored model is a network with what it has learnt. Each version is kept as it is, never forecasts a
        bar that it has seen, and joins the race beside the others: whether it is any better than “the price
        stays where it is” is for its verdict to say.
      </p>
      <dl class="ways">
        <dt>Train one here, on the series of this server</dt>
        <dd>
          <button type="button" class="primary" onClick={train}>
            Train a model
          </button>
        </dd>
        <dt>Train one on the command line, on files or stored series</dt>
        <dd>
          <code>foretick train --folder recorded/ --interval 1m</code>
        </dd>
        <dt>Bring one along that PyTorch trained</dt>
        <dd>
          <code>
            foretick models import --name original --pth lstm_model.pth --hyper lstm_model_hyper_param.json
            --x-scaler X_scaler.pkl --y-scaler y_scaler.pkl --host {location.origin}
          </code>
        </dd>
      </dl>
    </section>
  );
}
