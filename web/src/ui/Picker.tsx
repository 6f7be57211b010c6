interface Option {
  value: string;
  label: string;
  title?: string;
  /** What a screen reader says instead of a label that is only a sign or a number. */
  spoken?: string;
}

interface Props {
  label: string;
  options: Option[];
  value: string;
  pick(value: string): void;
}

/** A list to choose from. */
export function Select({ label, options, value, pick }: Props) {
  return (
    <label class="picker">
      <span>{label}</span>
      <select value={value} onChange={e => pick(e.currentTarget.value)}>
        {options.map(o => (
          <option key={o.value} value={o.value} title={o.title} selected={o.value === value}>
            {o.label}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A few choices side by side: radio buttons that look like one bar. */
export function Segments({
  label,
  options,
  value,
  pick,
  quiet,
  kind,
}: Props & { quiet?: boolean; kind?: string }) {
  const name = `pick-${label.replace(/\W+/g, "-").toLowerCase()}`;
  return (
    <fieldset class={`picker segments ${kind ?? ""}`}>
      <legend class={quiet ? "sr-only" : ""}>{label}</legend>
      <div class="bar">
        {options.map(o => (
          <label key={o.value} title={o.title}>
            <input
              type="radio"
              name={name}
              value={o.value}
              aria-label={o.spoken}
              checked={o.value === value}
              onChange={() => pick(o.value)}
            />
            <span>{o.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
