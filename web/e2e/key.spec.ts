import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser } from "playwright-core";
import { alive, axe, launch, open, until } from "./browser.ts";
import { Foretick } from "./server.ts";

const SECRET = "a-secret-of-many-letters";

describe("the dashboard of a server with keys", { timeout: 120_000 }, () => {
  let server: Foretick;
  let browser: Browser;

  before(async () => {
    [server, browser] = await Promise.all([
      Foretick.serve([], { FORETICK_API_KEYS: `reader:read:${SECRET}` }),
      launch(),
    ]);
  });
  after(async () => {
    await browser?.close();
    await server?.dispose();
  });

  it("asks for the key once, says when it is wrong, and can forget it", async () => {
    const { page, errors } = await open(browser, server.url);
    const dialog = page.getByRole("dialog", { name: "API key" });
    await dialog.waitFor();
    assert.deepEqual(await axe(page), []);
    await dialog.getByLabel("Key").fill("not-the-right-one-at-all");
    await dialog.getByRole("button", { name: "Use key" }).click();
    await until("the refusal", async () => (await dialog.innerText()).includes("did not accept"));
    await dialog.getByLabel("Key").fill(SECRET);
    await dialog.getByRole("button", { name: "Use key" }).click();
    await dialog.waitFor({ state: "hidden" });
    await alive(page);
    await until("the light", async () => (await page.locator(".light").innerText()).includes("live"));
    await page.reload();
    await alive(page);
    assert.equal(await dialog.count(), 0);
    // A link carries no key: the entry is shown by the page itself.
    await page.locator("#recent a.hash").first().click();
    await until("the entry", async () =>
      (await page.locator(".inspector pre").innerText()).includes("quantiles"),
    );
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Forget API key" }).click();
    await dialog.waitFor();
    assert.deepEqual(errors, []);
    await page.close();
  });
});
