import { defineConfig } from "vitest/config";

// Files share a process, so that the browser's stand-in is made once and not for each of them:
// a third of the time. What a test stubs is put back after it.
export default defineConfig({
  test: { include: ["src/**/*.test.{ts,tsx}"], pool: "forks", isolate: false, unstubGlobals: true },
});
