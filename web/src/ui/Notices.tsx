import type { App } from "../state/app.ts";
import { staleWords } from "./link.ts";
import { DataWarning } from "./Splits.tsx";

/** What must not be overlooked: simulated prices, a replay, an open door, an error. */
export function Notices({ app }: { app: App }) {
  const series = app.view.value.page === "live" ? app.series.value : null;
  const problem = app.problem.value;
  const { ready, reason } = app.ready.value;
  const stale = staleWords(app.feed.value, app.age.value, series?.interval_seconds ?? 60);
  return (
    <section class="notices" aria-label="Notices">
      {series?.instrument.simulated && (
        <p class="strip simulated">
          <b>Simulated prices.</b> No real market stands behind them.
        </p>
      )}
      {series?.mode === "replay" && (
        <p class="strip replay">
          <b>Replay of recorded data.</b> Times on the chart are those of the recording.
        </p>
      )}
      {series?.mode === "live" && stale !== "" && (
        <p class="strip warn" id="stale-input">
          <b>Stale input.</b> {stale}
        </p>
      )}
      {series !== null && <DataWarning app={app} series={series} />}
      {app.status.value?.insecure_public && (
        <p class="strip warn">
          <b>Open to everyone.</b> This server was started with --insecure-public: anyone who can reach it can
          read it, without a key.
        </p>
      )}
      {!ready && (
        <p class="strip bad" role="alert">
          <b>Not ready.</b> {reason}
        </p>
      )}
      {problem !== null && (
        <p class="strip bad" role="alert">
          <b>{problem.title}.</b> {problem.message === problem.title ? "" : `${problem.message} `}
          {problem.advice}{" "}
          <button type="button" onClick={() => void app.reload()}>
            Try again
          </button>{" "}
          <button
            type="button"
            onClick={() => {
              app.problem.value = null;
            }}
          >
            Dismiss
          </button>
        </p>
      )}
    </section>
  );
}
