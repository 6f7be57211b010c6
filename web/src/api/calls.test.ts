import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { html, problem } from "../../dev/fake.ts";
import { ApiError, api, fileAddress, foreign, reportAddress } from "./client.ts";
import { forgetKey, keepKey, readKey } from "./key.ts";

interface Call {
  method: string;
  address: string;
  headers: Record<string, string>;
  body: unknown;
}

let calls: Call[];
let answer: () => Response | Promise<Response>;

beforeEach(() => {
  calls = [];
  answer = () => Response.json({ items: [] });
  vi.stubGlobal("fetch", async (address: string, init: RequestInit = {}) => {
    calls.push({
      method: init.method ?? "GET",
      address,
      headers: (init.headers ?? {}) as Record<string, string>,
      body: init.body,
    });
    init.signal?.throwIfAborted();
    return answer();
  });
});
afterEach(() => forgetKey());

const version = { name: "lstm", id: "abc/../x" };
const S = "kraken:BTC/USD@1m";
const P = "/v1/series/kraken%3ABTC%2FUSD%401m";

describe("every call asks where the API answers", () => {
  it.each<[string, () => Promise<unknown>, string]>([
    ["status", () => api.status(), "GET /v1/status"],
    ["series", () => api.series(), "GET /v1/series"],
    [
      "bars",
      () => api.bars(S, { limit: 5, adjusted: "none" }),
      `GET ${P}/bars?order=desc&limit=5&adjusted=none`,
    ],
    [
      "an older page of bars",
      () => api.bars(S, { limit: 5, cursor: "a b&c", adjusted: "all" }),
      `GET ${P}/bars?order=desc&limit=5&cursor=a+b%26c&adjusted=all`,
    ],
    [
      "a chart",
      () => api.chart(S, { from: "2026-01-01T00:00:00Z", to: "x", max_points: 300, adjusted: "splits" }),
      `GET ${P}/bars?order=asc&from=2026-01-01T00%3A00%3A00Z&to=x&max_points=300&adjusted=splits`,
    ],
    [
      "forecasts of all horizons",
      () => api.forecasts(S, { model: "auto", limit: 1 }),
      `GET ${P}/forecasts?order=desc&model=auto&limit=1`,
    ],
    ["accuracy", () => api.accuracy(S, 3), `GET ${P}/accuracy?horizon=3`],
    [
      "calibration",
      () => api.calibration(S, { model: "ewma", horizon: 2 }),
      `GET ${P}/calibration?model=ewma&horizon=2`,
    ],
    ["gaps", () => api.gaps(S), `GET ${P}/gaps`],
    ["actions", () => api.actions(S), `GET ${P}/actions`],
    ["warnings", () => api.warnings(S), `GET ${P}/warnings`],
    ["head", () => api.head(S), `GET ${P}/ledger`],
    ["the last issue", () => api.lastIssue(S), `GET ${P}/ledger/entries?order=desc&kind=issue&limit=1`],
    ["an entry", () => api.entry(S, 7), `GET ${P}/ledger/entries/7`],
    ["models", () => api.models(), "GET /v1/models"],
    ["backtests", () => api.backtests(), "GET /v1/backtests"],
    ["a backtest", () => api.backtest("b/1"), "GET /v1/backtests/b%2F1"],
    ["a report", () => api.report("b1"), "GET /v1/backtests/b1/report"],
    ["a report as a page", () => api.reportBlob("b1", "page"), "GET /v1/backtests/b1/report.html"],
    ["a report as figures", () => api.reportBlob("b1", "figures"), "GET /v1/backtests/b1/report"],
    ["dropping a backtest", () => api.drop("b1"), "DELETE /v1/backtests/b1"],
    ["versions", () => api.versions(), "GET /v1/versions"],
    ["a version", () => api.version(version), "GET /v1/versions/lstm/abc%2F..%2Fx"],
    ["a version's file", () => api.versionBlob(version), "GET /v1/versions/lstm/abc%2F..%2Fx/file"],
    ["dropping a version", () => api.dropVersion(version), "DELETE /v1/versions/lstm/abc%2F..%2Fx"],
    ["trainings", () => api.trainings(), "GET /v1/trainings"],
    ["a training", () => api.training("t1"), "GET /v1/trainings/t1"],
    ["dropping a training", () => api.dropTraining("t1"), "DELETE /v1/trainings/t1"],
    ["feeds", () => api.feeds(), "GET /v1/feeds"],
    ["the quarantine", () => api.quarantine(20), "GET /v1/quarantine?limit=20"],
  ])("%s", async (_, call, want) => {
    await call();
    expect(calls.map(c => `${c.method} ${c.address}`)).toEqual([want]);
    expect(calls[0]?.headers).not.toHaveProperty("Authorization");
  });

  it("has addresses for links, too", () => {
    expect(reportAddress("b1", "page")).toBe("/v1/backtests/b1/report.html");
    expect(reportAddress("b1", "figures")).toBe("/v1/backtests/b1/report");
    expect(fileAddress(version)).toBe("/v1/versions/lstm/abc%2F..%2Fx/file");
  });

  it.each<[string, () => Promise<unknown>, unknown]>([
    ["a backtest", () => api.order({ series: ["s"] } as never), { series: ["s"] }],
    ["a training", () => api.train({ name: "n" } as never), { name: "n" }],
  ])("orders %s as JSON", async (_, call, body) => {
    await call();
    expect(calls[0]?.method).toBe("POST");
    expect(JSON.parse(String(calls[0]?.body))).toEqual(body);
    expect(calls[0]?.headers).toMatchObject({ "Content-Type": "application/json" });
  });

  it("sends a file as it is", async () => {
    const file = new Blob(["weights"]);
    await api.importVersion(file);
    expect(calls[0]).toMatchObject({ method: "POST", address: "/v1/versions", body: file });
    expect(calls[0]?.headers).toMatchObject({ "Content-Type": "application/octet-stream" });
  });

  it("carries the key, whatever else it carries", async () => {
    keepKey("s3cret");
    await api.status();
    await api.train({} as never);
    for (const c of calls) expect(c.headers.Authorization).toBe("Bearer s3cret");
    expect(calls[1]?.headers["Content-Type"]).toBe("application/json");
  });
});

