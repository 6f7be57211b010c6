// @vitest-environment happy-dom
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { stage } from "../../dev/canvas.ts";
import { Fake } from "../../dev/fake.ts";
import { iso } from "../../dev/market.ts";
import type { Series } from "../api/types.ts";
import { App } from "../state/app.ts";
import { candle } from "../state/bars.ts";
import { sealed } from "../state/trail.ts";
import { Chart } from "./Chart.tsx";
import { Legend } from "./Legend.tsx";

const NOW = Date.UTC(2026, 2, 4, 15, 0, 0);

let fake: Fake;
let app: App;
let series: Series;
let root: HTMLElement;

const text = (what = "*"): string =>
  (root.querySelector(what)?.textContent ?? "").replace(/\s+/g, " ").trim();

/** Fills the page as if all had been loaded. */
function load(): void {
  app.bars.merge(fake.second.bars.map(candle));
  for (const f of fake.second.issues.flatMap(i => i.forecasts))
    if (f.model === "auto" && f.horizon === 1) app.trail.put(sealed(f));
  app.lastBar.value = app.bars.last ?? null;
  app.fan.value = (fake.second.issues.at(-1)?.forecasts ?? []).filter(f => f.model === "auto").map(sealed);
  app.loading.value = false;
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  stage(800, 400);
  fake = new Fake(80, NOW);
  vi.stubGlobal("fetch", fake.fetch);
  series = fake.series[0] as Series;
  app = new App();
  app.seriesList.value = fake.series;
  app.view.value = { ...app.view.value, series: series.id, model: "auto" };
  root = document.createElement("div");
  document.body.append(root);
});
afterEach(() => {
  void act(() => render(null, root));
  root.remove();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("the legend", () => {
  const legend = (hover: number | null): void => {
    void act(() => render(<Legend app={app} series={series} hover={hover} />, root));
  };

  it("is empty before there is a bar", () => {
    legend(null);
    expect(text(".legend")).toBe("");
    legend(NOW);
    expect(text(".legend")).toBe("");
  });

  it("shows the last bar, and the forecast that was made for it with how it did", () => {
    load();
    legend(null);
    const b = fake.second.bars.at(-1);
    expect(text(".ohlc")).toContain(`C ${b?.close.toFixed(2)}`);
    expect(text(".said")).toMatch(
      /^auto h1 [\d.]+ 90 % [\d.]+ to [\d.]+ (✓ inside|✕ outside) [+−]?[\d.]+ %$/,
    );
    expect(root.querySelector(".when")?.getAttribute("title")).toContain("UTC");
  });

  it("shows what was forecast for a bar that is not there yet, without an outcome", () => {
    load();
    legend(app.fan.value[2]?.t ?? 0);
    expect(root.querySelector(".ohlc")).toBeNull();
    expect(text(".said")).toContain("auto h3");
    expect(text(".said")).not.toMatch(/inside|outside/);
    expect(text(".when")).toContain("UTC");
  });

  it("shows neither where there is neither", () => {
    load();
    legend(5000);
    expect(root.querySelector(".ohlc, .said")).toBeNull();
  });

  it("tells up from down by a class and by signs, and how often a bar was revised", () => {
    load();
    const last = app.bars.last;
    if (last === undefined) throw new Error("no bar");
    app.lastBar.value = { ...last, open: 2, close: 1, revision: 3 };
    legend(null);
    expect(root.querySelector(".ohlc.down")).not.toBeNull();
    expect(text(".ohlc")).toContain("revised 3×");
    app.lastBar.value = { ...last, open: 1, close: 1 };
    legend(null);
    expect(root.querySelector(".ohlc.up")).not.toBeNull();
    expect(text(".ohlc")).not.toContain("revised");
  });

  it("compares no forecast with prices of another unit", () => {
    load();
    app.splits.actions.value = [
      { ex: iso(NOW - 10_000), kind: "split", ratio: 4, words: "split 4:1" } as never,
    ];
    app.view.value = { ...app.view.value, adjusted: "splits" };
    legend(NOW - 20_000);
    expect(root.querySelector(".ohlc")).not.toBeNull();
    expect(root.querySelector(".said")).toBeNull();
    legend(NOW - 5000);
    expect(root.querySelector(".said")).not.toBeNull();
  });

  it("shows the candle that is drawn where those are coarser", () => {
    load();
    const minute = fake.minute.bars.map(candle);
    app.wide.drawn.value = { interval: "1m", items: minute, from: 0, to: NOW, width: NOW };
    legend(minute[3]?.t ?? 0);
    expect(text(".ohlc")).toContain(`C ${minute[3]?.close.toFixed(2)}`);
    legend((minute[3]?.t ?? 0) + 1000);
    expect(root.querySelector(".ohlc")).toBeNull();
  });
});

describe("the panel around the chart", () => {
  const chart = (): void => {
    void act(() => render(<Chart app={app} series={series} />, root));
  };
  const wait = (ms: number): void => {
    void act(() => {
      vi.advanceTimersByTime(ms);
    });
  };

  it.each([
    ["loading", () => {}, "Loading bars…"],
    [
      "without a bar",
      () => {
        app.loading.value = false;
      },
      "No bars yet. The chart begins with the first bar that is final.",
    ],
  ])("says that it is %s", (_, prepare, want) => {
    prepare();
    chart();
    expect(text(".waiting")).toBe(want);
    expect(root.querySelector(".chart")?.getAttribute("data-bars")).toBe("0");
  });

  it("tells those who do not see it, at most every 20 seconds", () => {
    load();
    chart();
    wait(0);
    const first = text("#chart-words");
    expect(first).toMatch(
      /^AMZN 1s: close [\d.]+ at 14:59:59\. auto forecasts [\d.]+ 1 bars ahead, 90 % interval/,
    );
    const speak = (close: number): void => {
      const b = app.lastBar.value;
      if (b !== null) app.lastBar.value = { ...b, close };
      chart();
      wait(0);
    };
    wait(10_000);
    speak(1);
    expect(text("#chart-words")).toBe(first);
    wait(11_000);
    app.fan.value = [];
    speak(2);
    expect(text("#chart-words")).toContain("close 2.00");
    expect(text("#chart-words")).toContain("No forecast is open.");
  });

  it.each([
    ["ArrowLeft", false, "from", -1],
    ["ArrowRight", false, "from", 1],
    ["ArrowLeft", true, "from", -1],
    ["+", false, "width", -1],
    ["-", false, "width", 1],
  ])("moves by the keyboard: %s, shift %s", (key, shiftKey, what, sign) => {
    load();
    chart();
    wait(50);
    const handle = (part: string): number =>
      Number(root.querySelector(`.handle[data-part="${part}"]`)?.getAttribute("aria-valuenow"));
    const press = (k: string, more: KeyboardEventInit = {}): boolean =>
      root
        .querySelector(".canvas")
        ?.dispatchEvent(new KeyboardEvent("keydown", { key: k, bubbles: true, cancelable: true, ...more })) ??
      true;
    for (const k of ["+", "+", "+", "+", "+", "+", "ArrowLeft", "ArrowLeft"]) {
      press(k);
      wait(20); // the library moves with the next frame
    }
    const before = { from: handle("from"), width: handle("to") - handle("from") };
    expect(press(key, { shiftKey })).toBe(false);
    wait(50);
    const now = { from: handle("from"), width: handle("to") - handle("from") };
    const moved = what === "from" ? now.from - before.from : now.width - before.width;
    expect(Math.sign(moved)).toBe(sign);
    // Keys that belong to the browser are left to it.
    expect(press(key, { ctrlKey: true })).toBe(true);
    expect(press("q")).toBe(true);
  });

  it("offers the way back to the latest bar where that is out of sight", () => {
    load();
    chart();
    wait(50);
    const button = (): HTMLButtonElement | null => root.querySelector("button.latest");
    expect(button()).toBeNull();
    for (const [key, shiftKey] of [
      ["+", false],
      ["ArrowLeft", true],
    ] as const) {
      root
        .querySelector(".canvas")
        ?.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true }));
      wait(50);
    }
    expect(button()).not.toBeNull();
    button()?.click();
    wait(50);
    expect(button()).toBeNull();
  });

  it("explains its signs, and the unit of prices only where there is a choice", () => {
    load();
    chart();
    for (const s of ["up", "down", "fan", "trail", "cross"])
      expect(root.querySelector(`.key .swatch.${s}`)?.textContent).not.toBe("");
    expect(root.querySelector(".key select")).toBeNull();
    void act(() => {
      app.splits.actions.value = [{ ex: iso(NOW), kind: "split", ratio: 4, words: "split 4:1" } as never];
    });
    chart();
    const select = root.querySelector<HTMLSelectElement>(".key select");
    expect([...(select?.options ?? [])].map(o => o.value)).toEqual(["none", "splits", "all"]);
    if (select === null) return;
    select.value = "splits";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    expect(app.view.value.adjusted).toBe("splits");
  });

  it("says what is drawn where candles are coarser, and hides the strip that knows only bars", () => {
    load();
    app.wide.drawn.value = {
      interval: "1m",
      items: fake.minute.bars.map(candle),
      from: 0,
      to: NOW,
      width: NOW,
    };
    app.wide.loading.value = true;
    chart();
    expect(text("#drawn")).toContain("candles of 1m: zoom in for bars of 1s");
    expect(root.querySelector(".overview")).toBeNull();
    expect(root.querySelector(".swatch.fan")).toBeNull();
    expect(text(".zone")).toContain("loading candles…");
    expect(root.querySelector("button.latest")).not.toBeNull();
    expect(root.querySelector(".chart")?.getAttribute("data-interval")).toBe("1m");
  });

  it("names the zone of its times, and dates are in UTC", () => {
    load();
    app.loadingOlder.value = true;
    chart();
    expect(text(".zone")).toMatch(/^Times in \S+.* loading older bars…$/);
    series = { ...series, id: "sim:AMZN@1d", interval: "1d", interval_seconds: 86_400 };
    chart();
    expect(text(".zone")).toContain("Dates in UTC");
  });
});
