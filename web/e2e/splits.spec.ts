import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { attr, axe, launch, open, overhang, until } from "./browser.ts";
import { Foretick, MARKET } from "./server.ts";

const dir = mkdtempSync(join(tmpdir(), "foretick-splits-"));
after(() => rmSync(dir, { recursive: true, force: true }));

/** Prices as traded, up to 200 days after the split of 7:1: a warning is shown that long. */
const FILE = join(dir, "SPLIT.csv");
const BARS = 1385;
const rows = readFileSync(join(MARKET, "daily", "SPLIT.csv"), "utf8").split("\n");
writeFileSync(FILE, `${rows.slice(0, 1 + BARS).join("\n")}\n`);

const PATH = `/v1/series/${encodeURIComponent("file:SPLIT@1d")}`;

interface Items<T> {
  items: T[];
}

/** Foretick at the end of a share's prices as traded, the last years of them forecast: the
 * split of 4:1 is history, that of 7:1 comes in their midst. */
async function asTraded(...args: string[]): Promise<Foretick> {
  const server = await Foretick.serve([
    ...["--feed", "replay", "--speed", "max", "--file", FILE, "--start", "2017-01-01", "--models", "ewma"],
    ...args,
  ]);
  await until("the end of the recording", async () => {
    const { items } = await server.get<Items<{ state: string }>>("/v1/feeds");
    const w = await server.get<Items<unknown>>(`${PATH}/warnings`).catch(() => ({ items: [] }));
    return items[0]?.state === "finished" && w.items.length === 2;
  });
  return server;
}

/** The close of the last bar before the split of 2017, as the chart's legend has it. */
async function closeBefore(page: Page, server: Foretick, adjusted: string): Promise<number> {
  const q = `from=2017-09-14&to=2017-09-15&adjusted=${adjusted}`;
  const { items } = await server.get<Items<{ close: number }>>(`${PATH}/bars?${q}`);
  assert.equal(items.length, 1);
  await until("the bars", async () => (await attr(page, ".chart", "data-bars")) === BARS);
  return (items[0] as { close: number }).close;
}

describe("splits that nobody announced", { timeout: 240_000 }, () => {
  let server: Foretick;
  let browser: Browser;
  before(async () => {
    [server, browser] = await Promise.all([asTraded(), launch()]);
  });
  after(async () => {
    await browser?.close();
    await server?.dispose();
  });

  for (const [name, options] of Object.entries({
    "on a desk": { viewport: { width: 1400, height: 900 } },
    "in the dark": { viewport: { width: 1400, height: 900 }, colorScheme: "dark" as const },
    "on a phone": { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  }))
    it(`raise a warning that is seen ${name}`, async () => {
      const { page, errors } = await open(browser, server.url, options);
      const strip = page.locator("#data-warning");
      await strip.waitFor();
      const words = await strip.innerText();
      assert.match(
        words,
        /Data warning\. The move from 216\.96 to 30\.86 at .*15 Sep.* looks like an unannounced split 7:1\./,
      );
      assert.match(words, /nothing is rescaled/);
      const panel = page.locator("section.panel", { has: page.locator("#splits-title") });
      assert.match(await panel.innerText(), /2 data warnings/);
      assert.deepEqual(
        (await panel.locator("li").allInnerTexts()).map(s => /split \d:1/.exec(s)?.[0]),
        ["split 7:1", "split 4:1"],
      );
      // There is nothing to adjust by.
      assert.equal(await page.getByRole("combobox", { name: "Prices" }).count(), 0);
      assert.deepEqual(await axe(page), []);
      assert.equal(await overhang(page), 0);
      assert.deepEqual(errors, []);
      await page.close();
    });
});

describe("splits and dividends that were announced", { timeout: 240_000 }, () => {
  let server: Foretick;
  let browser: Browser;
  before(async () => {
    // What was announced, and what was not.
    const file = join(dir, "actions.csv");
    const announced = readFileSync(join(MARKET, "daily", "SPLIT_actions.csv"), "utf8");
    writeFileSync(file, `${announced}2017-09-15,split,7:1\n2017-08-25,dividend,0.31\n`);
    [server, browser] = await Promise.all([asTraded("--actions", file), launch()]);
  });
  after(async () => {
    await browser?.close();
    await server?.dispose();
  });

  it("are listed, are no warning, and adjust the chart on request", async () => {
    const { page, errors } = await open(browser, `${server.url}/?range=1498867200-1512086400`);
    const raw = await closeBefore(page, server, "none");
    assert.equal(raw, 216.96);
    assert.equal(await page.locator("#data-warning").count(), 0);
    const panel = page.locator("section.panel", { has: page.locator("#splits-title") });
    await until("the list", async () => (await panel.locator("li").count()) === 5);
    assert.match((await panel.locator("li").allInnerTexts())[1] as string, /dividend 0\.31/);
    assert.doesNotMatch(await panel.innerText(), /data warning/);
    const select = page.getByRole("combobox", { name: "Prices" });
    assert.equal(await select.inputValue(), "none");
    await select.selectOption("splits");
    await until("the address", async () => page.url().includes("adjusted=splits"));
    const close = await closeBefore(page, server, "splits");
    assert.ok(Math.abs(close - raw / 7) < 1e-9);
    await select.selectOption("all");
    await until("the address", async () => page.url().includes("adjusted=all"));
    await until("the bars", async () => (await attr(page, ".chart", "data-bars")) === BARS);
    assert.deepEqual(await axe(page), []);
    // Shared, the view is the same.
    const { page: other, errors: none } = await open(browser, page.url());
    await until(
      "the choice",
      async () => (await other.getByRole("combobox", { name: "Prices" }).inputValue()) === "all",
    );
    assert.deepEqual([...errors, ...none], []);
    await other.close();
    await page.close();
  });
});
