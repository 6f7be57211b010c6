import type { App } from "../state/app.ts";

const SIGN: Record<string, string> = {
  not_judged_yet: "…",
  better_than_naive: "▲",
  no_skill: "=",
  worse_than_naive: "▼",
};

/** Law 5 in words. */
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
            <span aria-hidden="true">{SIGN[m.verdict.code] ?? "…"}</span> {m.verdict.text}
          </p>
          <p class="why">{m.verdict.why}</p>
        </>
      )}
    </section>
  );
}
