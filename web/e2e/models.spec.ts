import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { Series, Training, Version, VersionDetail } from "../src/api/types.ts";
import { axe, launch, open, overhang, until } from "./browser.ts";
import { Foretick } from "./server.ts";

const SERIES = "sim:AMZN@1s";
const WRITER = "a-secret-of-many-letters";
const READER = "another-secret-of-letters";
const SMALL = { Units: "4", Steps: "8", Epochs: "2", Restarts: "1" };

const ready = (server: Foretick, key = ""): Promise<unknown> =>
  until("bars to learn from", async () => {
    const path = `/v1/series/${encodeURIComponent(SERIES)}/bars?limit=400`;
    return (await server.get<{ items: unknown[] }>(path, key)).items.length >= 300;
  });

/** Fills in the form for a training, and orders it. */
async function train(page: Page, name: string, numbers: Record<string, string> = SMALL): Promise<string> {
  const form = page.locator(".order-form").first();
  const fold = page.getByRole("heading", { name: "Train a model" });
  await fold.waitFor();
  if ((await form.getByLabel(/^Name/).count()) === 0) await fold.click();
  await form.locator(`input[value="${SERIES}"]`).setChecked(true);
  await form.getByLabel(/^Name/).fill(name);
  if (!(await form.getByLabel(/^Units/).isVisible())) await form.getByText("Advanced").click();
  for (const [label, value] of Object.entries(numbers))
    await form.getByLabel(new RegExp(`^${label}`)).fill(value);
  const old = page.url();
  await form.getByRole("button", { name: "Train" }).click();
  return until("the training in the address", async () => {
    if (page.url() === old) return false;
    return new URL(page.url()).searchParams.get("id");
  });
}

const finished = (page: Page, id: string): Promise<unknown> =>
  page.waitForSelector(`.training[data-job="${id}"][data-state="done"]`, { timeout: 90_000 });

const panel = (page: Page) => page.locator(".version");

