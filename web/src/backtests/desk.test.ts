// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { job, MODELS, report } from "../../dev/backtests.ts";
import type { ApiError } from "../api/client.ts";
import type { Job } from "../api/types.ts";
import { Desk } from "./desk.ts";

let jobs: Job[];
let asked: string[];
let refuse: { status: number; detail: string } | null;

/** A server of a few lines. */
const server = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
  const method = init?.method ?? "GET";
  const path = String(input).replace("/v1", "");
  asked.push(`${method} ${path}`);
  const json = (v: unknown, status = 200) =>
    new Response(JSON.stringify(v), { status, headers: { "Content-Type": "application/json" } });
  if (refuse !== null) return json({ title: "No", ...refuse }, refuse.status);
  if (path === "/models") return json({ items: MODELS });
  if (path === "/backtests" && method === "GET") return json({ items: jobs });
  if (path === "/backtests") {
    const j = job("new", { state: "queued", order: JSON.parse(String(init?.body)) });
    jobs = [j, ...jobs];
    return json(j, 202);
  }
  const [, , id, what] = path.split("/");
  const j = jobs.find(j => j.id === id);
  if (j === undefined) return json({ title: "Not Found", detail: "there is no such backtest" }, 404);
  if (method === "DELETE") {
    jobs = jobs.filter(x => x !== j);
    return new Response(null, { status: 204 });
  }
  return json(what === "report" ? report(j) : j);
};

const polls = (): string[] => asked.filter(a => /^GET \/backtests\/[^/]+$/.test(a));
const tick = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe("the desk", () => {
  let desk: Desk;
  let stop: () => void;
  let keys: unknown[];

  beforeEach(() => {
    vi.useFakeTimers();
    jobs = [job("b1")];
    asked = [];
    refuse = null;
    keys = [];
    vi.stubGlobal("fetch", server);
    desk = new Desk({
      askKey: e => {
        const locked = (e as ApiError).status === 401;
        if (locked) keys.push(e);
        return locked;
      },
    });
    stop = () => {};
  });
  afterEach(() => {
    stop();
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("asks nothing while nothing is queued or running", async () => {
    stop = desk.start();
    await tick(0);
    expect(desk.jobs.value).toHaveLength(1);
    asked = [];
    await tick(60_000);
    expect(asked).toEqual([]);
  });

  it("asks once a second for the one that runs, and reads the list when it ends", async () => {
    jobs = [job("b3", { state: "queued" }), job("b2", { state: "running", bars: 10 }), job("b1")];
    stop = desk.start();
    await tick(0);
    jobs = jobs.map(j => (j.id === "b2" ? { ...j, bars: 700 } : j));
    await tick(3000);
    expect(polls()).toEqual(Array(3).fill("GET /backtests/b2"));
    expect(desk.job("b2")?.bars).toBe(700);
    expect(desk.before(desk.jobs.value?.[0] as Job)).toBe(1);
    jobs = jobs.map(j => (j.id === "b3" ? j : { ...j, state: "done" as const }));
    await tick(1000);
    expect(desk.job("b2")?.state).toBe("done");
    asked = [];
    await tick(1000);
    expect(polls()).toEqual(["GET /backtests/b3"]);
    jobs = jobs.map(j => ({ ...j, state: "done" as const }));
    await tick(1000);
    asked = [];
    await tick(30_000);
    expect(asked).toEqual([]);
  });

  it("follows what it ordered", async () => {
    stop = desk.start();
    await tick(0);
    const j = await desk.order({ series: ["sim:AMZN@1s"], horizons: [1] });
    expect(desk.jobs.value?.[0]?.id).toBe("new");
    expect(j.order.series).toEqual(["sim:AMZN@1s"]);
    await tick(1000);
    expect(polls()).toEqual(["GET /backtests/new"]);
  });

  it.each([
    [422, "burn-in of 5 bars: choose 30 to 1,000,000"],
    [429, "too many are waiting: 16; wait until one is done, or cancel one"],
    [403, "this key may only read"],
  ])("throws what the server says with %i", async (status, detail) => {
    stop = desk.start();
    await tick(0);
    refuse = { status, detail };
    await expect(desk.order({ series: ["x"] })).rejects.toMatchObject({ status, message: detail });
    await expect(desk.drop("b1")).rejects.toMatchObject({ status, message: detail });
    expect(keys).toHaveLength(0);
  });

  it("asks for a key when that is missing", async () => {
    refuse = { status: 401, detail: "no key" };
    stop = desk.start();
    await tick(0);
    expect(keys).toHaveLength(1);
    expect(desk.problem.value).toBeNull();
  });

  it("takes a backtest that is gone for dropped", async () => {
    stop = desk.start();
    await tick(0);
    await desk.drop("b1");
    expect(desk.jobs.value).toEqual([]);
    await expect(desk.drop("b1")).resolves.toBeUndefined();
  });

  it("reads a report once", async () => {
    stop = desk.start();
    await tick(0);
    await Promise.all([desk.report("b1"), desk.report("b1")]);
    await desk.report("b1");
    expect(asked.filter(a => a.endsWith("/report"))).toHaveLength(1);
    expect(desk.reports.value.get("b1")).toMatchObject({ results: expect.any(Array) });
    await desk.report("b7");
    expect(desk.reports.value.get("b7")).toMatchObject({ status: 404 });
  });

  it("says that the server does not answer, and goes on trying", async () => {
    refuse = { status: 503, detail: "the database is locked" };
    stop = desk.start();
    await tick(0);
    expect(desk.problem.value?.message).toBe("the database is locked");
    refuse = null;
    await tick(5000);
    expect(desk.problem.value).toBeNull();
    expect(desk.jobs.value).toHaveLength(1);
  });

  it("stops with the page", async () => {
    jobs = [job("b2", { state: "running" })];
    stop = desk.start();
    await tick(0);
    stop();
    asked = [];
    await tick(10_000);
    expect(asked).toEqual([]);
  });
});
