import { useId, useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import type { BacktestOrder } from "../api/types.ts";
import type { App } from "../state/app.ts";
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

interface Option {
  value: string;
  name: string;
  about: string;
  fixed?: boolean;
}

interface ChoiceProps {
  legend: string;
  options: Option[];
  chosen: readonly string[];
  pick(values: string[]): void;
  brief?: boolean;
  shortcut?: { label: string; values: readonly string[] };
}

const SEARCHED = 12;

/** Several of a list: boxes to tick, with a filter when the list is long. */
function Choice({ legend, options, chosen, pick, brief, shortcut }: ChoiceProps) {
  const [filter, setFilter] = useState("");
  const set = new Set(chosen);
  const want = filter.trim().toLowerCase();
  const shown = options.filter(
    o => want === "" || `${o.value} ${o.name} ${o.about}`.toLowerCase().includes(want),
  );
  const toggle = (value: string): void => {
    const next = new Set(set);
    if (!next.delete(value)) next.add(value);
    pick([...next]);
  };
  const picked = options.filter(o => set.has(o.value)).length;
  return (
    <fieldset class="choice">
      <legend>
        {legend} <small>{picked} chosen</small>
      </legend>
      <p class="quick">
        {shortcut !== undefined && (
          <button type="button" class="link" onClick={() => pick([...shortcut.values])}>
            {shortcut.label}
          </button>
        )}
        {options.length > 1 && (
          <button type="button" class="link" onClick={() => pick(shown.map(o => o.value))}>
            {want === "" ? "All" : "All that match"}
          </button>
        )}
        {options.length > 1 && shortcut === undefined && (
          <button type="button" class="link" onClick={() => pick([])}>
            None
          </button>
        )}
        {options.length > SEARCHED && (
          <input
            type="search"
            placeholder="Filter"
            aria-label={`Filter ${legend.toLowerCase()}`}
            value={filter}
            onInput={e => setFilter(e.currentTarget.value)}
          />
        )}
      </p>
      <ul class={brief ? "options brief" : "options"}>
        {shown.map(o => (
          <li key={o.value}>
            <label>
              <input
                type="checkbox"
                value={o.value}
                checked={set.has(o.value)}
                disabled={o.fixed}
                onChange={() => toggle(o.value)}
              />
              <span>
                <b>{o.name}</b> <small>{o.about}</small>
              </span>
            </label>
          </li>
        ))}
        {shown.length === 0 && (
          <li class="muted">{options.length === 0 ? "Loading…" : "Nothing matches."}</li>
        )}
      </ul>
    </fieldset>
  );
}

interface FieldProps {
  label: string;
  about: string;
  value: string;
  min?: number;
  max?: number;
  set(value: string): void;
}

/** A number, or several when it has no bounds. */
function Field({ label, about, value, min, max, set }: FieldProps) {
  const id = useId();
  const input = (e: InputEvent & { currentTarget: HTMLInputElement }): void => set(e.currentTarget.value);
  return (
    <div class="field">
      <label for={id}>
        {label} <small>{about}</small>
      </label>
      {min === undefined ? (
        <input id={id} inputMode="numeric" value={value} onInput={input} />
      ) : (
        <input
          id={id}
          type="number"
          min={min}
          {...(max === undefined ? {} : { max })}
          value={value}
          onInput={input}
        />
      )}
    </div>
  );
}
