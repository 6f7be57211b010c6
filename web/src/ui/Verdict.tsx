import type { ModelAccuracy } from "../api/types.ts";
import type { App } from "../state/app.ts";

/** A sign for every verdict, so that colour is never alone. */
const SIGN: Record<string, string> = {
  not_judged_yet: "…",
  better_than_naive: "▲",
  no_skill: "=",
  worse_than_naive: "▼",
};

/** The model that every other is compared with. */
export const NAIVE = "naive";

/** A verdict in words, behind its sign. */
export function Words({ m }: { m: ModelAccuracy }) {
  return <Said model={m.model} code={m.verdict.code} text={m.verdict.text} />;
}

/** The same of parts; without a text the code is put into words. */
export function Said({ model, code, text }: { model: string; code: string; text?: string }) {
  if (model === NAIVE) return <>the yardstick itself</>;
  const words = text ?? (code === "no_skill" ? "no skill shown" : code.replaceAll("_", " "));
  return (
    <>
      <span aria-hidden="true">{SIGN[code] ?? "…"}</span> {words}
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
