import { useId, useState } from "preact/hooks";

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
  /** What is said while there is nothing to choose from. */
  none?: string;
  shortcut?: { label: string; values: readonly string[] };
}

const SEARCHED = 12;

/** Several of a list: boxes to tick, with a filter when the list is long. */
export function Choice({ legend, options, chosen, pick, brief, none = "Loading…", shortcut }: ChoiceProps) {
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
        {shown.length === 0 && <li class="muted">{options.length === 0 ? none : "Nothing matches."}</li>}
      </ul>
    </fieldset>
  );
}

interface FieldProps {
  label: string;
  about: string;
  value: string;
  /** What counts when it is left empty. */
  placeholder?: string;
  /** What is wrong with it. */
  wrong?: string | undefined;
  kind?: "text" | "moment";
  min?: number;
  max?: number;
  set(value: string): void;
}

/** A number; several, or words, when it has no bounds; a date and time. */
export function Field({ label, about, value, placeholder, wrong, kind, min, max, set }: FieldProps) {
  const id = useId();
  const shape =
    kind === "moment"
      ? { type: "datetime-local" as const, step: 1 }
      : kind === "text"
        ? { autoCapitalize: "none" as const, spellcheck: false }
        : min === undefined
          ? { inputMode: "numeric" as const }
          : { type: "number" as const, min, ...(max === undefined ? {} : { max }) };
  return (
    <div class="field">
      <label for={id}>
        {label} <small>{about}</small>
      </label>
      <input
        id={id}
        {...shape}
        {...(placeholder === undefined ? {} : { placeholder })}
        value={value}
        {...(wrong ? { "aria-invalid": true, "aria-describedby": `${id}-wrong` } : {})}
        onInput={e => set(e.currentTarget.value)}
      />
      {wrong && (
        <span class="wrong" id={`${id}-wrong`} role="alert">
          {wrong}
        </span>
      )}
    </div>
  );
}
