// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../api/client.ts";
import { active, Follow, type Ordered, problemOf } from "./follow.ts";

type State = Ordered["state"];

/** A server that keeps jobs, in a few lines. */
class Jobs extends Follow<Ordered> {
  stored: Ordered[] = [];
  readonly asked: string[] = [];
  refuse: unknown = null;

  protected readAll(): Promise<Ordered[]> {
    this.asked.push("all");
    return this.refuse === null ? Promise.resolve([...this.stored]) : Promise.reject(this.refuse);
  }
  protected readOne(id: string): Promise<Ordered> {
    this.asked.push(id);
    if (this.refuse !== null) return Promise.reject(this.refuse);
    const j = this.stored.find(j => j.id === id);
    return j === undefined
      ? Promise.reject(new ApiError(404, "Not Found", "gone"))
      : Promise.resolve({ ...j });
  }
  protected end(id: string): Promise<void> {
    this.asked.push(`end ${id}`);
    if (this.refuse !== null) return Promise.reject(this.refuse);
    this.stored = this.stored.filter(j => j.id !== id);
    return Promise.resolve();
  }
  order(j: Ordered): void {
    this.stored = [j, ...this.stored];
    this.put(j);
  }
  set(id: string, state: State): void {
    this.stored = this.stored.map(j => (j.id === id ? { id, state } : j));
  }
}

let jobs: Jobs;
let stop: () => void;
let visible: boolean;
const askKey = vi.fn((e: unknown) => e instanceof ApiError && e.status === 401);
const tick = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const asked = (): string[] => jobs.asked.splice(0);
const job = (id: string, state: State): Ordered => ({ id, state });
const see = (v: boolean): void => {
  visible = v;
  document.dispatchEvent(new Event("visibilitychange"));
};

beforeEach(() => {
  vi.useFakeTimers();
  visible = true;
  vi.spyOn(document, "hidden", "get").mockImplementation(() => !visible);
  askKey.mockClear();
  jobs = new Jobs({ askKey });
  stop = () => {};
});
afterEach(() => {
  stop();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("following jobs", () => {
  it("knows nothing before the server has said", async () => {
    expect(jobs.jobs.value).toBeNull();
    expect(jobs.busy.value).toBe(false);
    expect(jobs.job("a")).toBeUndefined();
    stop = jobs.start();
    await tick();
    expect(jobs.jobs.value).toEqual([]);
  });

  it("asks for the one that runs; when it ends, for all, and then for the one that has waited longest", async () => {
    jobs.stored = [job("c", "queued"), job("b", "queued"), job("a", "running"), job("z", "done")];
    stop = jobs.start();
    await tick();
    expect(jobs.busy.value).toBe(true);
    await tick(2000);
    expect(asked()).toEqual(["all", "a", "a"]);
    jobs.set("a", "done");
    await tick(1000);
    expect(asked()).toEqual(["a", "all"]);
    await tick(1000);
    expect(asked()).toEqual(["b"]);
    for (const id of ["a", "b", "c"]) jobs.set(id, "done");
    await tick(1000);
    expect(asked()).toEqual(["b", "all"]);
    await tick(60_000);
    expect(asked()).toEqual([]);
    expect(jobs.busy.value).toBe(false);
  });

  it("counts what comes before", async () => {
    jobs.stored = [job("c", "queued"), job("b", "cancelled"), job("a", "running")];
    stop = jobs.start();
    await tick();
    expect((jobs.jobs.value ?? []).map(j => jobs.before(j))).toEqual([1, 1, 0]);
    expect((jobs.jobs.value ?? []).map(active)).toEqual([true, false, true]);
  });

  it("follows what was just ordered, once in the list however often it is put there", async () => {
    stop = jobs.start();
    await tick();
    jobs.order(job("n", "queued"));
    jobs.order(job("n", "queued"));
    expect(jobs.jobs.value).toEqual([job("n", "queued")]);
    asked();
    await tick(1000);
    expect(asked()).toEqual(["n"]);
  });

  it("reads all anew when the one it follows is gone", async () => {
    jobs.stored = [job("a", "running")];
    stop = jobs.start();
    await tick();
    jobs.stored = [];
    await tick(1000);
    expect(asked()).toEqual(["all", "a", "all"]);
    expect(jobs.jobs.value).toEqual([]);
    expect(jobs.problem.value).toBeNull();
  });

  it("asks nothing while nobody looks, and catches up when somebody does", async () => {
    jobs.stored = [job("a", "running")];
    stop = jobs.start();
    await tick();
    see(false);
    await tick(1000);
    asked();
    await tick(30_000);
    expect(asked()).toEqual([]);
    jobs.set("a", "failed");
    see(true);
    await tick();
    expect(asked()).toEqual(["all"]);
    expect(jobs.job("a")?.state).toBe("failed");
  });

  it("says what is wrong, tries again after four seconds, and takes the words back", async () => {
    jobs.stored = [job("a", "running")];
    stop = jobs.start();
    await tick();
    jobs.refuse = new ApiError(503, "Service Unavailable", "busy");
    await tick(1000);
    expect(jobs.problem.value?.message).toBe("busy");
    expect(jobs.jobs.value).toHaveLength(1); // what was known stays
    jobs.refuse = null;
    asked();
    await tick(3900);
    expect(asked()).toEqual([]);
    await tick(200);
    expect(asked()).toEqual(["all"]);
    expect(jobs.problem.value).toBeNull();
  });

  it("leaves a missing key to the page, and waits for it", async () => {
    jobs.refuse = new ApiError(401, "Unauthorized", "a key is needed");
    stop = jobs.start();
    await tick(60_000);
    expect(askKey).toHaveBeenCalledTimes(1);
    expect(asked()).toEqual(["all"]);
    expect(jobs.problem.value).toBeNull();
  });

  it("asks nothing after it was ended, and can begin again", async () => {
    jobs.stored = [job("a", "running")];
    jobs.start()();
    await tick(60_000);
    expect(asked()).toEqual(["all"]);
    see(true);
    expect(asked()).toEqual([]);
    stop = jobs.start();
    await tick(1000);
    expect(asked()).toEqual(["all", "a"]);
  });
});

describe("dropping a job", () => {
  beforeEach(async () => {
    jobs.stored = [job("a", "done"), job("b", "done")];
    stop = jobs.start();
    await tick();
    asked();
  });

  it("drops it and reads the rest", async () => {
    await jobs.drop("a");
    expect(asked()).toEqual(["end a", "all"]);
    expect(jobs.jobs.value).toEqual([job("b", "done")]);
  });

  it("is content when it is gone already", async () => {
    const end = vi.spyOn(jobs as unknown as { end(): Promise<void> }, "end");
    end.mockRejectedValue(new ApiError(404, "Not Found", "gone"));
    await jobs.drop("a");
    expect(asked()).toEqual(["all"]);
  });

  it.each([401, 403, 500])("passes on what the server has against it: %i", async status => {
    jobs.refuse = new ApiError(status, "No", "no");
    await expect(jobs.drop("a")).rejects.toMatchObject({ status });
    expect(askKey).toHaveBeenCalledTimes(1);
  });
});

it("makes a problem of anything", () => {
  const e = new ApiError(500, "t", "d");
  expect(problemOf(e)).toBe(e);
  expect(problemOf(new Error("x"))).toMatchObject({ status: -1, message: "Error: x" });
});
