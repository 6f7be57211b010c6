import type { Calibration, Series } from "../api/types.ts";
import { count, metric, share } from "../format/number.ts";
import { Bands, explained, type Kept } from "../plot/Bands.tsx";
import { Pit } from "../plot/Pit.tsx";
import { Reliability } from "../plot/Reliability.tsx";
import type { App } from "../state/app.ts";

/** With fewer outcomes than this a plot would show chance only. */
const FEW = 30;

const DAY = 86_400;

/** Law 6: whether the intervals of the chosen model mean what they say. */
export function CalibrationPanel({ app, series }: { app: App; series: Series }) {
  const c = app.slow.calibration.value;
  return (
    <section class="panel wide calibration" aria-labelledby="calibration-title" data-n={c?.n ?? 0}>
      <h2 id="calibration-title">
        Calibration{" "}
        {c !== null && (
          <small>
            {c.model}, {c.horizon === 1 ? "next bar" : `${c.horizon} bars ahead`}: do the intervals mean what
            they say?
          </small>
        )}
      </h2>
      {c === null ? (
        <p class="muted">Loading…</p>
      ) : c.n < FEW ? (
        <Few c={c} />
      ) : (
        <Plots c={c} daily={series.interval_seconds >= DAY} />
      )}
    </section>
  );
}

function Few({ c }: { c: Calibration }) {
  return (
    <p class="muted">
      {c.n === 0
        ? "No forecast of this model and horizon has met its outcome yet."
        : `${count(c.n)} of ${FEW} outcomes so far: too few to tell a promise kept from luck.`}{" "}
      Coverage is a long-run average; the plots begin with {FEW} outcomes.
    </p>
  );
}

/** "Promised 90 %, kept 89.6 % over 1,203", and what chance has to say about the difference. */
export function Promise90({ c }: { c: Calibration }) {
  const l = c.levels.find(l => Math.abs(l.level - 0.9) < 1e-9);
  if (l === undefined) return null;
  const kept: Kept = { name: "90 %", n: c.n, ...l };
  const e = explained(kept);
  return (
    <div class="promised">
      <p class="words">
        Promised {share(l.level, 0)}, kept {share(l.share)} <small>over {count(c.n)} forecasts</small>
      </p>
      <p>
        {e === false ? (
          <span class="miss">✕ {(l.share ?? 0) < l.level ? "Less" : "More"} than chance explains</span>
        ) : (
          <span class="hit">✓ Chance explains the difference</span>
        )}
        <span class="muted">
          : what was seen fits a promise of {share(l.low)} to {share(l.high)}. Interval score{" "}
          {metric(c.interval_score90)}, in 100 × log return; less is better.
        </span>
      </p>
    </div>
  );
}

function Plots({ c, daily }: { c: Calibration; daily: boolean }) {
  const levels: Kept[] = c.levels.map(l => ({ name: share(l.level, 0), n: c.n, ...l })).reverse();
  return (
    <>
      <Promise90 c={c} />
      <div class="plots">
        <Reliability probabilities={c.probabilities} reliability={c.reliability} />
        <Pit pit={c.pit} n={c.n} />
        <Bands
          title="Every interval"
          note="Share of outcomes inside each central interval."
          what="Interval"
          list={levels.map(k => ({ ...k, short: k.name.replace(" %", "") }))}
          height={230}
        />
        <Bands
          title="By volatility"
          note="90 % interval, where volatility was low, middle or high."
          what="Volatility"
          list={c.regimes.map(r => ({ ...r, short: `${r.name} · ${count(r.n)}` }))}
          height={190}
        />
        <Bands
          title={daily ? "By weekday" : "By time of day"}
          note={
            daily
              ? "90 % interval, by the day of its bar (UTC)."
              : "90 % interval, by the hour of its bar (UTC)."
          }
          what={daily ? "Weekday" : "Hour"}
          list={c.times.map(t => ({ ...t, short: daily ? t.name.slice(0, 3) : t.name }))}
          height={190}
          wide
        />
      </div>
      <p class="foot legend-line">
        <span class="swatch-promise">promised</span>
        <span class="swatch-dot">kept</span>
        <span class="swatch-chance">what chance explains (95 %)</span>
        <span class="swatch cross">more than chance explains</span>
        <span class="explain">
          Coverage is a long-run average: single stretches are off without anything being wrong, and of twenty
          bars one misses by luck. The bars take outcomes for independent; several bars ahead they overlap,
          and the bars are too narrow.
        </span>
      </p>
    </>
  );
}
