import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ModelAccuracy } from "../api/types.ts";
import { chance, count, metric, odds } from "../format/number.ts";
import type { App } from "../state/app.ts";
import { Words } from "./Verdict.tsx";

/** The numbers behind a verdict, and why one may look at them as often as one likes. */
export function EvidenceDialog({ app }: { app: App }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const model = app.weighed.value;
  const m = app.accuracy.value?.models.find(x => x.model === model);
  const { horizon } = app.view.value;
  const shown = m !== undefined;
  useEffect(() => {
    if (shown && !dialog.current?.open) dialog.current?.showModal();
  }, [shown]);
  if (m === undefined) return null;
  return (
    <dialog
      ref={dialog}
      class="dialog evidence"
      aria-labelledby="evidence-title"
      onClose={() => {
        app.weighed.value = null;
      }}
    >
      <div class="head">
        <h2 id="evidence-title">
          Evidence{" "}
          <small>
            {m.model} against naive, {horizon === 1 ? "next bar" : `${horizon} bars ahead`}
          </small>
        </h2>
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
      <div class="verdict">
        <p class={`words ${m.verdict.code}`}>
          <Words m={m} />
        </p>
        <p class="why">{m.verdict.why}</p>
      </div>
      <Facts m={m} />
      <h3>Why looking often is fine</h3>
      <p>
        The evidence is the wealth of a bettor who starts with 1 and, before each outcome, stakes some of it
        on the model being better than naive, or worse. Were there nothing to win, the chance that this wealth{" "}
        <em>ever</em> reaches 20 would be at most 1 in 20, however often one looks and whenever one stops. An
        ordinary p-value keeps its promise for a single look only.
      </p>
    </dialog>
  );
}

function Facts({ m }: { m: ModelAccuracy }) {
  const e = m.verdict.evidence;
  return (
    <dl class="facts">
      <Fact name="Evidence now" large>
        {odds(e.e_value)}
      </Fact>
      <Fact name="Highest so far">{odds(e.peak)}</Fact>
      <Fact name="p-value, valid at any time">{chance(e.p)}</Fact>
      <Fact name="Scores weighed" title="targets that do not overlap">
        {count(e.n)}
      </Fact>
      <Fact name="Mean gain in CRPS over naive" title="in 100 × log return">
        {e.mean_gain > 0 ? "+" : ""}
        {metric(e.mean_gain)}
      </Fact>
      <Fact name="The bet on “better”" title="its wealth">
        {odds(e.better)}
      </Fact>
      <Fact name="The bet on “worse”" title="its wealth">
        {odds(e.worse)}
      </Fact>
      <Fact name="On the mean gain alone" title="a weaker claim that needs more data">
        {odds(e.weak)}
      </Fact>
    </dl>
  );
}

interface FactProps {
  name: string;
  title?: string;
  large?: boolean;
  children: ComponentChildren;
}

function Fact({ name, title, large, children }: FactProps) {
  return (
    <div class={large ? "large" : ""}>
      <dt>
        {name}
        {title !== undefined && <small>, {title}</small>}
      </dt>
      <dd>{children}</dd>
    </div>
  );
}