describe("models on the dashboard", { timeout: 300_000 }, () => {
  let server: Foretick;
  let browser: Browser;
  let version: Version;

  before(async () => {
    [server, browser] = await Promise.all([Foretick.serve(), launch()]);
    await ready(server);
  });
  after(async () => {
    await browser?.close();
    await server?.dispose();
  });

  it("says how to get a model while none is stored", async () => {
    const { page, errors } = await open(browser, server.url);
    await page.getByRole("link", { name: "Models" }).click();
    await page.getByRole("heading", { name: "No model is stored yet" }).waitFor();
    const words = await page.locator(".about").innerText();
    assert.match(words, /foretick train/);
    assert.match(words, /foretick models import --name original --pth/);
    assert.equal(await page.title(), "Models · Foretick");
    assert.deepEqual(await axe(page), []);
    await page.getByRole("button", { name: "Train a model" }).click();
    await page.getByLabel(/^Name/).waitFor();
    assert.deepEqual(errors, []);
    await page.close();
  });

  it("trains one, watches it, shows what it is, and sees it join the race", async () => {
    const { page, errors, asked } = await open(browser, `${server.url}/?view=models`);
    const id = await train(page, "tiny");
    await finished(page, id);
    const job = await server.get<Training>(`/v1/trainings/${id}`);
    assert.equal(job.plan.options.units, 4);
    assert.equal(job.plan.options.steps, 8);
    await page.locator(".training").getByRole("link", { name: "Open its version" }).click();
    await panel(page).waitFor();
    const v = await server.get<VersionDetail>(`/v1/versions/tiny/${job.version}`);
    version = v;
    assert.equal(new URL(page.url()).searchParams.get("id"), `tiny/${v.id}`);
    await page.getByRole("img", { name: "Learning curve" }).waitFor();
    const words = await panel(page).innerText();
    for (const part of [v.about, v.id, v.source, v.loss?.toFixed(4) ?? "?", "SIMULATED", "Forecasts from"])
      assert.ok(words.includes(part), `${part} is missing in ${words}`);
    assert.equal(await panel(page).locator("path.valid").count(), 1);
    await panel(page).getByText("Numbers").click();
    const rows = panel(page).locator(".plot tbody tr");
    await until("the numbers of the curve", async () => (await rows.count()) === v.trained?.curve.length);
    assert.ok((await rows.first().innerText()).includes(v.trained?.curve[0]?.valid.toFixed(4) ?? "?"));
    const row = await page.locator(`#versions tr[data-version="tiny/${v.id}"]`).innerText();
    assert.match(row, /simulated/);
    assert.match(row, /lstm 1 × 4, 8 inputs/);
    // Nothing is asked any more once all have ended.
    const n = asked.filter(a => /\/v1\/(trainings|versions)/.test(a)).length;
    await page.waitForTimeout(2500);
    assert.equal(asked.filter(a => /\/v1\/(trainings|versions)/.test(a)).length, n);
    // The page knows of the new model without being loaded again.
    await panel(page).getByRole("link", { name: "AMZN 1s" }).click();
    assert.equal(new URL(page.url()).searchParams.get("model"), "tiny");
    await until("the model in the race", async () => {
      const { items } = await server.get<{ items: Series[] }>("/v1/series");
      return items.find(s => s.id === SERIES)?.models.some(m => m.name === "tiny");
    });
    await page.waitForSelector('#models tr[data-model="tiny"]', { timeout: 60_000 });
    await page.locator('#models tr[data-model="tiny"]').getByRole("link", { name: "stored" }).click();
    await page.waitForSelector(`.version[data-version="tiny/${v.id}"]`);
    await page.goBack();
    await page.waitForSelector('#models tr[data-model="tiny"]');
    assert.deepEqual(errors, []);
    await page.close();
  });

  it("shows what is wrong with an order beside its field", async () => {
    const { page } = await open(browser, `${server.url}/?view=models`);
    await page.getByRole("heading", { name: "Train a model" }).click();
    const form = page.locator(".order-form").first();
    await form.locator(`input[value="${SERIES}"]`).setChecked(true);
    await form.getByText("Advanced").click();
    await form.getByLabel(/^Units/).fill("4000");
    await form.getByRole("button", { name: "Train" }).click();
    assert.equal(await form.locator(".field .wrong").innerText(), "A whole number, 1 to 1,024.");
    assert.equal(await form.getByLabel(/^Units/).getAttribute("aria-invalid"), "true");
    assert.deepEqual(await axe(page), []);
    await form.getByLabel(/^Units/).fill("4");
    // The name belongs to a model of Foretick: only the server knows.
    await form.getByLabel(/^Name/).fill("garch");
    await form.getByRole("button", { name: "Train" }).click();
    await until("the refusal", async () =>
      /belongs to Foretick itself/.test(await form.locator(".field .wrong").innerText()),
    );
    assert.equal(await form.getByLabel(/^Name/).getAttribute("aria-invalid"), "true");
    await page.close();
  });

  it("downloads a version, deletes it and imports it back", async () => {
    const { page, errors } = await open(browser, `${server.url}/?view=models&id=tiny`);
    await panel(page).waitFor();
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Download .safetensors" }).click(),
    ]);
    assert.equal(file.suggestedFilename(), `tiny-${version.id}.safetensors`);
    const path = await file.path();
    await panel(page).getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog", { name: /^Delete tiny/ }).waitFor();
    assert.deepEqual(await axe(page), []);
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.getByRole("heading", { name: "No model is stored yet" }).waitFor();
    await page.getByRole("heading", { name: "Import a version" }).click();
    const bring = page.locator(".bring");
    await bring
      .getByLabel(/^File/)
      .setInputFiles({ name: "x.safetensors", mimeType: "", buffer: Buffer.from("nothing of the kind") });
    await bring.getByRole("button", { name: "Import" }).click();
    await until("the refusal", async () => /not a model version/.test(await bring.innerText()));
    await bring
      .getByLabel(/^File/)
      .setInputFiles({ name: "tiny.safetensors", mimeType: "", buffer: readFileSync(path) });
    await bring.getByRole("button", { name: "Import" }).click();
    await page.waitForSelector(`.version[data-version="tiny/${version.id}"]`);
    const again = await server.get<Version>(`/v1/versions/tiny/${version.id}`);
    assert.equal(again.loss, version.loss);
    assert.deepEqual(errors, []);
    await page.close();
  });

  it("cancels a training at work, with its curve as far as it came, and forgets it", async () => {
    const { page, errors } = await open(browser, `${server.url}/?view=models`);
    const id = await train(page, "long", { Units: "128", Layers: "2", Steps: "64", Restarts: "100" });
    const going = page.locator(`.training[data-job="${id}"][data-state="running"]`);
    await going.getByRole("img", { name: "Learning curve" }).waitFor({ timeout: 60_000 });
    assert.match(await going.innerText(), /network \d+ of 100, epoch \d+/);
    await until("the time it needs", async () => /at most .* left/.test(await going.innerText()));
    assert.deepEqual(await axe(page), []);
    await going.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Cancel it" }).click();
    await page.waitForSelector(`.training[data-job="${id}"][data-state="cancelled"]`, { timeout: 60_000 });
    await page.locator(".training").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.waitForSelector(`[data-job="${id}"]`, { state: "detached" });
    await page.goto(`${server.url}/?view=models&id=${id}`);
    await page.getByText(`There is no model or training ${id}`).waitFor();
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
      const { items } = await server.get<{ items: Training[] }>("/v1/trainings");
      for (const search of ["", "&id=tiny", `&id=${items[0]?.id}`]) {
        const { page } = await open(browser, `${server.url}/?view=models${search}`, {
          ...options,
          reducedMotion: "reduce",
        });
        await page.waitForSelector(search === "" ? "#versions" : ".panel .curve path.valid");
        await page.getByRole("heading", { name: "Train a model" }).click();
        await page.getByText("Advanced").click();
        assert.deepEqual(await axe(page), []);
        assert.ok((await overhang(page)) <= 0, "wider than the window");
        await page.close();
      }
    });
  }
});

describe("models of a server with keys", { timeout: 180_000 }, () => {
  let server: Foretick;
  let browser: Browser;

  before(async () => {
    const keys = `writer:write:${WRITER},reader:read:${READER}`;
    [server, browser] = await Promise.all([Foretick.serve([], { FORETICK_API_KEYS: keys }), launch()]);
    await ready(server, READER);
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
    const { page } = await open(browser, `${server.url}/?view=models`);
    await enter(page, READER);
    await page.getByRole("heading", { name: "Train a model" }).click();
    const form = page.locator(".order-form").first();
    await form.locator(`input[value="${SERIES}"]`).setChecked(true);
    await form.getByRole("button", { name: "Train" }).click();
    await until("the refusal", async () => (await form.innerText()).includes("this key may only read"));
    await page.close();
  });

  it("trains and downloads though a link carries no key", async () => {
    const { page, errors } = await open(browser, `${server.url}/?view=models`);
    await enter(page, WRITER);
    const id = await train(page, "tiny");
    await finished(page, id);
    await page.locator(".training").getByRole("link", { name: "Open its version" }).click();
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download .safetensors" }).click(),
    ]);
    assert.match(file.suggestedFilename(), /^tiny-\w+\.safetensors$/);
    assert.deepEqual(errors, []);
    await page.close();
  });
});
