import { age, moment, ms, utc } from "../format/time.ts";
import type { App } from "../state/app.ts";
import type { PageName, Theme } from "../state/url.ts";
import { Go } from "./Go.tsx";
import { Mark } from "./Mark.tsx";
import { championFirst } from "./Models.tsx";
import { Segments, Select } from "./Picker.tsx";

const PAGES: [PageName, string][] = [
  ["live", "Live"],
  ["backtests", "Backtests"],
  ["models", "Models"],
];

/** What is looked at, and how the page stands to its data. */
export function Header({ app }: { app: App }) {
  const live = app.view.value.page === "live";
  const series = live ? app.series.value : null;
  return (
    <header class="top">
      <a class="brand" href="/">
        <Mark />
        <span>Foretick</span>
      </a>
      <nav class="pages" aria-label="Pages">
        {PAGES.map(([page, name]) => (
          <Go
            key={page}
            app={app}
            to={{ page, ids: [] }}
            current={app.view.value.page === page ? "page" : undefined}
          >
            {name}
          </Go>
        ))}
      </nav>
      {series !== null && (
        <>
          <Instruments app={app} />
          <Intervals app={app} />
          <Select
            label="Model"
            value={app.view.value.model}
            options={championFirst(series.models).map(m => ({
              value: m.name,
              label: m.champion ? `${m.name} ★` : m.name,
              title: m.description,
            }))}
            pick={model => app.look({ model })}
          />
          <Horizons app={app} />
        </>
      )}
      <div class="state">
        {series?.instrument.simulated && <span class="badge simulated">SIMULATED</span>}
        {series?.mode === "replay" && <span class="badge replay">REPLAY</span>}
        {live && <ConnectionLight app={app} />}
        <Segments
          label="Theme"
          quiet
          value={app.view.value.theme}
          options={[
            { value: "auto", label: "◐", title: "Theme: as the system", spoken: "As the system" },
            { value: "light", label: "☀", title: "Theme: light", spoken: "Light" },
            { value: "dark", label: "☾", title: "Theme: dark", spoken: "Dark" },
          ]}
          pick={theme => app.show({ theme: theme as Theme })}
        />
      </div>
    </header>
  );
}

function Instruments({ app }: { app: App }) {
  const series = app.series.value;
  if (series === null) return null;
  const keys = new Map<string, string>();
  for (const s of app.seriesList.value) {
    keys.set(
      `${s.instrument.venue}:${s.instrument.symbol}`,
      `${s.instrument.symbol} · ${s.instrument.venue}`,
    );
  }
  const pick = (key: string): void => {
    const list = app.seriesList.value.filter(s => `${s.instrument.venue}:${s.instrument.symbol}` === key);
    const to = list.find(s => s.interval === series.interval) ?? list.find(s => s.base) ?? list[0];
    if (to !== undefined) app.look({ series: to.id });
  };
  return (
    <Select
      label="Symbol"
      value={`${series.instrument.venue}:${series.instrument.symbol}`}
      options={[...keys].map(([value, label]) => ({ value, label }))}
      pick={pick}
    />
  );
}

function Intervals({ app }: { app: App }) {
  return (
    <Segments
      label="Interval"
      value={app.view.value.series}
      options={app.siblings.value.map(s => ({ value: s.id, label: s.interval }))}
      pick={id => app.look({ series: id })}
    />
  );
}

function Horizons({ app }: { app: App }) {
  const h = app.series.value?.horizons ?? 1;
  const options = Array.from({ length: h }, (_, i) => ({
    value: String(i + 1),
    label: String(i + 1),
    title: i === 0 ? "The next bar" : `${i + 1} bars ahead`,
    spoken: i === 0 ? "1 bar ahead" : `${i + 1} bars ahead`,
  }));
  const props = {
    label: "Bars ahead",
    value: String(app.view.value.horizon),
    options,
    pick: (v: string) => app.look({ horizon: Number(v) }),
  };
  return h > 8 ? <Select {...props} /> : <Segments {...props} kind="ahead" />;
}

/** A light, its word, and how old the last data is. */
function ConnectionLight({ app }: { app: App }) {
  const { word, tone, why } = app.light.value;
  const old = app.age.value;
  const last = app.feed.value?.last_data;
  const title = last == null ? why : `${why} Last data ${moment(ms(last))} (${utc(ms(last))}).`;
  return (
    <span class={`light ${tone}`} title={title}>
      <span class="dot" aria-hidden="true" />
      <span role="status">{word}</span>
      {old !== null && <span class="age">{age(old)}</span>}
    </span>
  );
}
