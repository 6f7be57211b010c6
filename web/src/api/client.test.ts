import { describe, expect, it } from "vitest";
import { ApiError, address, entryAddress, problemOf } from "./client.ts";

describe("address", () => {
  it("leaves out what is not set", () => {
    expect(address("/series", { limit: 5, cursor: "", from: undefined })).toBe("/v1/series?limit=5");
  });
  it("encodes a symbol with a slash", () => {
    expect(entryAddress("kraken:BTC/USD@1m", 7)).toBe("/v1/series/kraken%3ABTC%2FUSD%401m/ledger/entries/7");
  });
});

describe("problemOf", () => {
  const of = (body: string, status: number, type = "application/problem+json") =>
    problemOf(new Response(body, { status, headers: { "content-type": type } }));

  it("reads a problem with its list of errors", async () => {
    const body = {
      title: "Unprocessable Entity",
      status: 422,
      detail: "validation failed",
      errors: [{ message: "expected number <= 5000", location: "query.limit" }],
    };
    const p = await of(JSON.stringify(body), 422);
    expect(p.message).toBe("validation failed: expected number <= 5000 (query.limit)");
    expect(p.title).toBe("Unprocessable Entity");
  });
  it("has words for a body that is not JSON", async () => {
    const p = await of("<html>502</html>", 502, "text/html");
    expect(p.status).toBe(502);
    expect(p.message).not.toBe("");
    expect(p.advice).toContain("log");
  });
  it("survives broken JSON", async () => {
    expect((await of("{", 500)).status).toBe(500);
  });
  it("says what to do for each status", () => {
    for (const status of [0, 401, 403, 404, 422, 429, 500, 503]) {
      expect(new ApiError(status, "t", "d").advice.length).toBeGreaterThan(10);
    }
  });
});
