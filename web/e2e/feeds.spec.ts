import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { axe, launch, open, until } from "./browser.ts";
import { Foretick } from "./server.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** A venue that speaks Kraken's protocol on this machine, and can go away. */
class Venue {
  readonly dir = mkdtempSync(join(tmpdir(), "foretick-venue-"));
  readonly bin = join(this.dir, "venue");
  addr = "";
  #child: ChildProcess | undefined;

  build(): void {
    execFileSync("go", ["build", "-o", this.bin, "./bench/venue"], { cwd: root, stdio: "inherit" });
  }

  async start(): Promise<void> {
    if (this.addr === "") {
      const s = createServer();
      await new Promise<void>(r => s.listen(0, "127.0.0.1", r));
      const a = s.address();
      await new Promise(r => s.close(r));
      if (a === null || typeof a === "string") throw new Error("no free port");
      this.addr = `127.0.0.1:${a.port}`;
    }
    this.#child = spawn(this.bin, ["-addr", this.addr, "-every", "500ms", "-past", "3h"], {
      stdio: "ignore",
    });
    const limit = Date.now() + 20_000;
    for (;;) {
      const up = await fetch(`http://${this.addr}/`).then(
        () => true,
        () => false,
      );
      if (up) return;
      if (Date.now() > limit) throw new Error("the venue does not start");
      await new Promise(r => setTimeout(r, 50));
    }
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise(r => child.once("exit", r));
    child.kill("SIGKILL");
    await gone;
  }
}

describe("the dashboard over a venue", () => {
  const venue = new Venue();
  let server: Foretick;
  let browser: Browser;
  let page: Page;
  let errors: string[];

  before(async () => {
    venue.build();
    await venue.start();
    server = await Foretick.serve([
      "--instrument",
      "kraken:BTC/USD@1m",
      "--endpoint",
      `kraken=http://${venue.addr}`,
    ]);
    browser = await launch();
    ({ page, errors } = await open(browser, server.url, { viewport: { width: 1440, height: 1000 } }));
  });
  after(async () => {
    await browser?.close();
    await server?.dispose();
    await venue.end();
    rmSync(venue.dir, { recursive: true, force: true });
  });

  const feed = (): Promise<string> => page.locator(".feed").first().innerText();

  it("shows the history, and a feed that runs", async () => {
    await until("the feed runs", async () => (await feed()).includes("running"));
    await until("the clock is compared", async () => /clock agrees|clock is/.test(await feed()));
    const text = await feed();
    assert.match(text, /Missed trades and bars: /);
    assert.match(text, /% left/);
    assert.match(text, /Reconnects/);
    assert.equal(await page.locator(".badge.simulated").count(), 0, "it is not called simulated");
    const bars = await server.get<{ items: unknown[] }>(
      `/v1/series/${encodeURIComponent("kraken:BTC/USD@1m")}/bars?limit=1000`,
    );
    assert.ok(bars.items.length >= 170, `${bars.items.length} bars of history`);
  });

  it("says that the venue is gone, and why", async () => {
    await venue.end();
    await until("the feed is stalled", async () => (await feed()).includes("stalled"));
    await until("the reason is given", async () =>
      /Last reconnect: .*(connection|reached)/.test(await feed()),
    );
    assert.deepEqual(await axe(page), []);
  });

  it("runs again when the venue is back", async () => {
    await venue.start();
    await until("the feed runs again", async () => (await feed()).includes("running"));
    assert.deepEqual(errors, []);
  });
});
