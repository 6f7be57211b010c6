import type { Job } from "../api/types.ts";
import { moment, ms, utc } from "../format/time.ts";
import type { App } from "../state/app.ts";
import { active } from "../state/follow.ts";
import { formatView, MAX_COMPARED } from "../state/url.ts";
import { Ask } from "../ui/Ask.tsx";
import type { Desk } from "./desk.ts";
import { ahead, progress, SIGN, seriesNames } from "./words.ts";

/** All backtests that the server keeps, newest first. */
export function Jobs({ app, desk }: { app: App; desk: Desk }) {
  const list = desk.jobs.value;
  return (
    <section class="panel jobs" aria-labelledby="jobs-title">
      <h2 id="jobs-title">
        Backtests <small>{list === null ? "" : `${list.length}, newest first`}</small>
      </h2>
      {list === null ? (
        <p class="muted">{desk.problem.value === null ? "Loading…" : "Not known yet."}</p>
      ) : list.length === 0 ? (
        <p class="muted">None yet. What is ordered is kept here, until it is deleted.</p>
      ) : (
        <ul class="job-list">
          {list.map(j => (
            <Row key={j.id} app={app} desk={desk} job={j} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Row({ app, desk, job: j }: { app: App; desk: Desk; job: Job }) {
  const { ids } = app.view.value;
  const chosen = ids.includes(j.id);
  const known = app.seriesList.value;
  const name = seriesNames(j.order.series, known);
  const compare = (): void => {
    app.look({ ids: chosen ? ids.filter(id => id !== j.id) : [...ids, j.id] });
  };
  return (
    <li class={chosen ? "chosen" : ""} data-job={j.id} data-state={j.state}>
      <input
        type="checkbox"
        checked={chosen}
        disabled={!chosen && ids.length >= MAX_COMPARED}
        title="Compare"
        aria-label={`Compare ${name} of ${moment(ms(j.created))}`}
        onChange={compare}
      />
      <div>
        <a
          href={formatView({ ...app.view.value, ids: [j.id] })}
          aria-current={chosen && ids.length === 1 ? "true" : undefined}
          onClick={e => {
            if (e.ctrlKey || e.metaKey || e.shiftKey) return;
            e.preventDefault();
            app.look({ ids: [j.id] });
          }}
        >
          {name}
        </a>
        <p class="muted">
          {j.order.models.length} models, {ahead(j.order.horizons)}
          {j.order.last > 0 && `, last ${j.order.last} bars`}
        </p>
        <p class={`job-state ${j.state}`}>
          <span aria-hidden="true">{SIGN[j.state]}</span> {progress(j, desk.before(j))}
          <time class="muted" title={utc(ms(j.created))}>
            {moment(ms(j.created))}
          </time>
        </p>
        {j.state === "running" && <Bar job={j} />}
      </div>
    </li>
  );
}

/** How far a backtest has come. */
export function Bar({ job: j }: { job: Job }) {
  const at = j.total > 0 ? { value: Math.min(j.bars, j.total), max: j.total } : {};
  return <progress {...at} aria-label={`Progress of the backtest ${j.id}`} />;
}

/** Cancels or deletes, after a question. */
export function Drop({ desk, job: j, done }: { desk: Desk; job: Job; done(): void }) {
  const words = active(j)
    ? {
        label: "Cancel",
        title: "Cancel this backtest?",
        about: "What it has walked so far is lost.",
        keep: "Let it run",
        act: "Cancel it",
        done: () => {},
      }
    : {
        label: "Delete",
        title: "Delete this backtest?",
        about: "Its figures and its report are forgotten, for everyone who looks at this server.",
        keep: "Keep it",
        act: "Delete it",
        done,
      };
  return <Ask {...words} go={() => desk.drop(j.id)} />;
}
