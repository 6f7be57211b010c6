import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { Accuracy, Calibration, Reject, Spread, Window } from "../src/api/types.ts";
import { attr, axe, launch, open, until } from "./browser.ts";
import { Foretick, MARKET } from "./server.ts";

const SERIES = "file:STOCK@1m";
const PATH = `/v1/series/${encodeURIComponent(SERIES)}`;

/** A number as a person reads it, and how far the text may be from the value. */
function read(text: string): { value: number; slack: number } {
  const digits = text
    .replace(/\(.*\)/, "")
    .replace(/[^0-9.−-]/g, "")
    .replace("−", "-");
  const decimals = digits.split(".")[1]?.length ?? 0;
  return { value: Number(digits), slack: 0.5 * 10 ** -decimals + 1e-9 };
}

function same(text: string, value: number | null, what: string): void {
  if (value === null) {
    assert.equal(text.trim(), "–", what);
    return;
  }
  const r = read(text);
  assert.ok(
    text.trim() !== "–" && Math.abs(r.value - value) <= r.slack,
    `${what}: "${text}" is not ${value}`,
  );
}

async function compare(page: Page, w: Window, spread: Spread, unit: string): Promise<void> {
  const cell = (col: string): Promise<string> =>
    page.locator(`#accuracy tr[data-window="${w.window}"] [data-col="${col}"]`).innerText();
  const pct = (v: number | null): number | null => (v === null ? null : v * 100);
  const want: [string, number | null][] = [
    ["n", w.n],
    ["mean", spread.mean],
    ["median", spread.median],
    ["max", spread.max],
    ["min", spread.min],
    ["mae", w.mae],
    ["naive-mae", w.naive.mae],
    ["rmse", w.rmse],
    ["mape", w.mape],
    ["mase", w.mase],
    ["direction", pct(w.direction_hit_rate)],
    ["coverage", pct(w.coverage90)],
    ["width", w.width90],
    ["crps", w.crps],
    ["naive-crps", w.naive.crps],
    ["skill", pct(w.skill)],
  ];
  for (const [col, value] of want) same(await cell(col), value, `${unit} ${w.window} ${col}`);
}