describe("an answer that is not the one asked for", () => {
  const failure = async (): Promise<ApiError> => {
    const e = await api.status().then(
      () => null,
      (e: unknown) => e,
    );
    expect(e).toBeInstanceOf(ApiError);
    return e as ApiError;
  };

  it.each<[string, () => Response | Promise<Response>, number, string]>([
    ["a refusal", () => problem(403, "Forbidden", "role write is needed"), 403, "role write is needed"],
    ["a failure", () => problem(500, "Internal Server Error", "a bug"), 500, "a bug"],
    ["nothing at all", () => Promise.reject(new TypeError("fetch failed")), 0, "does not answer"],
    ["a login page", () => html(), 0, "text/html"],
    ["an answer without a type", () => new Response(new Uint8Array([1])), 0, "no type"],
    ["a proxy's error page", () => html(502), 502, ""],
    [
      "half of a JSON",
      () => new Response("{", { headers: { "Content-Type": "application/json" } }),
      0,
      "broke off",
    ],
  ])("%s", async (_, f, status, words) => {
    answer = f;
    const e = await failure();
    expect(e.status).toBe(status);
    expect(e.message).toContain(words);
    expect(e.advice).not.toBe("");
    expect(`${e.title} ${e.message}`).not.toMatch(/SyntaxError|undefined|null|TypeError/);
  });

  it("says which fields are wrong", async () => {
    answer = () =>
      new Response(
        JSON.stringify({
          title: "Unprocessable Entity",
          detail: "validation failed",
          errors: [
            { message: "must be positive", location: "body.window" },
            { message: "unknown", location: "query.h" },
            { message: "something" },
          ],
        }),
        { status: 422, headers: { "Content-Type": "application/problem+json" } },
      );
    const e = await failure();
    expect([...e.fields]).toEqual([["window", "must be positive"]]);
    expect(e.message).toBe("validation failed: must be positive (body.window); unknown (query.h); something");
  });

  it("forgets a key that is refused, and none for any other reason", async () => {
    for (const [status, left] of [
      [403, "s3cret"],
      [503, "s3cret"],
      [401, ""],
    ] as const) {
      keepKey("s3cret");
      answer = () => problem(status, "No", "no");
      await failure();
      expect(readKey()).toBe(left);
    }
  });

  it("is nobody's business once it is not waited for", async () => {
    const abort = new AbortController();
    abort.abort();
    await expect(api.status(abort.signal)).rejects.not.toBeInstanceOf(ApiError);
    const later = new AbortController();
    answer = () =>
      new Response(
        new ReadableStream({
          pull: c => {
            later.abort();
            c.error(new DOMException("aborted", "AbortError"));
          },
        }),
        { headers: { "Content-Type": "application/json" } },
      );
    await expect(api.status(later.signal)).rejects.not.toBeInstanceOf(ApiError);
  });

  it("is told with the type of what came", () => {
    expect(foreign(html()).message).toBe("Something else answered in Foretick's place, with text/html.");
    expect(foreign(html()).advice).toContain("keeps trying");
  });
});
