// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { detail, imported, training, version } from "../../dev/models.ts";
import type { ApiError } from "../api/client.ts";
import type { Training, Version } from "../api/types.ts";
import { Desk } from "./desk.ts";

let trainings: Training[];
let versions: Version[];
let asked: string[];
let refuse: { status: number; detail: string } | null;

/** A server of a few lines. */
const server = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
  const method = init?.method ?? "GET";
  const path = String(input).replace("/v1", "");
  asked.push(`${method} ${path}`);
  const json = (v: unknown, status = 200) =>
    new Response(JSON.stringify(v), { status, headers: { "Content-Type": "application/json" } });
  const none = (status: number) => new Response(null, { status });
  if (refuse !== null) return json({ title: "No", ...refuse }, refuse.status);
  const [, what, name, id] = path.split("/");
  if (what === "trainings") {
    if (method === "POST") {
      trainings = [training("new", { state: "queued" }), ...trainings];
      return json(trainings[0], 202);
    }
    if (name === undefined) return json({ items: trainings });
    const t = trainings.find(t => t.id === name);
    if (t === undefined) return json({ title: "Not Found" }, 404);
    if (method === "DELETE") trainings = trainings.filter(x => x !== t);
    return method === "DELETE" ? none(204) : json(t);
  }
  if (method === "POST") {
    versions = [version("brought"), ...versions];
    return json(versions[0], 201);
  }
  if (name === undefined) return json({ items: versions });
  const v = versions.find(v => v.name === name && v.id === id);
  if (v === undefined) return json({ title: "Not Found" }, 404);
  if (method === "DELETE") versions = versions.filter(x => x !== v);
  return method === "DELETE" ? none(204) : json(detail(v));
};

const tick = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe("the desk", () => {
  let desk: Desk;
  let stop: () => void;
  let keys: number;
  let renewed: number;

  beforeEach(() => {
    vi.useFakeTimers();
    trainings = [];
    versions = [imported("o")];
    asked = [];
    refuse = null;
    keys = 0;
    renewed = 0;
    vi.stubGlobal("fetch", server);
    desk = new Desk({
      askKey: e => {
        const locked = (e as ApiError).status === 401;
        if (locked) keys++;
        return locked;
      },
      renew: async () => void renewed++,
    });
    stop = desk.start();
  });
  afterEach(() => {
    stop();
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("follows a training to its end, and lets the page look for the model that came of it", async () => {
    await tick(0);
    await desk.train({ series: ["sim:AMZN@1s"] });
    trainings = [training("new", { state: "running", progress: 0.1 })];
    await tick(1000);
    expect(desk.job("new")?.progress).toBe(0.1);
    expect(desk.seen("new")?.progress).toBe(0.1);
    trainings = [training("new", { state: "running", progress: 0.5 })];
    await tick(1000);
    expect(desk.seen("new")?.progress).toBe(0.1);
    expect(renewed).toBe(0);
    trainings = [training("new")];
    versions = [version("v"), ...versions];
    await tick(1000);
    expect(desk.versions.value?.map(v => v.id)).toEqual(["v", "o"]);
    expect(renewed).toBe(1);
    asked = [];
    await tick(30_000);
    expect(asked).toEqual([]);
  });

  it("reads the details of a version once", async () => {
    await tick(0);
    const [v] = versions as [Version];
    await Promise.all([desk.detail(v), desk.detail(v)]);
    await desk.detail(v);
    expect(asked.filter(a => a === "GET /versions/original/o")).toHaveLength(1);
    expect(desk.details.value.get("original/o")).toMatchObject({ trained: null });
    await desk.detail({ name: "x", id: "y" });
    expect(desk.details.value.get("x/y")).toMatchObject({ status: 404 });
  });

  it("takes a file, and deletes a version that may be gone already", async () => {
    await tick(0);
    const v = await desk.bring(new Blob(["weights"]));
    expect(desk.versions.value?.map(v => v.id)).toEqual(["brought", "o"]);
    expect(renewed).toBe(1);
    await desk.dropVersion(v);
    await desk.dropVersion(v);
    expect(desk.versions.value?.map(v => v.id)).toEqual(["o"]);
    expect(renewed).toBe(2);
  });

  it("throws what the server has against something, and asks for a key when that is missing", async () => {
    await tick(0);
    refuse = { status: 422, detail: "no" };
    await expect(desk.train({ series: [] })).rejects.toMatchObject({ status: 422, message: "no" });
    await expect(desk.bring(new Blob())).rejects.toMatchObject({ message: "no" });
    await expect(desk.dropVersion(version("v"))).rejects.toMatchObject({ message: "no" });
    expect(keys).toBe(0);
    refuse = { status: 401, detail: "no key" };
    await expect(desk.drop("t")).rejects.toMatchObject({ status: 401 });
    expect(keys).toBe(1);
  });
});
