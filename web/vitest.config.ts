import { defineConfig } from "vitest/config";

// Files share a process, so that the browser's stand-in is made once and not for each of them:
// a third of the time. What a test stubs is put back after it, and a click on a link leads
// nowhere, because it would leave the page that all of them are in.
export default defineConfig({
  test: {
    include: ["src/**/*.test.{ts,tsx}"],
    pool: "forks",
    isolate: false,
    unstubGlobals: true,
    testTimeout: 20_000,
    environmentOptions: {
      happyDOM: {
        settings: { navigation: { disableMainFrameNavigation: true, disableChildPageNavigation: true } },
      },
    },
  },
});
