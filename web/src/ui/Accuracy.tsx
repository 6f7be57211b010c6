import type { Series, Spread, Window, WindowName } from "../api/types.ts";
import {
  count,
  difference,
  fixed,
  metric,
  percent,
  price,
  share,
  signedShare,
  size,
} from "../format/number.ts";
import { moment, ms, utc } from "../format/time.ts";
import type { App } from "../state/app.ts";
import type { Units } from "../state/url.ts";
import { Segments } from "./Picker.tsx";

const ROWS: [WindowName, string][] = [
  ["last", "Last"],
  ["last_10", "Last 10"],
  ["last_hour", "Last hour"],
  ["last_6_hours", "Last 6 hours"],
  ["last_day", "Last day"],
  ["all", "All"],
];

/** The words of a window. */
export const windowName = (w: WindowName): string => ROWS.find(([id]) => id === w)?.[1] ?? w;

/** A spread's values in the chosen units; absolute errors have no sign. */
export function spreadCell(w: Window, of: keyof Spread, units: Units, scale: number): string {
  if (units === "percent") return percent(w.percent_error[of]).replace(" %", "");
  if (units === "absolute") return size(w.absolute_error[of], scale);
  return difference(w.error[of], scale);
}

const UNIT: Record<Units, string> = {
  price: "actual minus predicted, in price",
  percent: "actual minus predicted, in % of predicted",
  absolute: "size of the error, in price",
};

/** The accuracy table: the original's four columns, the modern ones, and naive's beside them. */
export function AccuracyTable({ app, series }: { app: App; series: Series }) {
  const { units, model, horizon } = app.view.value;
  const m = app.model.value;
  const scale = series.instrument.price_scale;
  const at = app.accuracy.value?.as_of;
  const rows = ROWS.map(([id, label]) => ({ id, label, w: m?.windows.find(w => w.window === id) }));
  const late = m?.windows.find(w => w.window === "all")?.late ?? 0;
  const approximate = m?.windows.some(w => w.median_approximate) ?? false;
  return (
    <section class="panel wide" aria-labelledby="accuracy-title">
      <div class="head">
        <h2 id="accuracy-title">
          Accuracy{" "}
          <small>
            {model}, {horizon === 1 ? "next bar" : `${horizon} bars ahead`}
            {at != null && <span title={utc(ms(at))}>, up to the bar of {moment(ms(at))}</span>}
          </small>
        </h2>
        <Segments
          label="Show error in"
          value={units}
          options={[
            { value: "price", label: "Price", title: UNIT.price },
            { value: "percent", label: "Percent", title: UNIT.percent },
            { value: "absolute", label: "Absolute", title: UNIT.absolute },
          ]}
          pick={u => app.show({ units: u as Units })}
        />
      </div>
      <section class="scroll" tabIndex={0} aria-label="Accuracy by window">
        <table class="accuracy" id="accuracy">
          <caption class="sr-only">
            How wrong {model} was, by window of time. Errors are {UNIT[units]}.
          </caption>
          <thead>
            <tr class="groups">
              <td />
              <td />
              <th scope="colgroup" colSpan={4}>
                Error ({units === "percent" ? "%" : "price"})
              </th>
              <th scope="colgroup" colSpan={2}>
                MAE
              </th>
              <th scope="colgroup" colSpan={4}>
                Point
              </th>
              <th scope="colgroup" colSpan={2}>
                90 % interval
              </th>
              <th scope="colgroup" colSpan={2}>
                CRPS
              </th>
              <td />
            </tr>
            <tr>
              <th scope="col" class="text">
                Window
              </th>
              <Head title="Forecasts that have met their outcome">n</Head>
              <Head title="Mean error">Mean</Head>
              <Head title="Median error">Median</Head>
              <Head title="Largest error">Max</Head>
              <Head title="Smallest error">Min</Head>
              <Head title="Mean absolute error of this model, in price">Model</Head>
              <Head title="Mean absolute error of naive on the same targets">Naive</Head>
              <Head title="Root mean squared error, in price">RMSE</Head>
              <Head title="Mean absolute percentage error">MAPE</Head>
              <Head title="Mean absolute scaled error: below 1 beats the average one-bar change">MASE</Head>
              <Head title="How often the direction was right">Direction</Head>
              <Head title="Share of outcomes inside the 90 % interval; 90 % is right">Coverage</Head>
              <Head title="Mean width of the 90 % interval, in price">Width</Head>
              <Head title="Continuous ranked probability score of this model, in 100 x log return; less is better">
                Model
              </Head>
              <Head title="CRPS of naive on the same targets">Naive</Head>
              <Head title="1 - CRPS(model) / CRPS(naive); above zero is better than naive">Skill</Head>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ id, label, w }) => (
              <tr key={id} data-window={id}>
                <th scope="row" class="text">
                  {label}
                </th>
                {w === undefined ? (
                  <td colSpan={16} class="text muted">
                    {app.accuracy.value === null ? "Loading…" : "Nothing judged yet"}
                  </td>
                ) : (
                  <Cells w={w} units={units} scale={scale} />
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <p class="foot">
        Coverage is a long-run average, shown with the number of forecasts it rests on. CRPS is in 100 × log
        return.
        {approximate && " Medians marked ≈ are approximate."}
        {late > 0 && ` ${count(late)} of all forecasts were sealed late.`}
      </p>
    </section>
  );
}

function Head({ title, children }: { title: string; children: string }) {
  return (
    <th scope="col" title={title}>
      {children}
    </th>
  );
}

function Cells({ w, units, scale }: { w: Window; units: Units; scale: number }) {
  const spread = (of: keyof Spread): string => spreadCell(w, of, units, scale);
  return (
    <>
      <td data-col="n">{count(w.n)}</td>
      <td data-col="mean">{spread("mean")}</td>
      <td data-col="median">
        {w.median_approximate && w.n > 0 ? "≈ " : ""}
        {spread("median")}
      </td>
      <td data-col="max">{spread("max")}</td>
      <td data-col="min">{spread("min")}</td>
      <td data-col="mae" class="edge">
        {size(w.mae, scale)}
      </td>
      <td data-col="naive-mae" class="naive">
        {size(w.naive.mae, scale)}
      </td>
      <td data-col="rmse" class="edge">
        {size(w.rmse, scale)}
      </td>
      <td data-col="mape">{w.mape === null ? "–" : `${fixed(w.mape, 3)} %`}</td>
      <td data-col="mase">{fixed(w.mase, 3)}</td>
      <td data-col="direction">{share(w.direction_hit_rate)}</td>
      <td data-col="coverage" class="edge">
        {share(w.coverage90)} {w.n > 0 && <span class="muted">({count(w.n)})</span>}
      </td>
      <td data-col="width">{price(w.width90, Math.min(scale + 1, 12))}</td>
      <td data-col="crps" class="edge">
        {metric(w.crps)}
      </td>
      <td data-col="naive-crps" class="naive">
        {metric(w.naive.crps)}
      </td>
      <td data-col="skill" class="edge">
        {signedShare(w.skill)}
      </td>
    </>
  );
}
