import { useState } from "preact/hooks";
import type { Model, Series, WindowName } from "../api/types.ts";
import { count, fixed, metric, share, signedShare, size } from "../format/number.ts";
import type { App } from "../state/app.ts";
import { windowName } from "./Accuracy.tsx";
import { GoModel } from "./Go.tsx";
import { Select } from "./Picker.tsx";
import { NAIVE, Words } from "./Verdict.tsx";

const WINDOWS: WindowName[] = ["all", "last_day", "last_6_hours", "last_hour", "last_10"];

/** The champion leads every list of models; the others stay as the server has them. */
export function championFirst<T extends Pick<Model, "champion">>(list: readonly T[]): T[] {
  return [...list.filter(m => m.champion), ...list.filter(m => !m.champion)];
}

/** All models of the series at the chosen horizon with their verdicts, naive among them. */
export function Models({ app, series }: { app: App; series: Series }) {
  const [window, setWindow] = useState<WindowName>("all");
  const list = championFirst(app.accuracy.value?.models ?? []);
  const scale = series.instrument.price_scale;
  const chosen = app.view.value.model;
  return (
    <section class="panel" aria-labelledby="models-title">
      <div class="head">
        <h2 id="models-title">
          Models{" "}
          <small>{app.view.value.horizon === 1 ? "next bar" : `${app.view.value.horizon} bars ahead`}</small>
        </h2>
        <Select
          label="Window"
          value={window}
          options={WINDOWS.map(w => ({ value: w, label: windowName(w) }))}
          pick={w => setWindow(w as WindowName)}
        />
      </div>
      <section class="scroll" tabIndex={0} aria-label="Models compared">
        <table id="models">
          <caption class="sr-only">Models compared, window {windowName(window)}</caption>
          <thead>
            <tr>
              <th scope="col" class="text">
                Model
              </th>
              <th scope="col" class="text">
                Verdict
              </th>
              <th scope="col" title="1 - CRPS(model) / CRPS(naive); above zero is better than naive">
                Skill
              </th>
              <th
                scope="col"
                title="Continuous ranked probability score, in 100 x log return; less is better"
              >
                CRPS
              </th>
              <th scope="col" title="Share of outcomes inside the 90 % interval; 90 % is right">
                Coverage
              </th>
              <th scope="col">n</th>
              <th scope="col">MAE</th>
              <th scope="col">RMSE</th>
              <th scope="col">MASE</th>
              <th scope="col">Direction</th>
            </tr>
          </thead>
          <tbody>
            {list.map(m => {
              const w = m.windows.find(w => w.window === window);
              const about = series.models.find(x => x.name === m.model)?.description ?? "";
              return (
                <tr key={m.model} class={m.model === chosen ? "chosen" : ""} data-model={m.model}>
                  <th scope="row" class="text" title={about}>
                    <button
                      type="button"
                      class="link"
                      aria-pressed={m.model === chosen}
                      onClick={() => app.look({ model: m.model })}
                    >
                      {m.model}
                    </button>
                    {m.champion && <span class="tag">champion</span>}
                    {app.stored.value.has(m.model) && (
                      <GoModel
                        app={app}
                        id={m.model}
                        class="tag quiet"
                        title="A stored model: what it is and how it learnt"
                      >
                        stored
                      </GoModel>
                    )}
                  </th>
                  <td class="text">
                    {m.model === NAIVE ? (
                      <span class="muted">
                        <Words m={m} />
                      </span>
                    ) : (
                      <button
                        type="button"
                        class={`link verdict-words ${m.verdict.code}`}
                        title={`${m.verdict.why} Click for the evidence.`}
                        onClick={() => {
                          app.weighed.value = m.model;
                        }}
                      >
                        <Words m={m} />
                      </button>
                    )}
                  </td>
                  <td>{signedShare(w?.skill)}</td>
                  <td>{metric(w?.crps)}</td>
                  <td>{share(w?.coverage90)}</td>
                  <td>{count(w?.n ?? 0)}</td>
                  <td>{size(w?.mae, scale)}</td>
                  <td>{size(w?.rmse, scale)}</td>
                  <td>{fixed(w?.mase, 3)}</td>
                  <td>{share(w?.direction_hit_rate)}</td>
                </tr>
              );
            })}
            {list.length === 0 && (
              <tr>
                <td colSpan={10} class="text muted">
                  {app.loading.value ? "Loading…" : "No model has been judged yet."}
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </section>
    </section>
  );
}
