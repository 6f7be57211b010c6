import type { Series } from "../api/types.ts";
import { count, share } from "../format/number.ts";
import { barTime } from "../format/time.ts";
import { Stack } from "../plot/Stack.tsx";
import type { App } from "../state/app.ts";

/** The weights of the experts in a combined forecast, now and before. */
export function MadeOf({ app, series }: { app: App; series: Series }) {
  const mix = app.slow.mix.value;
  const name = mix?.model ?? app.combined.value;
  const last = mix?.points[mix.points.length - 1];
  return (
    <section
      class="panel made-of"
      aria-labelledby="made-of-title"
      data-points={mix?.points.length ?? 0}
      data-last={last?.t ?? 0}
    >
      <h2 id="made-of-title">
        What {name} is made of{" "}
        {mix !== null && (
          <small>{mix.horizon === 1 ? "next bar" : `${mix.horizon} bars ahead`}, the newest forecast</small>
        )}
      </h2>
      {mix === null ? (
        <p class="muted">Loading…</p>
      ) : last === undefined || mix.experts.length === 0 ? (
        <p class="muted">{name} has not combined any forecasts yet.</p>
      ) : (
        <div class="parts">
          <ul class="shares" aria-label={`What ${name} is made of now`}>
            {mix.experts.map((expert, i) => (
              <li key={expert}>
                <span class={`tint tint${i % 3}`} aria-hidden="true" />
                <span class="expert">{expert}</span>
                <b>{share(last.weights[i])}</b>
              </li>
            ))}
          </ul>
          {mix.points.length > 1 && (
            <Stack
              title="Weights over time"
              note={`The last ${count(mix.points.length)} forecasts: who does well gains weight.`}
              desc={`Now ${mix.experts.map((e, i) => `${e} ${share(last.weights[i])}`).join(", ")}.`}
              names={mix.experts}
              slices={mix.points.map(p => ({
                name: barTime(p.t, series.interval_seconds, last.t),
                parts: p.weights,
              }))}
              rows={20}
              height={160}
            />
          )}
        </div>
      )}
    </section>
  );
}
