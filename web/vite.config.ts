import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "dist");

const EMBEDDED = [
  "lightweight-charts",
  "fancy-canvas",
  "preact",
  "@preact/signals",
  "@preact/signals-core",
  "eventsource-parser",
  "swagger-ui-dist",
];

/** The licences of everything that the page carries, which their authors ask to be passed on. */
function licenses(): string {
  const parts = EMBEDDED.map(name => {
    const dir = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as Record<
      string,
      string
    >;
    const texts = ["LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"]
      .map(f => join(dir, f))
      .filter(f => existsSync(f))
      .map(f => readFileSync(f, "utf8").trim());
    return [`${name} ${version} (${license})`, ...texts].join("\n\n");
  });
  return `${parts.join(`\n\n${"-".repeat(78)}\n\n`)}\n`;
}

// The API's documentation is shown by Swagger UI from files of our own, never from
// another host. dist/docs/ holds everything that /docs needs.
function documentation(): Plugin {
  return {
    name: "foretick-docs",
    apply: "build",
    writeBundle() {
      const swagger = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
      mkdirSync(join(out, "docs"), { recursive: true });
      for (const f of ["swagger-ui-bundle.js", "swagger-ui.css"])
        copyFileSync(join(swagger, f), join(out, "docs", f));
      for (const f of ["index.html", "docs.js", "docs.css"])
        copyFileSync(join(here, "docs", f), join(out, "docs", f));
      writeFileSync(join(out, "licenses.txt"), licenses());
      // emptyOutDir removes the tracked placeholder: put it back.
      writeFileSync(join(out, ".gitkeep"), "");
    },
  };
}

export default defineConfig({
  plugins: [documentation()],
  build: {
    outDir: out,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/openapi.json", "/stock_data", "/predict", "/healthz", "/readyz"].map(p => [
        p,
        { target: process.env.FORETICK_URL ?? "http://127.0.0.1:8080", changeOrigin: true },
      ]),
    ),
  },
});
