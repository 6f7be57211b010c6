import { useEffect, useMemo } from "preact/hooks";
import type { App } from "../state/app.ts";
import "../style/desk.css";
import "./backtests.css";
import { Compare } from "./Compare.tsx";
import { Desk } from "./desk.ts";
import { Jobs } from "./Jobs.tsx";
import { Order } from "./Order.tsx";
import { Result } from "./Result.tsx";

/** Order backtests, watch them, read and compare what they found. */
export default function Backtests({ app }: { app: App }) {
  const desk = useMemo(() => new Desk(app), [app]);
  const { ids } = app.view.value;
  const locked = app.needKey.value !== "";
  useEffect(() => (locked ? undefined : desk.start()), [desk, locked]);
  return (
    <div class="desk">
      <div class="side">
        <Order app={app} desk={desk} open={ids.length === 0} />
        <Jobs app={app} desk={desk} />
      </div>
      <div class="found">
        {desk.problem.value !== null && (
          <p class="strip bad" role="alert">
            <b>{desk.problem.value.title}.</b> {desk.problem.value.message} {desk.problem.value.advice}
          </p>
        )}
        <Found app={app} desk={desk} />
      </div>
    </div>
  );
}

function Found({ app, desk }: { app: App; desk: Desk }) {
  const { ids } = app.view.value;
  const [first] = ids;
  if (first === undefined) return <About />;
  if (desk.jobs.value === null) {
    return (
      <section class="panel empty">
        <p class="muted">Loading…</p>
      </section>
    );
  }
  const jobs = ids.flatMap(id => desk.job(id) ?? []);
  const gone = ids.filter(id => desk.job(id) === undefined);
  const [job] = jobs;
  return (
    <>
      {gone.length > 0 && (
        <p class="strip warn" role="status">
          {gone.length === 1
            ? `There is no backtest ${gone[0]}`
            : `There are no backtests ${gone.join(", ")}`}{" "}
          on this server; it may have been deleted.
        </p>
      )}
      {jobs.length > 1 ? (
        <Compare app={app} jobs={jobs} />
      ) : job !== undefined ? (
        <Result key={job.id} app={app} desk={desk} job={job} />
      ) : (
        <About />
      )}
    </>
  );
}

function About() {
  return (
    <section class="panel about" aria-labelledby="about-title">
      <h2 id="about-title">What a backtest tells</h2>
      <p>
        Foretick walks the stored bars of a series from old to new. At every bar each model says what it would
        have said then, knowing nothing of what came later, and is judged as it is live: the same code, the
        same scores.
      </p>
      <p>
        Order one here, watch it walk, then open its report or tick several to compare them side by side. The
        address of this page names what is chosen and can be shared.
      </p>
      <p class="muted">
        A backtest that was tried often enough finds something by luck. Verdicts correct for the number of
        series, not for the number of times that one has tried.
      </p>
    </section>
  );
}
