// @vitest-environment happy-dom
import { afterEach, describe, expect, it, vi } from "vitest";
import { forgetKey, keepKey, readKey } from "./key.ts";

/** What a browser may do with storage: work, have no room, or forbid it. */
const storages: [string, (() => void) | null][] = [
  ["that works", null],
  [
    "that is full: it can be read, not written",
    () => {
      vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
        throw new DOMException("no room", "QuotaExceededError");
      });
    },
  ],
  [
    "that is forbidden",
    () => {
      for (const f of ["getItem", "setItem", "removeItem"] as const)
        vi.spyOn(Storage.prototype, f).mockImplementation(() => {
          throw new DOMException("forbidden", "SecurityError");
        });
    },
  ],
  [
    "that is not there",
    () => {
      vi.stubGlobal("localStorage", undefined);
    },
  ],
];

describe.each(storages)("a key, with storage %s", (_, prepare) => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
    forgetKey();
  });

  it("is kept until it is forgotten", () => {
    prepare?.();
    expect(readKey()).toBe("");
    keepKey("s3cret");
    expect(readKey()).toBe("s3cret");
    keepKey("another");
    expect(readKey()).toBe("another");
    forgetKey();
    expect(readKey()).toBe("");
    forgetKey();
  });
});

it("is read as another tab left it", () => {
  keepKey("mine");
  localStorage.setItem("foretick.key", "theirs");
  expect(readKey()).toBe("theirs");
  forgetKey();
});
