import { useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import type { App } from "../state/app.ts";
import { Choice, Field } from "../ui/Form.tsx";
import { Segments } from "../ui/Picker.tsx";
import type { Desk } from "./desk.ts";
import { type Cell, type Draft, NUMBERS, place, read, type Wrong } from "./order.ts";

interface Props {
  app: App;
  desk: Desk;
  shown: boolean;
  show(open: boolean): void;
}

/** The form that orders a training. */
export function Train({ app, desk, shown, show }: Props) {
  return (
    <details class="panel order" open={shown} onToggle={e => show(e.currentTarget.open)}>
      <summary>
        <h2>Train a model</h2>
      </summary>
      {shown && <Form app={app} desk={desk} />}
    </details>
  );
}

function Form({ app, desk }: { app: App; desk: Desk }) {
  const list = app.seriesList.value;
  const intervals = [...new Map(list.map(s => [s.interval, s.interval_seconds]))].sort(
    ([, a], [, b]) => a - b,
  );
  const looked = list.find(s => s.id === app.view.value.series);
  const [interval, setInterval] = useState<string | null>(null);
  const [draft, setDraft] = useState<Omit<Draft, "series">>({
    cell: "lstm",
    name: "",
    until: "",
    numbers: {},
  });
  const [series, setSeries] = useState<readonly string[] | null>(null);
  const [wrong, setWrong] = useState<Wrong>({});
  const [sending, setSending] = useState(false);
  const chosenInterval = interval ?? looked?.interval ?? intervals[0]?.[0] ?? "";
  const offered = list.filter(s => s.interval === chosenInterval);
  const chosen = series ?? offered.filter(s => s.id === looked?.id).map(s => s.id);
  const set = (change: Partial<Draft>): void => setDraft({ ...draft, ...change });
  const more = NUMBERS.some(n => wrong[n.name]) || wrong.until !== undefined;
  const [open, setOpen] = useState(false);

  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    const found = read({ ...draft, series: chosen });
    if ("wrong" in found) return refuse(found.wrong);
    setWrong({});
    setSending(true);
    try {
      const job = await desk.train(found.order);
      app.look({ page: "models", ids: [job.id] });
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      if (e.status !== 401) refuse(place(e));
    } finally {
      setSending(false);
    }
  };
  const refuse = (w: Wrong): void => {
    setWrong(w);
    if (Object.keys(w).some(k => k !== "name" && k !== "series" && k !== "form")) setOpen(true);
  };

  return (
    <form class="order-form" noValidate onSubmit={e => void submit(e)}>
      <p class="muted">
        A network learns in the background, one training after another, while live forecasts go first. What
        comes out joins the race.
      </p>
      <Segments
        label="Cell"
        value={draft.cell}
        options={[
          { value: "lstm", label: "LSTM", title: "Long short-term memory" },
          { value: "gru", label: "GRU", title: "Gated recurrent unit" },
        ]}
        pick={cell => set({ cell: cell as Cell })}
      />
      <Segments
        label="Bars of"
        value={chosenInterval}
        options={intervals.map(([i]) => ({ value: i, label: i }))}
        pick={i => {
          setInterval(i);
          setSeries([]);
        }}
      />
      <div>
        <Choice
          key={chosenInterval}
          legend="Series"
          options={offered.map(s => ({
            value: s.id,
            name: `${s.instrument.symbol} ${s.interval}`,
            about: `${s.instrument.venue}${s.instrument.simulated ? ", simulated" : ""}`,
          }))}
          chosen={chosen}
          pick={setSeries}
          none={app.loading.value ? "Loading…" : "No series is stored."}
          brief
        />
        {wrong.series && (
          <p class="problem" role="alert">
            {wrong.series}
          </p>
        )}
      </div>
      <Field
        kind="text"
        label="Name"
        about="of the model that it becomes a version of"
        placeholder={draft.cell}
        value={draft.name}
        wrong={wrong.name}
        set={name => set({ name })}
      />
      <details open={open || more} onToggle={e => setOpen(e.currentTarget.open)}>
        <summary>Advanced: size, epochs, restarts, rate, seed</summary>
        <div class="numbers">
          {NUMBERS.map(n => (
            <Field
              key={n.name}
              label={n.label}
              about={n.about}
              placeholder={n.usual}
              value={draft.numbers[n.name] ?? ""}
              wrong={wrong[n.name]}
              set={v => set({ numbers: { ...draft.numbers, [n.name]: v } })}
            />
          ))}
        </div>
        <Field
          kind="moment"
          label="Until"
          about="bars that end later are left out; empty takes all"
          value={draft.until}
          wrong={wrong.until}
          set={until => set({ until })}
        />
      </details>
      {wrong.form && (
        <p class="problem" role="alert">
          {wrong.form}
        </p>
      )}
      <button type="submit" class="primary" disabled={sending}>
        {sending ? "Ordering…" : "Train"}
      </button>
    </form>
  );
}
