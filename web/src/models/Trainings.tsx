import type { Training } from "../api/types.ts";
import { SIGN, seriesNames } from "../backtests/words.ts";
import { age, moment, ms, utc } from "../format/time.ts";
import type { App } from "../state/app.ts";
import { active } from "../state/follow.ts";
import { Ask } from "../ui/Ask.tsx";
import { GoModel } from "../ui/Go.tsx";
import { Curve } from "./Curve.tsx";
import type { Desk } from "./desk.ts";
import { Settings } from "./Version.tsx";
import { addressOf, brief, endOf, left, leftWords, plain, progress, simulated } from "./words.ts";

/** All trainings that the server keeps, newest first. */
export function Trainings({ app, desk }: { app: App; desk: Desk }) {
  const list = desk.jobs.value;
  return (
    <section class="panel jobs" aria-labelledby="jobs-title">
      <h2 id="jobs-title">
        Trainings <small>{list === null || list.length === 0 ? "" : `${list.length}, newest first`}</small>
      </h2>
      {list === null ? (
        <p class="muted">{desk.problem.value === null ? "Loading…" : "Not known yet."}</p>
      ) : list.length === 0 ? (
        <p class="muted">None yet. They run one after another in the background.</p>
      ) : (
        <ul class="job-list plain">
          {list.map(t => (
            <Row key={t.id} app={app} desk={desk} t={t} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Row({ app, desk, t }: { app: App; desk: Desk; t: Training }) {
  const known = app.seriesList.value;
  return (
    <li class={app.view.value.ids[0] === t.id ? "chosen" : ""} data-job={t.id} data-state={t.state}>
      <div>
        <GoModel app={app} id={t.id}>
          {t.plan.name}
        </GoModel>{" "}
        on {seriesNames(t.plan.series, known)}{" "}
        {t.plan.series.some(id => simulated(id, known)) && <span class="sim">simulated</span>}
        <p class={`job-state ${t.state}`}>
          <span aria-hidden="true">{SIGN[t.state]}</span> {progress(t, desk.before(t))}
          <time class="muted" title={utc(ms(t.created))}>
            {moment(ms(t.created))}
          </time>
        </p>
        {t.state === "running" && <Bar t={t} />}
        {t.state === "failed" && <p class="muted">{plain(t.error ?? "")}</p>}
        {t.version && (
          <p>
            <GoModel app={app} id={addressOf({ name: t.plan.name, id: t.version })}>
              Open version {brief(t.version)}
            </GoModel>
          </p>
        )}
      </div>
    </li>
  );
}

/** How far a training has come. */
function Bar({ t }: { t: Training }) {
  const at = t.curve.length > 0 ? { value: Math.min(1, t.progress), max: 1 } : {};
  return <progress {...at} aria-label={`Progress of the training ${t.id}`} />;
}

/** One training: what was ordered, how far it is, how it learns. */
export function TrainingPanel({ app, desk, training: t }: { app: App; desk: Desk; training: Training }) {
  const known = app.seriesList.value;
  const end = endOf(t);
  return (
    <section class="panel training" aria-labelledby="training-title" data-job={t.id} data-state={t.state}>
      <div class="head">
        <h2 id="training-title">
          Training of {t.plan.name} on {seriesNames(t.plan.series, known)}{" "}
          {t.plan.series.some(id => simulated(id, known)) && <span class="badge simulated">SIMULATED</span>}{" "}
          <small title={utc(ms(t.created))}>ordered {moment(ms(t.created))}</small>
        </h2>
        <div class="buttons">
          {t.version && (
            <GoModel app={app} class="button" id={addressOf({ name: t.plan.name, id: t.version })}>
              Open its version
            </GoModel>
          )}
          <Drop app={app} desk={desk} t={t} />
        </div>
      </div>
      <p class="muted">
        {t.plan.series.join(", ")}
        {end !== null && (
          <>
            ; bars until <time title={utc(end)}>{moment(end)}</time>
          </>
        )}
      </p>
      <p class="sr-only" role="status">
        The training is {t.state}.
      </p>
      {active(t) && (
        <div class="going">
          <p class={`job-state ${t.state}`}>
            <span aria-hidden="true">{SIGN[t.state]}</span> {progress(t, desk.before(t))}
            <Clock app={app} desk={desk} t={t} />
          </p>
          <Bar t={t} />
        </div>
      )}
      {t.state === "failed" && (
        <p class="problem">
          <span aria-hidden="true">✕</span> It failed: {plain(t.error ?? "")}
        </p>
      )}
      {t.state === "cancelled" && <p>It was cancelled before it was done. No version came out of it.</p>}
      {t.curve.length > 0 && <Curve curve={t.curve} live={active(t)} />}
      <div class="split alone">
        <Settings o={t.plan.options} />
      </div>
    </section>
  );
}

/** How long ago it was ordered, and how long it needs at most. */
function Clock({ app, desk, t }: { app: App; desk: Desk; t: Training }) {
  const rest = leftWords(left(t, desk.seen(t.id), app.now.value));
  const since = age(Math.floor(Math.max(0, app.serverNow.value - ms(t.created)) / 1000) * 1000);
  return (
    <span class="clock muted">
      ordered {since} ago{rest !== "" && `, ${rest}`}
    </span>
  );
}

/** Cancels or forgets, after a question. */
function Drop({ app, desk, t }: { app: App; desk: Desk; t: Training }) {
  const words = active(t)
    ? {
        label: "Cancel",
        title: "Cancel this training?",
        about: "What its networks have learnt so far is lost.",
        keep: "Let it run",
        act: "Cancel it",
        done: () => {},
      }
    : {
        label: "Delete",
        title: "Delete this training?",
        about:
          "It is forgotten, for everyone who looks at this server. The version that came out of it stays.",
        keep: "Keep it",
        act: "Delete it",
        done: () => app.look({ ids: [] }),
      };
  return <Ask {...words} go={() => desk.drop(t.id)} />;
}
