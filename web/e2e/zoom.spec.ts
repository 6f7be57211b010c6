import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser } from "playwright-core";
import type { Series } from "../src/api/types.ts";
import { axe, launch, open, until } from "./browser.ts";
import { Foretick, MARKET } from "./server.ts";

const CHART = "section.chart";

describe("zooming over a long history", { timeout: 240_000 }, () => {
  let server: Foretick;
  let browser: Browser;
  let id = "";
  let first = 0;

  before(async () => {
    const file = join(MARKET, "intraday", "COIN_1m.csv.gz");
    [server, browser] = await Promise.all([
      Foretick.serve([
        "--feed",
        "replay",
        "--speed",
        "max",
        "--file",
        file,
        "--models",
        "naive",
        "--rollup",
        "none",
      ]),
      launch(),
    ]);
    await until("the whole file", async () =>
      (await server.get<{ items: { state: string }[] }>("/v1/feeds")).items.every(
        f => f.state === "finished",
      ),
    );
    const s = (await server.get<{ items: Series[] }>("/v1/series")).items[0] as Series;
    id = s.id;
    first = Date.parse(s.first_bar as string) / 1000;
  });
  after(async () => {
    await browser?.close();
    await server?.dispose();
  });

  it("draws coarser candles when there is more than can be seen, and the bars again", async () => {
    const { page, errors } = await open(browser, `${server.url}/?series=${encodeURIComponent(id)}`, {
      viewport: { width: 1000, height: 800 },
    });
    const chart = page.locator(CHART);
    const interval = (): Promise<string | null> => chart.getAttribute("data-interval");
    await until("bars", async () => Number(await chart.getAttribute("data-bars")) > 1000);
    assert.equal(await interval(), "1m");
    assert.equal(await page.locator("#drawn").count(), 0);
    const press = async (key: string): Promise<void> => {
      await page.locator(".canvas").focus();
      await page.keyboard.press(key);
      await page.waitForTimeout(60);
    };
    const coarser = await until("coarser candles", async () => {
      await press("-");
      const i = await interval();
      return i !== "1m" && i;
    });
    assert.match(coarser ?? "", /^(5m|15m|1h|1d)$/);
    assert.match(await page.locator("#drawn").innerText(), /candles of .*zoom in for bars of 1m/);
    await until("the range in the address", async () => /range=\d+-\d+/.test(page.url()));
    assert.deepEqual(await axe(page), []);
    if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, "wide.png") });

    await until("the bars again", async () => {
      await press("+");
      return (await interval()) === "1m" && (await page.locator(".swatch.fan").count()) === 1;
    });
    if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, "near.png") });
    assert.deepEqual(errors, []);
    await page.close();
  });

  it("opens a link to a long stretch in coarser candles, and goes to the latest bar", async () => {
    const { page, errors } = await open(
      browser,
      `${server.url}/?series=${encodeURIComponent(id)}&range=${first}-${first + 5 * 86_400}`,
    );
    const chart = page.locator(CHART);
    await until("candles", async () => (await chart.getAttribute("data-interval")) !== "1m");
    assert.ok(Number(await chart.getAttribute("data-drawn")) > 50);
    if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, "link.png") });
    await page.locator("button.latest").click();
    await until("the bars", async () => (await chart.getAttribute("data-interval")) === "1m");
    assert.deepEqual(errors, []);
    await page.close();
  });
});
