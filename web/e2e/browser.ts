import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Debian's Chromium, unless CHROMIUM names another. */
export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

export const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const launch = (): Promise<Browser> => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** A page that keeps what a test must not overlook. */
export interface Watched {
  page: Page;
  /** Errors of scripts, and of the content security policy. */
  errors: string[];
  /** Addresses asked for. */
  asked: string[];
}

export async function open(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const page = await browser.newPage(options);
  page.setDefaultTimeout(20_000);
  const errors: string[] = [];
  const asked: string[] = [];
  page.on("pageerror", e => errors.push(String(e)));
  page.on("console", m => {
    // What the network does while a server is down is expected and shown on the page.
    if (m.type() === "error" && !m.text().startsWith("Failed to load resource")) errors.push(m.text());
  });
  page.on("request", r => asked.push(r.url()));
  // The transpiler of these files names functions; the page has no such helper.
  await page.addInitScript("globalThis.__name = f => f");
  await page.goto(url);
  return { page, errors, asked };
}

/** The page shows bars and a sealed forecast. */
export async function alive(page: Page): Promise<void> {
  await page.waitForSelector("#next-forecast", { timeout: 60_000 });
  await page.waitForSelector("#prediction-line", { timeout: 30_000 });
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  id: string;
  help: string;
  nodes: { target: unknown; failureSummary?: string }[];
}

/** What axe finds on the page, in words; empty when it finds nothing. */
export async function axe(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: unknown[] }> } };
    return (await axe.run()).violations;
  });
  return (found as Violation[]).map(
    v =>
      `${v.id}: ${v.help}: ${v.nodes.map(n => `${String(n.target)} ${n.failureSummary ?? ""}`).join(" | ")}`,
  );
}

/** The width by which the page is wider than its window. */
export const overhang = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** An attribute of an element as a number. */
export async function attr(page: Page, selector: string, name: string): Promise<number> {
  return Number(await page.locator(selector).getAttribute(name));
}

/** Waits until f answers something that is not false, undefined or null. */
export async function until<T>(what: string, f: () => Promise<T | false | undefined | null>): Promise<T> {
  const end = Date.now() + 30_000;
  for (;;) {
    const v = await f();
    if (v !== false && v !== undefined && v !== null) return v;
    if (Date.now() > end) throw new Error(`waited too long: ${what}`);
    await new Promise(r => setTimeout(r, 100));
  }
}
