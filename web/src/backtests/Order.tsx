import { useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import type { BacktestOrder } from "../api/types.ts";
import type { App } from "../state/app.ts";
import { Choice, Field } from "../ui/Form.tsx";
import { NAIVE } from "../ui/Verdict.tsx";
import type { Desk } from "./desk.ts";
import { readHorizons } from "./words.ts";

interface Props {
  app: App;
  desk: Desk;
  /** Whether the form is unfolded at first. */
  open: boolean;
}

/** The form that orders a backtest. */
export function Order({ app, desk, open }: Props) {
  const [shown, setShown] = useState(open);
  return (
    <details class="panel order" open={shown} onToggle={e => setShown(e.currentTarget.open)}>
      <summary>
        <h2>Order a backtest</h2>
      </summary>
      {shown && <Form app={app} desk={desk} />}
    </details>
  );
}

function Form({ app, desk }: { app: App; desk: Desk }) {
  const list = app.seriesList.value;
  const race = app.series.value?.models.map(m => m.name) ?? [];
  const [series, setSeries] = useState<readonly string[] | null>(null);
  const [models, setModels] = useState<readonly string[] | null>(null);
  const [numbers, setNumbers] = useState({ burnIn: "500", refit: "20", horizons: "1, 5", last: "" });
  const [problem, setProblem] = useState("");
  const [sending, setSending] = useState(false);
  const chosenSeries = series ?? (app.view.value.series === "" ? [] : [app.view.value.series]);
  const chosenModels = models ?? race;
  const set = (change: Partial<typeof numbers>): void => setNumbers({ ...numbers, ...change });

  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    const horizons = readHorizons(numbers.horizons);
    if (chosenSeries.length === 0) return setProblem("Choose at least one series.");
    if (horizons === null) return setProblem("Bars ahead are whole numbers above 0, such as 1, 5.");
    const order: BacktestOrder = {
      series: [...chosenSeries],
      models: [NAIVE, ...chosenModels.filter(m => m !== NAIVE)],
      burn_in: Number(numbers.burnIn),
      refit: Number(numbers.refit),
      horizons,
      last: Number(numbers.last),
    };
    setProblem("");
    setSending(true);
    try {
      const job = await desk.order(order);
      app.look({ page: "backtests", ids: [job.id] });
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      if (e.status !== 401) setProblem(e.status === 403 ? `${e.message}. ${e.advice}` : e.message);
    } finally {
      setSending(false);
    }
  };

  return (
    <form class="order-form" onSubmit={e => void submit(e)}>
      <Choice
        legend="Series"
        options={list.map(s => ({
          value: s.id,
          name: `${s.instrument.symbol} ${s.interval}`,
          about: `${s.instrument.venue}${s.instrument.simulated ? ", simulated" : ""}`,
        }))}
        chosen={chosenSeries}
        pick={setSeries}
        brief
      />
      <Choice
        legend="Models"
        options={desk.models.value.map(m => ({
          value: m.name,
          name: m.name,
          about: m.name === NAIVE ? `Always in the race. ${m.description}` : m.description,
          fixed: m.name === NAIVE,
        }))}
        chosen={[NAIVE, ...chosenModels]}
        pick={setModels}
        shortcut={{ label: "Those of the live race", values: race }}
      />
      <div class="numbers">
        <Field
          label="Burn-in"
          about="bars, to learn from first"
          value={numbers.burnIn}
          min={0}
          max={1_000_000}
          set={burnIn => set({ burnIn })}
        />
        <Field
          label="Refit every"
          about="bars, all models"
          value={numbers.refit}
          min={0}
          max={1_000_000}
          set={refit => set({ refit })}
        />
        <Field
          label="Bars ahead"
          about="one horizon or several"
          value={numbers.horizons}
          set={horizons => set({ horizons })}
        />
        <Field
          label="Only the last"
          about="bars; empty is all"
          value={numbers.last}
          min={0}
          set={last => set({ last })}
        />
      </div>
      {problem !== "" && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" class="primary" disabled={sending}>
        {sending ? "Ordering…" : "Order"}
      </button>
    </form>
  );
}
