import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { Job, Report } from "../src/api/types.ts";
import { axe, launch, open, overhang, until } from "./browser.ts";
import { Foretick } from "./server.ts";

const SERIES = "sim:AMZN@1s";
const SECRET = "a-secret-of-many-letters";
const READER = "another-secret-of-letters";

/** Fills in the form for a walk that takes a moment, and orders it. */
async function order(page: Page, numbers: Record<string, string> = {}): Promise<string> {
  const form = page.locator(".order-form");
  await page.locator(".order").waitFor();
  if ((await page.locator(".order[open]").count()) === 0) await page.getByText("Order a backtest").click();
  await form.locator(`input[value="${SERIES}"]`).setChecked(true);
  for (const [label, value] of Object.entries({ "Burn-in": "60", "Bars ahead": "1", ...numbers }))
    await form.getByLabel(new RegExp(`^${label}`)).fill(value);
  const old = page.url();
  await form.getByRole("button", { name: "Order" }).click();
  return until("the order in the address", async () => {
    if (page.url() === old) return false;
    return new URL(page.url()).searchParams.get("id");
  });
}

const finished = (page: Page, id: string): Promise<unknown> =>
  page.waitForSelector(`.result[data-job="${id}"][data-state="done"] #pooled`, { timeout: 90_000 });

describe("backtests on the dashboard", { timeout: 300_000 }, () => {
  let server: Foretick;
  let browser: Browser;
  let done = "";

  before(async () => {
    [server, browser] = await Promise.all([Foretick.serve(), launch()]);
    await until("bars to walk", async () => {
      const { items } = await server.get<{ items: unknown[] }>(
        `/v1/series/${encodeURIComponent(SERIES)}/bars?limit=400`,
      );
      return items.length >= 300;
    });
  });
  after(async () => {
    await browser?.close();
    await server?.dispose();
  });

  it("orders one, watches it and shows its figures and its report", async () => {
    const { page, errors, asked } = await open(browser, server.url);
    await page.getByRole("link", { name: "Backtests" }).click();
    await page.getByRole("heading", { name: "What a backtest tells" }).waitFor();
    done = await order(page);
    await finished(page, done);
    const job = await server.get<Job>(`/v1/backtests/${done}`);
    for (const p of job.pooled) {
      const row = await page
        .locator(`#pooled tr[data-model="${p.model}"][data-horizon="${p.horizon}"]`)
        .innerText();
      assert.ok(row.includes(p.crps_ratio.toFixed(4)), `${p.model}: ${row}`);
    }
    assert.equal(await page.locator("#pooled tr[data-model]").count(), job.pooled.length);
    const report = await server.get<Report>(`/v1/backtests/${done}/report`);
    await until(
      "the verdicts",
      async () => (await page.locator("#by-series tbody tr").count()) === report.results.length,
    );
    assert.ok((await page.locator(".result .badge.simulated").count()) === 1);
    const [tab] = await Promise.all([
      page.context().waitForEvent("page"),
      page.getByRole("link", { name: "Open report" }).click(),
    ]);
    await tab.waitForLoadState();
    assert.ok(tab.url().endsWith(`/v1/backtests/${done}/report.html`));
    assert.match(await tab.locator("body").innerText(), /naive/);
    await tab.close();
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Download JSON" }).click(),
    ]);
    assert.equal(file.suggestedFilename(), `foretick-${done}.json`);
    // Nothing is asked any more once all have ended.
    const n = asked.filter(a => a.includes("/v1/backtests")).length;
    await page.waitForTimeout(2500);
    assert.equal(asked.filter(a => a.includes("/v1/backtests")).length, n);
    assert.deepEqual(errors, []);
    await page.close();
  });

  it("opens a shared address where it was, and goes back to the live page", async () => {
    const { page, errors } = await open(browser, `${server.url}/?view=backtests&id=${done}`);
    await finished(page, done);
    assert.equal(await page.title(), "Backtests · Foretick");
    await page.getByRole("link", { name: "Live" }).click();
    await page.waitForSelector("#next-forecast", { timeout: 30_000 });
    assert.ok(!page.url().includes("backtests"));
    await page.goBack();
    await finished(page, done);
    await page.goForward();
    await page.waitForSelector("#next-forecast");
    await page.goto(`${server.url}/?view=backtests&id=nothing`);
    await page.getByText("There is no backtest nothing").waitFor();
    assert.deepEqual(errors, []);
    await page.close();
  });

  it("shows what the server has against an order", async () => {
    const { page } = await open(browser, `${server.url}/?view=backtests`);
    await page.locator(".order-form").waitFor();
    await page.locator(`input[value="${SERIES}"]`).setChecked(true);
    await page.getByLabel(/^Burn-in/).fill("5");
    await page.getByRole("button", { name: "Order" }).click();
    assert.match(await page.locator(".order-form [role=alert]").innerText(), /burn-in of 5 bars/);
    await page.close();
  });

  it("cancels what waits, compares what is done, and deletes", async () => {
    const { page, errors } = await open(browser, `${server.url}/?view=backtests`);
    const second = await order(page, { "Burn-in": "100" });
    await finished(page, second);
    // All models with a refit at every bar: long enough to be caught at work.
    await page
      .getByRole("group", { name: /^Models/ })
      .getByRole("button", { name: "All" })
      .click();
    const long = await order(page, { "Refit every": "1", "Bars ahead": "1, 2, 3, 4, 5" });
    await page.waitForSelector(`.result[data-job="${long}"]`);
    await page.locator(".result").getByRole("button", { name: "Cancel" }).click();
    const dialog = page.getByRole("dialog", { name: "Cancel this backtest?" });
    assert.deepEqual(await axe(page), []);
    await dialog.getByRole("button", { name: "Cancel it" }).click();
    await page.waitForSelector(`.result[data-job="${long}"][data-state="cancelled"]`, { timeout: 60_000 });
    assert.equal((await server.get<Job>(`/v1/backtests/${long}`)).state, "cancelled");
    await page.locator(".result").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.waitForSelector(`[data-job="${long}"]`, { state: "detached" });

    await page.locator(`.jobs [data-job="${done}"] input`).check();
    await page.locator(`.jobs [data-job="${second}"] input`).check();
    await page.getByText("2 backtests side by side").waitFor();
    assert.equal(new URL(page.url()).searchParams.get("id"), `${done},${second}`);
    const a = await server.get<Job>(`/v1/backtests/${done}`);
    const b = await server.get<Job>(`/v1/backtests/${second}`);
    const ratio = (j: Job): string =>
      j.pooled.find(p => p.model === "auto" && p.horizon === 1)?.crps_ratio.toFixed(4) ?? "";
    const row = await page.locator('#compared tr[data-model="auto"][data-horizon="1"]').innerText();
    assert.ok(row.includes(ratio(a)) && row.includes(ratio(b)), row);
    assert.match(await page.locator("#orders").innerText(), /Burn-in ≠\s+60 bars\s+100 bars/);
    assert.deepEqual(errors, []);
    await page.close();
  });

  for (const [name, options] of [
    ["light", { viewport: { width: 1280, height: 900 }, colorScheme: "light" }],
    ["dark", { viewport: { width: 1280, height: 900 }, colorScheme: "dark" }],
    ["on a phone", { viewport: { width: 390, height: 844 }, colorScheme: "light" }],
    ["on a phone, dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }],
  ] as const) {
    it(`gives axe nothing to find, ${name}`, async () => {
      for (const search of ["?view=backtests", `?view=backtests&id=${done}`]) {
        const { page } = await open(browser, `${server.url}/${search}`, {
          ...options,
          reducedMotion: "reduce",
        });
        await page.waitForSelector(search.includes("id=") ? "#by-series" : ".order-form li label");
        assert.deepEqual(await axe(page), []);
        assert.ok((await overhang(page)) <= 0, "wider than the window");
        await page.close();
      }
    });
  }
});

