import type { Job, Pooled } from "../api/types.ts";
import { count, fixed, share } from "../format/number.ts";
import { moment, ms } from "../format/time.ts";
import type { App } from "../state/app.ts";
import { NAIVE } from "../ui/Verdict.tsx";
import { horizonName, seriesNames } from "./words.ts";

const LETTERS = "ABCDEF";

const FIGURES: { name: string; title: string; many?: boolean; of(p: Pooled): string }[] = [
  {
    name: "CRPS ratio",
    title: "Geometric mean over series of CRPS / naive's; below 1 is better",
    of: p => fixed(p.crps_ratio, 4),
  },
  {
    name: "Better than naive",
    title: "Series with a lower CRPS than naive",
    many: true,
    of: p => (p.model === NAIVE ? "–" : `${count(p.better)} of ${count(p.series)}`),
  },
  {
    name: "Verdicts",
    title: "Series with a verdict in either direction, corrected for their number (e-BH at 5 %)",
    of: p => (p.model === NAIVE ? "–" : `${count(p.discoveries)} of ${count(p.series)}`),
  },
  { name: "Coverage 90 %", title: "Share of outcomes inside; 90 % is right", of: p => share(p.coverage90) },
  {
    name: "Worst series",
    many: true,
    title: "Coverage of the single series that is furthest from 90 %",
    of: p => share(p.worst_coverage90),
  },
  {
    name: "May be best",
    title: "In the 90 % model confidence set",
    of: p => (p.confidence_set ? "✓ yes" : "no"),
  },
];

/** Finished backtests side by side: what differs in how they were ordered, then every figure of each. */
export function Compare({ app, jobs }: { app: App; jobs: readonly Job[] }) {
  const done = jobs.filter(j => j.state === "done");
  const rows: [string, (j: Job) => string][] = [
    ["Ordered", j => moment(ms(j.created))],
    ["Series", j => seriesNames(j.order.series, app.seriesList.value, 4)],
    ["Models", j => j.order.models.join(", ")],
    ["Burn-in", j => `${count(j.order.burn_in)} bars`],
    ["Refit every", j => `${count(j.order.refit)} bars`],
    ["Only the last", j => (j.order.last === 0 ? "all bars" : `${count(j.order.last)} bars`)],
    ["Bars walked", j => count(j.total)],
  ];
  return (
    <section class="panel result" aria-labelledby="compare-title">
      <h2 id="compare-title">
        Compared <small>{done.length} backtests side by side</small>
      </h2>
      {done.length < jobs.length && (
        <p class="muted">
          {jobs.length - done.length === 1
            ? "One that was chosen is"
            : `${jobs.length - done.length} that were chosen are`}{" "}
          not finished and left out.
        </p>
      )}
      {done.length === 0 ? (
        <p>Nothing to compare yet.</p>
      ) : (
        <>
          <section class="scroll" tabIndex={0} aria-label="How they were ordered">
            <table id="orders">
              <thead>
                <tr>
                  <td />
                  {done.map((j, i) => (
                    <th key={j.id} scope="col" class="text">
                      <b class="letter">{LETTERS[i]}</b>
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.map(([name, of]) => {
                  const cells = done.map(of);
                  const differs = new Set(cells).size > 1;
                  return (
                    <tr key={name} class={differs ? "" : "same"}>
                      <th scope="row" class="text">
                        {name} {differs && <span title="differs">≠</span>}
                      </th>
                      {done.map((j, i) => (
                        <td key={j.id} class="text wrap">
                          {cells[i]}
                        </td>
                      ))}
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </section>
          <FiguresTable jobs={done} />
          <p class="foot">
            Figures compare fairly where series and bars are the same; a line that differs is marked ≠. A CRPS
            ratio below 1 is better than naive.
          </p>
        </>
      )}
    </section>
  );
}

function FiguresTable({ jobs }: { jobs: readonly Job[] }) {
  const all = jobs.flatMap(j => j.pooled);
  const figures = FIGURES.filter(f => !f.many || jobs.some(j => j.order.series.length > 1));
  const horizons = [...new Set(all.map(p => p.horizon))].sort((a, b) => a - b);
  const models = [...new Set(all.map(p => p.model))];
  const cell = (j: Job, model: string, h: number): Pooled | undefined =>
    j.pooled.find(p => p.model === model && p.horizon === h);
  return (
    <section class="scroll" tabIndex={0} aria-label="Figures side by side">
      <table id="compared">
        <thead>
          <tr class="groups">
            <td />
            {figures.map(f => (
              <th key={f.name} scope="colgroup" colSpan={jobs.length} title={f.title} class="edge">
                {f.name}
              </th>
            ))}
          </tr>
          <tr>
            <th scope="col" class="text">
              Model
            </th>
            {figures.flatMap(f =>
              jobs.map((j, i) => (
                <th key={`${f.name} ${j.id}`} scope="col" class={i === 0 ? "edge" : ""}>
                  <b class="letter">{LETTERS[i]}</b>
                </th>
              )),
            )}
          </tr>
        </thead>
        {horizons.map(h => (
          <tbody key={h}>
            <tr class="band">
              <th scope="rowgroup" class="text" colSpan={1 + figures.length * jobs.length}>
                {horizonName(h)}
              </th>
            </tr>
            {models
              .filter(m => jobs.some(j => cell(j, m, h) !== undefined))
              .map(m => (
                <tr key={m} data-model={m} data-horizon={h}>
                  <th scope="row" class="text">
                    {m}
                  </th>
                  {figures.flatMap(f =>
                    jobs.map((j, i) => {
                      const p = cell(j, m, h);
                      return (
                        <td key={`${f.name} ${j.id}`} class={i === 0 ? "edge" : ""}>
                          {p === undefined ? "–" : f.of(p)}
                        </td>
                      );
                    }),
                  )}
                </tr>
              ))}
          </tbody>
        ))}
      </table>
    </section>
  );
}
