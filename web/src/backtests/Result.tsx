import { useEffect, useState } from "preact/hooks";
import { ApiError, api, reportAddress } from "../api/client.ts";
import { readKey } from "../api/key.ts";
import type { Job, Pooled, Report, Result as Row } from "../api/types.ts";
import { chance, count, fixed, metric, odds, share, signedShare } from "../format/number.ts";
import { moment, ms, utc } from "../format/time.ts";
import type { App } from "../state/app.ts";
import { active } from "../state/follow.ts";
import { NAIVE, Said } from "../ui/Verdict.tsx";
import type { Desk } from "./desk.ts";
import { Bar, Drop } from "./Jobs.tsx";
import { ahead, horizonName, progress, SIGN, seriesName, seriesNames } from "./words.ts";

/** One backtest: how it was ordered, how far it is, what it found. */
export function Result({ app, desk, job: j }: { app: App; desk: Desk; job: Job }) {
  const known = app.seriesList.value;
  const simulated = j.order.series.some(id => known.find(s => s.id === id)?.instrument.simulated);
  return (
    <section class="panel result" aria-labelledby="result-title" data-job={j.id} data-state={j.state}>
      <div class="head">
        <h2 id="result-title">
          Backtest of {seriesNames(j.order.series, known)}{" "}
          {simulated && <span class="badge simulated">SIMULATED</span>}{" "}
          <small title={utc(ms(j.created))}>ordered {moment(ms(j.created))}</small>
        </h2>
        <div class="buttons">
          {j.state === "done" && <Files id={j.id} />}
          <Drop
            desk={desk}
            job={j}
            done={() => app.look({ ids: app.view.value.ids.filter(id => id !== j.id) })}
          />
        </div>
      </div>
      <p class="muted">
        {j.order.models.join(", ")}; {ahead(j.order.horizons)}; burn-in {count(j.order.burn_in)} bars; refit
        every {count(j.order.refit)}
        {j.order.last > 0 && `; the last ${count(j.order.last)} bars`}.
      </p>
      <p class="sr-only" role="status">
        The backtest is {j.state}.
      </p>
      {active(j) && (
        <div class="going">
          <p class={`job-state ${j.state}`}>
            <span aria-hidden="true">{SIGN[j.state]}</span> {progress(j, desk.before(j))}
          </p>
          <Bar job={j} />
        </div>
      )}
      {j.state === "failed" && (
        <p class="problem">
          <span aria-hidden="true">✕</span> It failed: {j.error}
        </p>
      )}
      {j.state === "cancelled" && <p>It was cancelled before it was done. Nothing was kept of it.</p>}
      {j.state === "done" && <Figures app={app} desk={desk} job={j} />}
    </section>
  );
}

function Figures({ app, desk, job: j }: { app: App; desk: Desk; job: Job }) {
  useEffect(() => void desk.report(j.id), [desk, j.id]);
  const report = desk.reports.value.get(j.id);
  return (
    <>
      <PooledTable list={j.pooled} many={j.order.series.length > 1} />
      <details open={j.order.series.length === 1}>
        <summary>Series by series, with verdicts</summary>
        {report === undefined ? (
          <p class="muted">Loading…</p>
        ) : report instanceof ApiError ? (
          <p class="problem">{report.message}</p>
        ) : (
          <SeriesTable app={app} report={report} />
        )}
      </details>
    </>
  );
}

/** The horizons of a list, in its order. */
export const horizonsOf = (list: readonly { horizon: number }[]): number[] => [
  ...new Set(list.map(p => p.horizon)),
];

/** Whether a model was judged on other forecasts than naive: it abstained where naive did not. */
export const unequal = (list: readonly Pooled[], p: Pooled): boolean =>
  p.n !== list.find(x => x.model === NAIVE && x.horizon === p.horizon)?.n;

/** Over all series: one row a model, by horizon. */
function PooledTable({ list, many }: { list: readonly Pooled[]; many: boolean }) {
  return (
    <>
      <section class="scroll" tabIndex={0} aria-label="Figures over all series">
        <table id="pooled">
          <caption class="sr-only">Figures over all series, by horizon and model</caption>
          <thead>
            <tr class="groups">
              <td />
              <td />
              <th scope="colgroup" colSpan={many ? 4 : 2}>
                Against naive
              </th>
              <th scope="colgroup" colSpan={many ? 5 : 4}>
                90 % interval
              </th>
              <td />
            </tr>
            <tr>
              <th scope="col" class="text">
                Model
              </th>
              <th scope="col" title="Forecasts judged">
                n
              </th>
              <th
                scope="col"
                class="edge"
                title="Geometric mean over series of CRPS / naive's; below 1 is better"
              >
                CRPS ratio
              </th>
              {many && (
                <>
                  <th
                    scope="col"
                    title="Series with a lower CRPS than naive; significantly: Diebold-Mariano, 5 %"
                  >
                    Better (signif.)
                  </th>
                  <th scope="col" title="Series with a higher CRPS than naive, significantly">
                    Worse signif.
                  </th>
                </>
              )}
              <th
                scope="col"
                title="Series with a verdict in either direction, corrected for their number (e-BH at 5 %)"
              >
                Verdicts
              </th>
              <th scope="col" class="edge" title="Share of outcomes inside; 90 % is right">
                Coverage
              </th>
              <th scope="col" title="Coverage where volatility was low">
                low vol.
              </th>
              <th scope="col" title="Coverage where volatility was middling">
                middle
              </th>
              <th scope="col" title="Coverage where volatility was high">
                high
              </th>
              {many && (
                <th scope="col" title="Coverage of the single series that is furthest from 90 %">
                  Worst series
                </th>
              )}
              <th scope="col" class="edge text" title="90 % model confidence set: those that may be the best">
                May be best
              </th>
            </tr>
          </thead>
          {horizonsOf(list).map(h => (
            <tbody key={h}>
              <tr class="band">
                <th scope="rowgroup" class="text" colSpan={many ? 12 : 9}>
                  {horizonName(h)}
                </th>
              </tr>
              {list
                .filter(p => p.horizon === h)
                .map(p => (
                  <tr key={p.model} data-model={p.model} data-horizon={h}>
                    <th scope="row" class="text">
                      {p.model}
                    </th>
                    <td>
                      {count(p.n)}
                      {unequal(list, p) && " †"}
                    </td>
                    <td class="edge">{fixed(p.crps_ratio, 4)}</td>
                    {many && (
                      <>
                        <td>
                          {p.model === NAIVE
                            ? "–"
                            : `${count(p.better)} of ${count(p.series)} (${count(p.better_significant)})`}
                        </td>
                        <td>{p.model === NAIVE ? "–" : count(p.worse_significant)}</td>
                      </>
                    )}
                    <td>{p.model === NAIVE ? "–" : `${count(p.discoveries)} of ${count(p.series)}`}</td>
                    <td class="edge">{share(p.coverage90)}</td>
                    {p.coverage90_by_regime.map((c, i) => (
                      <td key={["low", "middle", "high"][i]}>{share(c)}</td>
                    ))}
                    {many && <td>{share(p.worst_coverage90)}</td>}
                    <td class="edge text">{p.confidence_set ? "✓ yes" : <span class="muted">no</span>}</td>
                  </tr>
                ))}
            </tbody>
          ))}
        </table>
      </section>
      <p class="foot">
        A CRPS ratio below 1 is better than naive. Verdicts count the series on which a difference from naive
        was shown, in either direction. Coverage is a long-run average.
        {list.some(p => unequal(list, p)) &&
          " † It abstained where naive did not, so that the two are not judged on the same bars."}
      </p>
    </>
  );
}

