import { chromium } from "playwright-core";
import { CHROMIUM, FLAGS } from "../e2e/browser.ts";

// `tsx dev/shot.ts URL FILE [WIDTH HEIGHT light|dark [full]]`: a picture of the page.
const [url = "http://127.0.0.1:8080", file = "page.png", w = "1440", h = "900", scheme = "light", full = ""] =
  process.argv.slice(2);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
const page = await browser.newPage({
  viewport: { width: Number(w), height: Number(h) },
  colorScheme: scheme === "dark" ? "dark" : "light",
});
page.on("console", m => process.stderr.write(`${m.type()}: ${m.text()}\n`));
page.on("pageerror", e => process.stderr.write(`${e.stack}\n`));
await page.goto(url);
await page.waitForSelector("#next-forecast, #abstention, .empty, .opblock");
await page.waitForTimeout(3500);
await page.screenshot({ path: file, fullPage: full !== "" });
await browser.close();
