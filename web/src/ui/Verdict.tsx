import type { ModelAccuracy } from "../api/types.ts";
import type { App } from "../state/app.ts";

const SIGN: Record<string, string> = {
  not_judged_yet: "…",
  better_than_naive: "▲",
  no_skill: "=",
  worse_than_naive: "▼",
};

/** The model that every other is compared with. */
export const NAIVE = "naive";

/** A verdict in words behind a sign, so that colour is never alone. */
export function Words({ m }: { m: ModelAccuracy }) {
  if (m.model === NAIVE) return <>the yardstick itself</>;
  return (
    <>
      <span aria-hidden="true">{SIGN[m.verdict.code] ?? "…"}</span> {m.verdict.text}
    </>
  );
}

/** Law 5 in words; the numbers behind them are one click away. */
export function Verdict({ app }: { app: App }) {
  const m = app.model.value;
  return (
    <section class="panel verdict" aria-labelledby="verdict-title">
      <h2 id="verdict-title">
        Verdict <small>against “the price stays where it is”</small>
      </h2>
      {m === null ? (
        <p class="muted">{app.loading.value ? "Loading…" : "No accuracy is known for this model yet."}</p>
      ) : (
        <>
          <p class={`words ${m.verdict.code}`}>
            <Words m={m} />
          </p>
          <p class="why">{m.verdict.why}</p>
          {m.model !== NAIVE && (
            <button
              type="button"
              class="link"
              onClick={() => {
                app.weighed.value = m.model;
              }}
            >
              Show the evidence
            </button>
          )}
        </>
      )}
    </section>
  );
}
