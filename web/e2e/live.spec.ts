import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser } from "playwright-core";
import type { Accuracy, Page as ApiPage, Forecast, Gap } from "../src/api/types.ts";
import { alive, attr, axe, launch, open, overhang, until } from "./browser.ts";
import { Foretick } from "./server.ts";

const SERIES = "sim:AMZN@1s";
const PATH = `/v1/series/${encodeURIComponent(SERIES)}`;

describe("the dashboard over a live market", { timeout: 240_000 }, () => {
  let server: Foretick;
  let browser: Browser;

  before(async () => {
    [server, browser] = await Promise.all([Foretick.serve(), launch()]);
  });
  after(async () => {
    await browser?.close();
    await server?.dispose();
  });

  it("shows what arrives while one looks", async () => {
    const { page, errors } = await open(browser, server.url);
    await alive(page);
    const last = await attr(page, ".chart", "data-last");
    await until("three more bars", async () => (await attr(page, ".chart", "data-last")) >= last + 3000);
    await until("the light", async () => (await page.locator(".light").innerText()).includes("live"));
    assert.match(await page.locator(".light .age").innerText(), /^\d+\.\d s$/);
    assert.match(await page.locator(".legend").innerText(), /O.*H.*L.*C.*V/s);
    assert.deepEqual(errors, []);
    await page.close();
  });

  it("has a forecast on the page before its outcome", async () => {
    const { page } = await open(browser, server.url);
    await alive(page);
    // What stood on the page and when, noted at every change of the document.
    await page.evaluate(() => {
      const log: { t: string; what: "next" | "done"; entry: string; price: string; at: number }[] = [];
      (globalThis as unknown as { seen: unknown }).seen = log;
      const look = (): void => {
        for (const [id, what] of [
          ["#next-forecast", "next"],
          ["#prediction-line", "done"],
        ] as const) {
          const e = document.querySelector<HTMLElement>(id);
          const { target, entry } = e?.dataset ?? {};
          if (!e || target === undefined || entry === undefined) continue;
          if (log.some(x => x.t === target && x.what === what)) continue;
          log.push({
            t: target,
            what,
            entry,
            price: e.querySelector("b")?.textContent ?? "",
            at: Date.now(),
          });
        }
      };
      new MutationObserver(look).observe(document.body, {
        subtree: true,
        childList: true,
        attributes: true,
        characterData: true,
      });
      look();
    });
    const pairs = await until("four forecasts judged before our eyes", async () => {
      const log = await page.evaluate(
        () =>
          (
            globalThis as unknown as {
              seen: { t: string; what: string; entry: string; price: string; at: number }[];
            }
          ).seen,
      );
      const both = log
        .filter(x => x.what === "next")
        .map(n => ({ n, d: log.find(x => x.what === "done" && x.t === n.t) }))
        .filter(p => p.d !== undefined);
      return both.length >= 4 && both;
    });
    for (const { n, d } of pairs) {
      assert.ok(d !== undefined && n.at < d.at, `the forecast of ${n.t} was seen before its outcome`);
      assert.equal(n.entry, d.entry, "the forecast that was judged is the one that was shown");
      assert.equal(n.price, d.price, "its price did not change");
    }
    // The ledger says the same: sealed before its bar was over.
    const { t } = pairs[0]?.n ?? { t: "" };
    const day = await server.get<ApiPage<Forecast>>(`${PATH}/forecasts?model=ewma&horizon=1&limit=200`);
    const f = day.items.find(x => Date.parse(x.target.start) === Number(t));
    assert.ok(f !== undefined && Date.parse(f.issued_at) < Date.parse(f.target.end));
    await page.close();
  });

  it("keeps history over a reload", async () => {
    const { page } = await open(browser, server.url);
    await alive(page);
    const [first, bars] = [await attr(page, ".chart", "data-first"), await attr(page, ".chart", "data-bars")];
    const seen = await page.locator("#recent tbody tr[data-entry]").nth(2).getAttribute("data-target");
    await page.reload();
    await alive(page);
    await until("bars", async () => (await attr(page, ".chart", "data-bars")) >= bars);
    assert.equal(await attr(page, ".chart", "data-first"), first);
    assert.equal(await page.locator(`#recent tr[data-target="${seen}"]`).count(), 1);
    await page.close();
  });

  it("says that prices are simulated", async () => {
    const { page } = await open(browser, server.url);
    await page.waitForSelector(".badge.simulated");
    assert.equal(await page.locator(".badge.simulated").innerText(), "SIMULATED");
    assert.match(
      await page.locator(".strip.simulated").innerText(),
      /Simulated prices\. No real market stands behind them\./,
    );
    assert.match(await page.locator("footer").innerText(), /Not investment advice/);
    await page.close();
  });

  it("keeps the view in the address, and back goes back", async () => {
    const { page } = await open(browser, server.url);
    await alive(page);
    await page.locator("select").nth(1).selectOption("naive");
    await page.getByRole("radio", { name: "3 bars ahead" }).check();
    await until("the address", async () => page.url().includes("model=naive") && page.url().includes("h=3"));
    await page.getByRole("radio", { name: "Percent" }).check();
    await until("units", async () => page.url().includes("units=percent"));
    const other = await open(browser, page.url());
    await alive(other.page);
    assert.match(await other.page.locator("#prediction-title").innerText(), /naive, 3 bars ahead/);
    assert.match(await other.page.locator("tr.groups").innerText(), /Error \(%\)/);
    await page.goBack();
    await until("the horizon before", async () =>
      (await page.locator("#prediction-title").innerText()).includes("naive, next bar"),
    );
    await other.page.close();
    await page.close();
  });

  it("compares all models, naive always among them", async () => {
    const { page } = await open(browser, server.url);
    await alive(page);
    const api = await server.get<Accuracy>(`${PATH}/accuracy?horizon=1`);
    const shown = await page.locator("#models tbody tr[data-model]").count();
    assert.equal(shown, api.models.length);
    assert.equal(await page.locator('#models tr[data-model="naive"]').count(), 1);
    const words = /better than naive|worse than naive|no skill shown|not judged yet/;
    for (const row of await page.locator("#models tbody tr[data-model]").all()) {
      const naive = (await row.getAttribute("data-model")) === "naive";
      assert.match(await row.innerText(), naive ? /the yardstick itself/ : words);
    }
    assert.match(await page.locator(".verdict .words").innerText(), words);
    assert.ok((await page.locator(".verdict .why").innerText()).length > 20);
    await page.close();
  });

  it("has the evidence of a verdict one click away", async () => {
    const { page, errors } = await open(browser, server.url);
    await alive(page);
    await page.getByRole("button", { name: "Show the evidence" }).click();
    const dialog = page.getByRole("dialog", { name: /Evidence/ });
    await dialog.waitFor();
    const text = await dialog.innerText();
    for (const part of [
      "auto against naive",
      "to 1",
      "p-value, valid at any time",
      "Why looking often is fine",
    ])
      assert.ok(text.includes(part), part);
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await page.locator('#models tr[data-model="ewma"] button.verdict-words').click();
    await until("ewma's", async () => (await dialog.innerText()).includes("ewma against naive"));
    assert.deepEqual(errors, []);
    await page.close();
  });

  it("shows what the combined forecast is made of, and goes on doing so", async () => {
    const { page } = await open(browser, server.url);
    await alive(page);
    const panel = page.getByRole("region", { name: /What auto is made of/ });
    await until("the weights", async () => (await attr(page, ".made-of", "data-points")) > 1);
    const last = await attr(page, ".made-of", "data-last");
    const list = await panel.getByRole("list").first().getByRole("listitem").allInnerTexts();
    const day = await server.get<ApiPage<Forecast>>(`${PATH}/forecasts?model=auto&horizon=1&limit=1`);
    assert.equal(list.length, day.items[0]?.shares?.length);
    for (const s of day.items[0]?.shares ?? [])
      assert.ok(
        list.some(t => t.includes(s.expert)),
        s.expert,
      );
    await until("newer ones", async () => (await attr(page, ".made-of", "data-last")) > last);
    await page.close();
  });

  it("says how intervals keep their promise, or that it is too early to tell", async () => {
    const { page } = await open(browser, server.url);
    await alive(page);
    const panel = page.getByRole("region", { name: /Calibration/ });
    await until("the panel", async () =>
      /promise kept from luck|Promised 90 %, kept/.test(await panel.innerText()),
    );
    assert.match(await panel.innerText(), /long-run average/);
    await page.close();
  });

  it("shows a ledger entry as JSON", async () => {
    const { page, errors } = await open(browser, server.url);
    await alive(page);
    await page.locator("#recent a.hash").first().click();
    const text = await until("the entry", async () => {
      const t = await page.locator(".inspector pre").innerText();
      return t.includes('"quantiles"') && t;
    });
    assert.equal((JSON.parse(text) as { kind: string }).kind, "issue");
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press("Escape");
    await page.waitForSelector(".inspector", { state: "detached" });
    assert.deepEqual(errors, []);
    await page.close();
  });

  it("is worked by keyboard", async () => {
    const { page } = await open(browser, server.url);
    await alive(page);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to the chart");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.className), "canvas");
    await page.keyboard.press("Shift+ArrowLeft");
    await page.waitForSelector("button.latest");
    await until("the address", async () => /range=\d+-\d+/.test(page.url()));
    await page.keyboard.press("End");
    await page.waitForSelector("button.latest", { state: "detached" });
    const handle = page.getByRole("slider", { name: "Start of the range in sight" });
    const before = Number(await handle.getAttribute("aria-valuenow"));
    await handle.press("ArrowLeft");
    await until("the window", async () => Number(await handle.getAttribute("aria-valuenow")) < before);
    await page.close();
  });

  for (const [name, options] of [
    ["light", { viewport: { width: 1440, height: 900 }, colorScheme: "light" }],
    ["dark", { viewport: { width: 1440, height: 900 }, colorScheme: "dark" }],
    ["on a phone", { viewport: { width: 360, height: 740 }, colorScheme: "light" }],
    ["on a phone, dark", { viewport: { width: 360, height: 740 }, colorScheme: "dark" }],
  ] as const) {
    it(`gives axe nothing to find, ${name}`, async () => {
      const { page } = await open(browser, server.url, { ...options, reducedMotion: "reduce" });
      await alive(page);
      assert.deepEqual(await axe(page), []);
      await page.close();
    });
  }

  it("fits a phone without scrolling sideways", async () => {
    for (const width of [360, 390, 768]) {
      const { page } = await open(browser, server.url, { viewport: { width, height: 740 }, hasTouch: true });
      await alive(page);
      assert.ok((await overhang(page)) <= 0, `${width} px: wider than the window`);
      await page.close();
    }
  });

  it("asks no other host for anything and is light", async () => {
    const page = await browser.newPage();
    const sizes: Promise<number>[] = [];
    const strangers: string[] = [];
    page.on("request", r => {
      if (!r.url().startsWith(server.url) && !r.url().startsWith("data:")) strangers.push(r.url());
    });
    page.on("requestfinished", r => {
      if (!r.url().includes("/v1/")) sizes.push(r.sizes().then(s => s.responseBodySize));
    });
    await page.goto(server.url);
    await alive(page);
    // The part that is fetched when it is looked at counts too.
    await page.getByRole("link", { name: "Backtests" }).click();
    await page.locator(".order-form").waitFor();
    const bytes = (await Promise.all(sizes)).reduce((a, b) => a + b, 0);
    assert.ok(bytes > 10_000 && bytes < 250_000, `${bytes} bytes of page`);
    await page.goto(`${server.url}/docs`);
    await page.waitForSelector(".opblock", { timeout: 30_000 });
    assert.deepEqual(strangers, []);
    await page.close();
  });

  it("heals when the server is killed and comes back", async () => {
    const { page } = await open(browser, server.url);
    await alive(page);
    await page.evaluate(() => {
      (globalThis as unknown as { mark: number }).mark = 1;
    });
    const first = await attr(page, ".chart", "data-first");
    await server.end("SIGKILL");
    await until("the page to notice", async () =>
      (await page.locator(".light").innerText()).includes("reconnecting"),
    );
    const last = await attr(page, ".chart", "data-last");
    await server.start();
    await until("new bars", async () => (await attr(page, ".chart", "data-last")) > last + 2000);
    await until("the light", async () => (await page.locator(".light").innerText()).includes("live"));
    assert.equal(await page.evaluate(() => (globalThis as unknown as { mark?: number }).mark), 1);
    assert.equal(await attr(page, ".chart", "data-first"), first);
    await alive(page);
    const gaps = await server.get<{ items: Gap[] }>(`${PATH}/gaps`);
    await until("the gap", async () =>
      (await page.locator("#gaps-title").innerText()).includes(`${gaps.items.length} recorded`),
    );
    assert.ok(gaps.items.length >= 1);
    // What is shown is what is stored, none twice and none missing.
    const shown = await page
      .locator("#recent tr[data-entry]")
      .evaluateAll(rows => rows.map(r => Number((r as HTMLElement).dataset.target)));
    assert.deepEqual(
      shown,
      [...new Set(shown)].sort((a, b) => b - a),
    );
    await page.close();
  });
});
