// @vitest-environment happy-dom
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { stage } from "../../dev/canvas.ts";
import { Fake, problem } from "../../dev/fake.ts";
import { App } from "../state/app.ts";
import { Page } from "./Page.tsx";

// The page as a whole, from the address to what can be read, with a server behind it.

const NOW = Date.UTC(2026, 2, 4, 15, 0, 0);

let fake: Fake;
let app: App;
let root: HTMLElement;

const turn = setImmediate;
async function tick(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  for (let i = 0; i < 10; i++) await new Promise<void>(r => turn(r));
  void act(() => {});
}
const text = (what = "*"): string =>
  (root.querySelector(what)?.textContent ?? "").replace(/\s+/g, " ").trim();

async function open(search = ""): Promise<void> {
  history.replaceState(null, "", `/${search}`);
  app = new App();
  app.start();
  void act(() => render(<Page app={app} />, root));
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  stage(800, 400);
  fake = new Fake(60, NOW);
  vi.stubGlobal("fetch", fake.fetch);
  root = document.createElement("div");
  document.body.append(root);
});
afterEach(() => {
  void act(() => render(null, root));
  root.remove();
  vi.restoreAllMocks();
  vi.useRealTimers();
  history.replaceState(null, "", "/");
});

describe("the page", () => {
  it("says what it is doing from the first moment, and shows everything when it is there", async () => {
    await open();
    expect(text("main h2")).toBe("Loading…");
    expect(document.title).toBe("Foretick");
    await tick(100);
    expect(document.title).toBe("AMZN 1s · Foretick");
    const panels = [...root.querySelectorAll("section[aria-labelledby] > h2, section .head > h2")].map(h =>
      (h.textContent ?? "").replace(/\s+/g, " ").trim(),
    );
    for (const part of [
      "Forecast",
      "Verdict",
      "Accuracy",
      "Calibration",
      "Models",
      "What auto",
      "Latest",
      "Feeds",
      "Ledger",
      "Splits",
      "Gaps",
      "Quarantine",
    ])
      expect(panels.some(p => p.startsWith(part))).toBe(true);
    expect(root.querySelectorAll("h1")).toHaveLength(1);
    expect(text()).not.toMatch(/NaN|undefined|Invalid|\[object/);
    expect(text("footer")).toContain("Not investment advice.");
    expect(text("footer")).toContain("Foretick 1.2.3");
  });

  it("follows what comes", async () => {
    await open();
    await tick(100);
    const line = (): string => text("#prediction-line");
    const before = line();
    fake.bar();
    await tick(100);
    expect(line()).not.toBe(before);
    expect(root.querySelector("#prediction-line")?.getAttribute("data-target")).toBe(String(NOW));
  });

  it("says that there is nothing yet, and that it looks again", async () => {
    fake.series = [];
    await open();
    await tick(100);
    expect(text("main h2")).toBe("Nothing to watch yet");
    expect(text("main")).toContain("this page looks again by itself");
  });

  it("asks for a key and shows nothing without one", async () => {
    fake.key = "s3cret";
    await open();
    await tick(100);
    expect(text("main h2")).toBe("A key is needed");
    expect(root.querySelector("dialog")?.open).toBe(true);
  });

  it("says what is wrong where nothing can be had", async () => {
    fake.trouble = () => problem(503, "Service Unavailable", "the database is locked");
    await open();
    await tick(100);
    expect(text('[role="alert"]')).toContain("the database is locked");
  });

  it.each([
    ["light", "light"],
    ["dark", "dark"],
    ["auto", undefined],
  ] as const)("has the theme of its address: %s", async (theme, want) => {
    await open(`?theme=${theme}`);
    expect(document.documentElement.dataset.theme).toBe(want);
    void act(() => app.show({ theme: "auto" }));
    expect(document.documentElement.dataset.theme).toBeUndefined();
  });

  it.each([
    ["backtests", "Backtests · Foretick"],
    ["models", "Models · Foretick"],
  ])("fetches the part for %s when it is looked at", async (view, title) => {
    fake.answers.set("/backtests", { items: [] });
    fake.answers.set("/trainings", { items: [] });
    await open(`?view=${view}`);
    expect(document.title).toBe(title);
    expect(text("main")).toContain("Loading…");
    await vi.waitFor(() => expect(root.querySelector("main .empty")).toBeNull(), { timeout: 20_000 });
    expect(text("main h1")).toBe(`Foretick: ${view}`);
    expect(root.querySelector("a.skip")?.getAttribute("href")).toBe("#main");
  });
});