describe("the dashboard over recorded prices", { timeout: 240_000 }, () => {
  let server: Foretick;
  let browser: Browser;

  before(async () => {
    const file = join(MARKET, "intraday", "STOCK_1m.csv");
    [server, browser] = await Promise.all([
      Foretick.serve(["--feed", "replay", "--speed", "max", "--file", file]),
      launch(),
    ]);
    await until("the end of the recording", async () => {
      const { items } = await server.get<{ items: { state: string }[] }>("/v1/feeds");
      const a = await server.get<Accuracy>(`${PATH}/accuracy?horizon=1`);
      return (
        items[0]?.state === "finished" && (a.models[0]?.windows.find(w => w.window === "all")?.n ?? 0) > 1500
      );
    });
  });
  after(async () => {
    await browser?.close();
    await server?.dispose();
  });

  it("says that it is a replay, that it is over, and nothing of simulation", async () => {
    const { page } = await open(browser, server.url);
    await page.waitForSelector(".badge.replay");
    assert.match(await page.locator(".strip.replay").innerText(), /Replay of recorded data/);
    assert.equal(await page.locator(".badge.simulated, .strip.simulated").count(), 0);
    await until("the light", async () => (await page.locator(".light").innerText()).includes("finished"));
    await page.close();
  });

  it("shows the API's numbers in every cell of the table", async () => {
    const { page } = await open(browser, server.url);
    for (const [model, horizon] of [
      ["auto", 1],
      ["garch", 5],
      ["naive", 2],
    ] as const) {
      const api = await server.get<Accuracy>(`${PATH}/accuracy?horizon=${horizon}`);
      const windows = api.models.find(m => m.model === model)?.windows ?? [];
      assert.equal(windows.length, 6);
      for (const units of ["price", "percent", "absolute"] as const) {
        await page.goto(`${server.url}/?model=${model}&h=${horizon}&units=${units}`);
        await page.waitForSelector('#accuracy [data-col="skill"]');
        for (const w of windows) {
          const spread = { price: w.error, percent: w.percent_error, absolute: w.absolute_error }[units];
          await compare(page, w, spread, `${model} h${horizon} ${units}`);
        }
      }
    }
    await page.close();
  });

  it("shows the API's calibration: in words, in plots and in numbers", async () => {
    const { page, errors } = await open(browser, `${server.url}/?model=auto&h=1`);
    const c = await server.get<Calibration>(`${PATH}/calibration?model=auto&horizon=1`);
    const at90 = c.levels.find(l => l.level === 0.9);
    const panel = page.getByRole("region", { name: /Calibration/ });
    const kept = ((at90?.share ?? 0) * 100).toFixed(1);
    await until("the words", async () =>
      (await panel.innerText()).includes(
        `Promised 90 %, kept ${kept} % over ${c.n.toLocaleString("en-US")} forecasts`,
      ),
    );
    assert.match(await panel.innerText(), /Coverage is a long-run average/);
    for (const name of ["Reliability", "PIT histogram", "Every interval", "By volatility", "By time of day"])
      await panel.getByRole("img", { name: new RegExp(`^${name}`) }).waitFor();
    assert.equal(await panel.locator("rect.bin").count(), c.pit.length);
    const volatility = panel.locator("figure", { hasText: "By volatility" });
    await volatility.getByText("Numbers").click();
    const rows = volatility.locator("tbody tr");
    assert.equal(await rows.count(), 3);
    for (const [i, r] of c.regimes.entries()) {
      const cells = await rows.nth(i).locator("td").allInnerTexts();
      same(cells[1] as string, r.share === null ? null : r.share * 100, `${r.name} kept`);
      same(cells[4] as string, r.n, `${r.name} n`);
    }
    await page.locator("details").evaluateAll(list => {
      for (const d of list as HTMLDetailsElement[]) d.open = true;
    });
    assert.deepEqual(await axe(page), []);
    await page.getByRole("radio", { name: "5 bars ahead" }).check();
    await until("the other horizon", async () => (await panel.innerText()).includes("auto, 5 bars ahead"));
    assert.deepEqual(errors, []);
    await page.close();
  });

  it("loads older bars when one scrolls back, and shows the stretch that the address names", async () => {
    const { page } = await open(browser, server.url);
    await until("bars", async () => (await attr(page, ".chart", "data-bars")) >= 1500);
    const first = await attr(page, ".chart", "data-first");
    await page.locator(".chart .canvas").focus();
    await until("older bars", async () => {
      await page.keyboard.press("Shift+ArrowLeft");
      return (await attr(page, ".chart", "data-first")) < first;
    });
    assert.equal(await attr(page, ".chart", "data-bars"), 2275);
    const from = Date.parse("2019-03-07T15:00:00Z") / 1000;
    const to = Date.parse("2019-03-07T17:00:00Z") / 1000;
    await page.goto(`${server.url}/?range=${from}-${to}`);
    await until("the stretch", async () => (await attr(page, ".chart", "data-bars")) === 2275);
    await until("the handle", async () =>
      (
        await page.getByRole("slider", { name: "End of the range in sight" }).getAttribute("aria-valuetext")
      )?.includes("7 Mar 2019"),
    );
    await page.close();
  });
});

describe("the dashboard over a bad file", { timeout: 120_000 }, () => {
  it("shows what was refused, with file, line and reason", async () => {
    const file = join(MARKET, "raw", "STOCK_1h_mixed_offsets.csv");
    const server = await Foretick.serve(["--feed", "replay", "--speed", "max", "--file", file]);
    const browser = await launch();
    try {
      const q = await until("rejects", async () => {
        const q = await server.get<{ items: Reject[]; total: number }>("/v1/quarantine?limit=20");
        return q.total > 0 && q;
      });
      const { page } = await open(browser, server.url);
      await until("the panel", async () =>
        (await page.locator("#quarantine-title").innerText()).includes(
          `${q.total.toLocaleString("en-US")} refused`,
        ),
      );
      const text = await page.getByRole("region", { name: "Refused inputs" }).innerText();
      const r = q.items[0] as Reject;
      assert.ok(text.includes(r.reason) && text.includes(`line ${r.line}`) && text.includes(r.source));
    } finally {
      await browser.close();
      await server.dispose();
    }
  });
});