describe("backtests of a server with keys", { timeout: 180_000 }, () => {
  let server: Foretick;
  let browser: Browser;

  before(async () => {
    const keys = `writer:write:${SECRET},reader:read:${READER}`;
    [server, browser] = await Promise.all([Foretick.serve([], { FORETICK_API_KEYS: keys }), launch()]);
    await until("bars to walk", async () => {
      const path = `/v1/series/${encodeURIComponent(SERIES)}/bars?limit=400`;
      return (await server.get<{ items: unknown[] }>(path, READER)).items.length >= 300;
    });
  });
  after(async () => {
    await browser?.close();
    await server?.dispose();
  });

  const enter = async (page: Page, key: string): Promise<void> => {
    const dialog = page.getByRole("dialog", { name: "API key" });
    await dialog.getByLabel("Key").fill(key);
    await dialog.getByRole("button", { name: "Use key" }).click();
    await dialog.waitFor({ state: "hidden" });
  };

  it("says that a key may only read", async () => {
    const { page } = await open(browser, `${server.url}/?view=backtests`);
    await enter(page, READER);
    await page.locator(`input[value="${SERIES}"]`).setChecked(true);
    await page.getByRole("button", { name: "Order" }).click();
    await until("the refusal", async () =>
      (await page.locator(".order-form [role=alert]").innerText()).startsWith("this key may only read"),
    );
    await page.close();
  });

  it("opens the report though a link carries no key", async () => {
    const { page, errors } = await open(browser, `${server.url}/?view=backtests`);
    await enter(page, SECRET);
    const id = await order(page);
    await finished(page, id);
    const [tab] = await Promise.all([
      page.context().waitForEvent("page"),
      page.getByRole("button", { name: "Open report" }).click(),
    ]);
    await tab.waitForURL(/^blob:/);
    await until("the report", async () => (await tab.locator("body").innerText()).includes("naive"));
    await tab.close();
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download JSON" }).click(),
    ]);
    assert.equal(file.suggestedFilename(), `foretick-${id}.json`);
    assert.deepEqual(errors, []);
    await page.close();
  });
});
