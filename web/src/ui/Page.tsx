import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Series } from "../api/types.ts";
import { Chart } from "../chart/Chart.tsx";
import type { App } from "../state/app.ts";
import type { PageName } from "../state/url.ts";
import { AccuracyTable } from "./Accuracy.tsx";
import { CalibrationPanel } from "./Calibration.tsx";
import { ForgetKey, Inspector, KeyPrompt } from "./Dialogs.tsx";
import { EvidenceDialog } from "./Evidence.tsx";
import { Header } from "./Header.tsx";
import { MadeOf } from "./MadeOf.tsx";
import { Models } from "./Models.tsx";
import { Notices } from "./Notices.tsx";
import { Feeds, Gaps, Ledger, Quarantine } from "./Panels.tsx";
import { Prediction } from "./Prediction.tsx";
import { Recent } from "./Recent.tsx";
import { SplitsPanel } from "./Splits.tsx";
import { Verdict } from "./Verdict.tsx";

/** The page. */
export function Page({ app }: { app: App }) {
  const series = app.series.value;
  const { theme, page } = app.view.value;
  const name =
    page !== "live"
      ? `${PARTS[page].title} · Foretick`
      : series === null
        ? "Foretick"
        : `${series.instrument.symbol} ${series.interval} · Foretick`;
  useEffect(() => {
    document.title = name;
  }, [name]);
  // Set while rendering, so that the chart below reads the colours of the new theme.
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the {page === "live" ? "chart" : page}
      </a>
      <Header app={app} />
      <Notices app={app} />
      <main id="main" tabIndex={-1}>
        {page !== "live" ? (
          <>
            <h1 class="sr-only">Foretick: {page}</h1>
            <Later key={page} app={app} page={page} />
          </>
        ) : (
          <>
            <h1 class="sr-only">Foretick: live prices, forecasts and how they did</h1>
            {series === null ? <Empty app={app} /> : <Live app={app} series={series} />}
          </>
        )}
      </main>
      <footer>
        <span>Not investment advice.</span>
        <a href="/docs">API</a>
        <a href="/licenses.txt">Licences</a>
        <span>Foretick {app.status.value?.version ?? ""}</span>
        <ForgetKey app={app} />
        <span class="right">
          Charts by <a href="https://www.tradingview.com/">TradingView</a> Lightweight Charts™
        </span>
      </footer>
      <KeyPrompt app={app} />
      <Inspector app={app} />
      <EvidenceDialog app={app} />
    </>
  );
}

/** The live page. */
function Live({ app, series }: { app: App; series: Series }) {
  return (
    <>
      <div class="stage">
        <Chart key={series.id} app={app} series={series} />
        <div class="side">
          <Prediction app={app} series={series} />
          <Verdict app={app} />
        </div>
      </div>
      <AccuracyTable app={app} series={series} />
      <CalibrationPanel app={app} series={series} />
      <div class={app.combined.value === "" ? "" : "pair uneven"}>
        <Models app={app} series={series} />
        {app.combined.value !== "" && <MadeOf app={app} series={series} />}
      </div>
      <div class="pair">
        <Recent app={app} series={series} />
        <div class="cards">
          <Feeds app={app} />
          <Ledger app={app} />
          <SplitsPanel app={app} series={series} />
          <Gaps app={app} />
          <Quarantine app={app} />
        </div>
      </div>
    </>
  );
}

type Part = FunctionComponent<{ app: App }>;

/** The parts of the page that are fetched when they are first looked at. */
const PARTS: Record<Exclude<PageName, "live">, { title: string; fetch(): Promise<{ default: Part }> }> = {
  backtests: { title: "Backtests", fetch: () => import("../backtests/Backtests.tsx") },
  models: { title: "Models", fetch: () => import("../models/Models.tsx") },
};

function Later({ app, page }: { app: App; page: keyof typeof PARTS }) {
  const [Part, setPart] = useState<Part | null>(null);
  const [problem, setProblem] = useState(false);
  useEffect(() => {
    PARTS[page].fetch().then(
      m => setPart(() => m.default),
      () => setProblem(true),
    );
  }, [page]);
  if (Part !== null) return <Part app={app} />;
  return (
    <section class="panel empty">
      <p class="muted">
        {problem ? "This part of the page could not be fetched. Reload the page." : "Loading…"}
      </p>
    </section>
  );
}

function Empty({ app }: { app: App }) {
  return (
    <section class="panel empty">
      <h2>
        {app.loading.value
          ? "Loading…"
          : app.needKey.value === ""
            ? "Nothing to watch yet"
            : "A key is needed"}
      </h2>
      <p class="muted">
        {app.loading.value
          ? "Asking Foretick what it watches."
          : "Foretick has no series yet. It starts with the first data of its feed; this page looks again by itself."}
      </p>
    </section>
  );
}