const rowKey = (r: Row): string => `${r.series} ${r.file} ${r.horizon} ${r.model}`;

/** Every series by itself, each row with its verdict. */
function SeriesTable({ app, report }: { app: App; report: Report }) {
  const skipped = report.series.filter(s => s.skipped);
  return (
    <>
      <section class="scroll tall-table" tabIndex={0} aria-label="Figures of every series">
        <table id="by-series">
          <thead>
            <tr>
              <th scope="col" class="text">
                Series
              </th>
              <th scope="col" class="text">
                Ahead
              </th>
              <th scope="col" class="text">
                Model
              </th>
              <th scope="col" class="text">
                Verdict
              </th>
              <th scope="col" title="1 - CRPS / naive's">
                Skill
              </th>
              <th scope="col" title="In 100 x log return; less is better">
                CRPS
              </th>
              <th scope="col">Coverage</th>
              <th scope="col">MASE</th>
              <th scope="col" title="Evidence that stays valid however often it is looked at">
                Evidence
              </th>
              <th scope="col" title="Diebold-Mariano, two-sided; for a length that was set beforehand">
                DM p
              </th>
              <th scope="col" title="Forecasts judged">
                n
              </th>
              <th scope="col" title="Origins without a forecast">
                Abstained
              </th>
            </tr>
          </thead>
          <tbody>
            {report.results.map(r => (
              <tr key={rowKey(r)}>
                <th scope="row" class="text">
                  {seriesName(r.series, app.seriesList.value)}
                </th>
                <td class="text">+{r.horizon}</td>
                <td class="text">{r.model}</td>
                <td class={`text ${r.model === NAIVE ? "muted" : r.verdict}`}>
                  <Said model={r.model} code={r.verdict} />
                </td>
                <td>{signedShare(r.skill)}</td>
                <td>{metric(r.crps)}</td>
                <td>{share(r.coverage90)}</td>
                <td>{fixed(r.mase, 3)}</td>
                <td>{r.model === NAIVE ? "–" : odds(r.e_value)}</td>
                <td>{chance(r.dm_p)}</td>
                <td>{count(r.n)}</td>
                <td>{count(r.abstained)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {skipped.map(s => (
        <p key={`${s.series}${s.file}`} class="muted">
          {s.series} was not walked: {s.skipped}
        </p>
      ))}
    </>
  );
}

/** The report as a page and the figures as a file. A link carries no key: with one, the page fetches. */
export function Files({ id }: { id: string }) {
  const [problem, setProblem] = useState("");
  const name = `foretick-${id}.json`;
  if (readKey() === "") {
    return (
      <>
        <a class="button" href={reportAddress(id, "page")} target="_blank" rel="noopener">
          Open report ↗
        </a>
        <a class="button" href={reportAddress(id, "figures")} download={name}>
          Download JSON
        </a>
      </>
    );
  }
  const fetched = async (as: "page" | "figures", use: (url: string) => void): Promise<void> => {
    setProblem("");
    try {
      const url = URL.createObjectURL(await api.reportBlob(id, as));
      use(url);
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (e) {
      setProblem(e instanceof ApiError ? e.message : String(e));
    }
  };
  // The window is opened by the click itself: later, a browser would take it for an advertisement.
  const open = (): void => {
    const tab = window.open("", "_blank");
    void fetched("page", url => {
      if (tab === null) location.assign(url);
      else tab.location.replace(url);
    });
  };
  const save = (): void =>
    void fetched("figures", url => {
      const a = document.createElement("a");
      a.href = url;
      a.download = name;
      a.click();
    });
  return (
    <>
      <button type="button" onClick={open}>
        Open report ↗
      </button>
      <button type="button" onClick={save}>
        Download JSON
      </button>
      {problem !== "" && (
        <span class="problem" role="alert">
          {problem}
        </span>
      )}
    </>
  );
}
