import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Fake, problem } from "../../dev/fake.ts";
import { Slow } from "./slow.ts";
import { DEFAULT_VIEW, type View } from "./url.ts";

let fake: Fake;
let view: View;
let watched: boolean;
let combined: string;
let abort: AbortController;
let failed: ReturnType<typeof vi.fn<(e: unknown, signal: AbortSignal) => void>>;
let slow: Slow;

const tick = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const calls = (part: string): string[] => fake.asked.filter(c => c.includes(part));

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 2, 4) });
  fake = new Fake(80);
  vi.stubGlobal("fetch", fake.fetch);
  view = { ...DEFAULT_VIEW, series: "sim:AMZN@1s", model: "ewma", horizon: 1 };
  watched = true;
  combined = "auto";
  abort = new AbortController();
  failed = vi.fn();
  slow = new Slow({
    view: () => view,
    combined: () => combined,
    signal: () => abort.signal,
    watched: () => watched,
    failed,
  });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("what may be some seconds old", () => {
  it("is the calibration of the model and what the combined one is made of", async () => {
    await slow.load();
    expect(slow.calibration.value).toMatchObject({ model: "ewma", horizon: 1 });
    expect(slow.mix.value).toMatchObject({ model: "auto", horizon: 1 });
    expect(slow.mix.value?.points.length).toBeGreaterThan(10);
    expect(failed).not.toHaveBeenCalled();
  });

  it("is not asked for when there is no series, no model, or nobody looks", async () => {
    for (const blind of [{ series: "" }, { model: "" }]) {
      const before = view;
      view = { ...view, ...blind };
      await slow.load();
      view = before;
    }
    watched = false;
    await slow.load();
    expect(fake.asked).toEqual([]);
  });

  it("is asked for at most every four seconds, however much happens", async () => {
    for (let i = 0; i < 120; i++) {
      slow.stir();
      await tick(100);
    }
    expect(calls("/calibration").length).toBeGreaterThanOrEqual(3);
    expect(calls("/calibration").length).toBeLessThanOrEqual(4);
  });

  it("asks for the weights since the last it knows, and joins them", async () => {
    await slow.load();
    const before = slow.mix.value?.points ?? [];
    fake.bar();
    fake.bar();
    await slow.load();
    const since = new Date(before.at(-1)?.t ?? 0).toISOString();
    expect(calls("/forecasts").at(-1)).toContain(`from=${encodeURIComponent(since)}`);
    expect(slow.mix.value?.points).toHaveLength(before.length + 2);
    // Another horizon is another mix, from the beginning.
    view = { ...view, horizon: 2 };
    await slow.load();
    expect(calls("/forecasts").at(-1)).not.toContain("from=");
    expect(slow.mix.value?.horizon).toBe(2);
  });

  it("has no mix where no model combines others", async () => {
    combined = "";
    await slow.load();
    expect(slow.mix.value).toBeNull();
    expect(calls("/forecasts")).toEqual([]);
  });

  it("takes the answer to the latest question, not the answer that comes last", async () => {
    let late: (r: Response) => void = () => {};
    fake.trouble = path =>
      path.includes("model=ewma")
        ? new Promise<Response>(r => {
            late = r;
          })
        : undefined;
    const first = slow.load();
    view = { ...view, model: "naive" };
    await slow.load();
    expect(slow.calibration.value?.model).toBe("naive");
    late(Response.json(fake.second.calibration("ewma", 1)));
    await first;
    expect(slow.calibration.value?.model).toBe("naive");
  });

  it("reports what failed and keeps what it knew", async () => {
    await slow.load();
    fake.trouble = () => problem(503, "Service Unavailable", "busy");
    await slow.load();
    expect(failed).toHaveBeenCalledTimes(1);
    expect(failed.mock.calls[0]?.[0]).toMatchObject({ status: 503 });
    expect(slow.calibration.value).not.toBeNull();
    slow.clear();
    expect([slow.calibration.value, slow.mix.value]).toEqual([null, null]);
  });
});
