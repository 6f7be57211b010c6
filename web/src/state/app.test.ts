// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Fake, html, problem } from "../../dev/fake.ts";
import { iso } from "../../dev/market.ts";
import { forgetKey, keepKey, readKey } from "../api/key.ts";
import { ms } from "../format/time.ts";
import { App } from "./app.ts";

const NOW = Date.UTC(2026, 2, 4, 15, 0, 0);
const SECOND = "sim:AMZN@1s";
const MINUTE = "sim:AMZN@1m";

let fake: Fake;
let app: App;
let listening: [EventTarget, string, EventListener][];
let visible: DocumentVisibilityState;

// Bodies are read in steps of the real event loop, which no clock moves.
const turn = setImmediate;
async function tick(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  for (let i = 0; i < 10; i++) await new Promise<void>(r => turn(r));
}

/** Opens the page at an address, and waits until it has what it asked for. */
async function open(search = ""): Promise<void> {
  history.replaceState(null, "", `/${search}`);
  app = new App();
  app.start();
  await tick(50);
}

/** What was asked since the last time. */
function asked(): string[] {
  return fake.asked.splice(0);
}

const starts = (): number[] => app.bars.items.map(b => b.t);
const stored = (): number[] => fake.second.bars.map(b => ms(b.start));
const streams = (): number => fake.lines.filter(l => l.open).length;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  fake = new Fake();
  vi.stubGlobal("fetch", fake.fetch);
  vi.spyOn(Math, "random").mockReturnValue(1);
  visible = "visible";
  vi.spyOn(document, "hidden", "get").mockImplementation(() => visible === "hidden");
  listening = [];
  for (const target of [globalThis, document] as EventTarget[]) {
    const add = target.addEventListener.bind(target);
    vi.spyOn(target, "addEventListener").mockImplementation(((type: string, f: EventListener) => {
      listening.push([target, type, f]);
      add(type, f);
    }) as typeof target.addEventListener);
  }
});

afterEach(() => {
  for (const [target, type, f] of listening) target.removeEventListener(type, f);
  vi.restoreAllMocks();
  vi.useRealTimers();
  forgetKey();
  history.replaceState(null, "", "/");
});

describe("loading", () => {
  it("shows the default series with the champion's forecasts, and follows it", async () => {
    await open();
    expect(app.view.value).toMatchObject({ series: SECOND, model: "auto", horizon: 1 });
    expect(app.loading.value).toBe(false);
    expect(starts()).toEqual(stored());
    expect(app.lastBar.value?.t).toBe(NOW - 1000);
    expect(app.fan.value.map(f => f.horizon)).toEqual([1, 2, 3, 4, 5]);
    expect(app.accuracy.value?.models.map(m => m.model)).toEqual(["naive", "ewma", "auto"]);
    expect(app.head.value?.seq).toBe(fake.second.entry);
    expect(app.slow.calibration.value?.model).toBe("auto");
    expect(app.slow.mix.value?.experts).toHaveLength(5);
    expect(app.recent.value[0]?.status).toBe("open");
    expect(app.settled.value?.status).toBe("scored");
    expect(app.problem.value).toBeNull();
    expect(app.stream.value).toBe("open");
    expect(app.light.value.word).toBe("live");
    expect(streams()).toBe(1);
    expect(location.search).toBe(`?series=${SECOND}&model=auto`);
  });

  it("opens the stream before it asks for the bars: what happens meanwhile is merged, not missed", async () => {
    await open();
    const calls = asked();
    const at = (part: string): number => calls.findIndex(c => c.includes(part));
    expect(at("/stream")).toBeLessThan(at("/bars"));
  });

  it("shows what the address names", async () => {
    await open(`?series=${MINUTE}&model=naive&h=3`);
    expect(app.view.value).toMatchObject({ series: MINUTE, model: "naive", horizon: 3 });
    expect(app.trail.items.every(f => f.model === "naive" && f.horizon === 3)).toBe(true);
    expect(app.siblings.value.map(s => s.interval)).toEqual(["1s", "1m"]);
  });

  it.each([
    ["a model that is not there", `?series=${SECOND}&model=crystal`, { model: "auto" }],
    ["a horizon beyond the last", `?series=${SECOND}&h=99`, { horizon: 5 }],
    ["a horizon that is none", `?series=${SECOND}&h=-2`, { horizon: 1 }],
    ["a range that is none", `?series=${SECOND}&range=9-3`, { range: { kind: "last", bars: 140 } }],
  ])("makes the best of %s", async (_, search, want) => {
    await open(search);
    expect(app.view.value).toMatchObject(want);
    expect(app.problem.value).toBeNull();
  });

  it("says that a series is not there, and shows the default", async () => {
    await open("?series=sim:GONE@1s");
    expect(app.problem.value).toMatchObject({ status: 404, title: "No such series" });
    expect(app.problem.value?.message).toContain("sim:GONE@1s");
    expect(app.view.value.series).toBe(SECOND);
    expect(app.bars.items.length).toBeGreaterThan(0);
  });

  it("looks again every two seconds while there is no series yet", async () => {
    const series = fake.series;
    fake.series = [];
    await open();
    expect(app.loading.value).toBe(false);
    expect(app.series.value).toBeNull();
    expect(streams()).toBe(0);
    await tick(6500);
    expect(asked().filter(c => c === "GET /status")).toHaveLength(4);
    fake.series = series;
    await tick(2500);
    expect(app.series.value?.id).toBe(SECOND);
    expect(app.bars.items.length).toBeGreaterThan(0);
  });

  it("knows the server's clock: ages do not depend on the browser's", async () => {
    vi.setSystemTime(NOW + 3_600_000); // this browser is an hour ahead
    await open();
    expect(Math.abs(app.serverNow.value - NOW)).toBeLessThan(1000);
    expect(app.age.value).toBeLessThan(1000);
    expect(app.light.value.word).toBe("live");
  });

  describe("of a server that has more than a page", () => {
    beforeEach(() => {
      fake = new Fake(300, NOW);
      fake.most = 60;
      vi.stubGlobal("fetch", fake.fetch);
    });

    it("loads older bars page by page as far as a range in the address goes back", async () => {
      const from = NOW / 1000 - 200;
      await open(`?series=${SECOND}&range=${from}-${from + 30}`);
      expect(starts()).toEqual(stored().slice(-240));
      expect(app.bars.first?.t).toBeLessThanOrEqual(from * 1000);
    });

    it("does not page through a range that is too long to be drawn bar by bar", async () => {
      await open(`?series=${SECOND}&range=${NOW / 1000 - 9000}-${NOW / 1000}`);
      expect(app.bars.items).toHaveLength(60);
    });

    it("pages back to the first bar, one page at a time, and then stops asking", async () => {
      await open();
      expect(app.bars.items).toHaveLength(60);
      expect(app.canLoadOlder).toBe(true);
      asked();
      await Promise.all([app.older(), app.older(), tick()]);
      expect(app.bars.items).toHaveLength(120);
      expect(asked().filter(c => c.includes("/bars"))).toHaveLength(1);
      for (let i = 0; i < 3; i++) await Promise.all([app.older(), tick()]);
      expect(starts()).toEqual(stored());
      expect(app.canLoadOlder).toBe(false);
      // Forecasts go back as far as bars: the first 20 bars had none.
      expect(app.trail.items[0]?.cutoff).toBe((app.bars.first?.t ?? 0) + 20_000);
      asked();
      await app.older();
      expect(asked()).toEqual([]);
    });

    it("says that an older page cannot be had, and can be asked again", async () => {
      await open();
      fake.trouble = path =>
        path.includes("cursor=") ? problem(503, "Service Unavailable", "busy") : undefined;
      await Promise.all([app.older(), tick()]);
      expect(app.problem.value?.status).toBe(503);
      expect(app.loadingOlder.value).toBe(false);
      fake.trouble = null;
      await Promise.all([app.older(), tick()]);
      expect(app.bars.items).toHaveLength(120);
    });
  });
});

describe("the stream", () => {
  beforeEach(() => open());

  it("brings bars, outcomes and forecasts, in one redraw for all that comes together", async () => {
    const told = { bars: vi.fn(), forecasts: vi.fn() };
    app.listeners.add(told);
    const before = app.bars.items.length;
    const due = app.ahead.value[0]?.t;
    fake.bar();
    await tick(40);
    expect(app.bars.items).toHaveLength(before + 1);
    expect(app.lastBar.value?.t).toBe(due);
    expect(app.trail.at(due as number)).toMatchObject({ status: "scored" });
    expect(app.settled.value?.t).toBe(due);
    expect(app.fan.value[0]?.t).toBe((due as number) + 1000);
    expect(app.head.value).toMatchObject({ seq: fake.second.entry, hash: fake.second.hash });
    expect(told.bars).toHaveBeenCalledTimes(1);
    expect(told.bars.mock.calls[0]?.[0]).toMatchObject({ kind: "append" });
    expect(told.forecasts).toHaveBeenCalledTimes(1);
  });

  it("asks for the accuracy at most once a second, however much is judged", async () => {
    await tick(3000);
    asked();
    for (let i = 0; i < 30; i++) {
      fake.bar();
      await tick(100);
    }
    const n = asked().filter(c => c.includes("/accuracy")).length;
    expect(n).toBeGreaterThanOrEqual(3);
    expect(n).toBeLessThanOrEqual(4);
  });

  it("takes what is sent twice as one", async () => {
    fake.bar();
    fake.bar();
    await tick(40);
    const bars = starts();
    const trail = JSON.stringify(app.trail.items);
    fake.again(6);
    fake.again(3);
    await tick(40);
    expect(starts()).toEqual(bars);
    expect(JSON.stringify(app.trail.items)).toBe(trail);
    expect(app.head.value?.seq).toBe(fake.second.entry);
  });

  it("takes no notice of another series, nor of events that it does not know", async () => {
    const bars = starts();
    fake.emit(SECOND, "bar", { series: MINUTE, bar: fake.minute.bars[0] });
    fake.emit(SECOND, "dance", { series: SECOND });
    fake.raw("id: e-77\nevent: bar\ndata: {not json\n\n");
    fake.raw(": a comment\n\n");
    await tick(40);
    expect(starts()).toEqual(bars);
    expect(app.problem.value).toBeNull();
  });

  it("shows a bar that was revised, in its newest revision only", async () => {
    const last = fake.second.bars.at(-1);
    if (last === undefined) throw new Error("no bar");
    fake.emit(SECOND, "bar", { series: SECOND, bar: { ...last, close: 2, revision: 2 } });
    fake.emit(SECOND, "bar", { series: SECOND, bar: { ...last, close: 1, revision: 1 } });
    await tick(40);
    expect(app.lastBar.value).toMatchObject({ close: 2, revision: 2 });
  });

  it("marks what is void, and reads gaps anew", async () => {
    const open = app.trail.last;
    fake.answers.set("/gaps", {
      items: [{ entry: 7, from: iso(NOW), to: iso(NOW + 1), bars: 1, missed: 15 }],
    });
    fake.emit(SECOND, "void", { series: SECOND, entry: 1, targets: [iso(open?.t ?? 0)], reason: "gap" });
    fake.emit(SECOND, "gap", { series: SECOND, entry: 2 });
    await tick(40);
    expect(app.trail.last?.status).toBe("void");
    await tick(1100);
    expect(app.gaps.value.map(g => g.entry)).toEqual([7]);
  });

  it("has nothing ahead once a bar has passed without a new forecast", async () => {
    expect(app.ahead.value).toHaveLength(5);
    const last = ms(fake.second.bars.at(-1)?.start as string);
    const template = fake.second.bars[0];
    for (let i = 1; i <= 6; i++)
      fake.emit(SECOND, "bar", {
        series: SECOND,
        bar: { ...template, start: iso(last + i * 1000), end: iso(last + (i + 1) * 1000) },
      });
    await tick(40);
    expect(app.ahead.value).toEqual([]);
    expect(app.fan.value).toHaveLength(5);
  });

  it("says why a model abstains", async () => {
    const abstentions = [
      { model: "auto", horizon: 0, reason: "too few bars" },
      { model: "naive", horizon: 0, reason: "flat" },
    ];
    const cutoff = iso(NOW + 5000);
    const event = {
      series: SECOND,
      entry: 9999,
      hash: "h",
      cutoff,
      issued_at: cutoff,
      last: 1,
      forecasts: [],
    };
    fake.emit(SECOND, "forecast", { ...event, abstentions });
    await tick(40);
    expect(app.abstentions.value).toEqual([abstentions[0]]);
    expect(app.ahead.value).toEqual([]);
  });

  it("hears how the feeds are, and asks for the quarantine when something was refused", async () => {
    fake.beat();
    await tick(2100);
    asked();
    fake.answers.set("/quarantine", { items: [{ num: 1, reason: "high below low" }], total: 1 });
    fake.feeds = [fake.feed({ state: "stalled", detail: "no ticks", rejected: 1 })];
    fake.beat({ ready: false, ready_reason: "the disk is full" });
    await tick(40);
    expect(app.light.value).toMatchObject({ word: "stale", why: "no ticks" });
    expect(app.ready.value).toEqual({ ready: false, reason: "the disk is full" });
    await tick(2100);
    expect(app.quarantine.value.total).toBe(1);
    fake.beat();
    await tick(2100);
    expect(asked().filter(c => c.includes("/quarantine"))).toHaveLength(1);
  });

  it("calls data stale when none has come for ten seconds, and live again with the next bar", async () => {
    expect(app.light.value.word).toBe("live");
    await tick(11_000);
    expect(app.light.value.word).toBe("stale");
    expect(app.age.value).toBeGreaterThan(10_000);
    fake.bar();
    await tick(40);
    expect(app.light.value.word).toBe("live");
  });

  it("draws a flood anew, and loads anew what a sleeping tab could not take", async () => {
    const told = { bars: vi.fn(), forecasts: vi.fn() };
    app.listeners.add(told);
    for (let i = 0; i < 150; i++) fake.bar();
    await tick(40);
    expect(starts()).toEqual(stored());
    expect(told.bars.mock.calls).toEqual([[{ kind: "rebuild" }]]);
    asked();
    // Events come, and no timer runs.
    for (let i = 0; i < 5200; i++) fake.emit(SECOND, "gap", { series: SECOND });
    await tick(40);
    expect(asked()).toContain("GET /status");
    await tick(100);
    expect(starts()).toEqual(stored());
    expect(app.stream.value).toBe("open");
  });
});

describe("a line that breaks", () => {
  beforeEach(() => open());

  it.each(["closed", "torn"] as const)("goes on after the last event that came, %s", async how => {
    fake.bar();
    await tick(40);
    fake.cut(how);
    await tick(0);
    expect(app.stream.value).toBe("reconnecting");
    expect(app.light.value.tone).toBe("bad");
    fake.bar();
    fake.bar();
    asked();
    await tick(1100);
    expect(fake.line?.headers["Last-Event-ID"]).toBe("e-3");
    await tick(40);
    expect(app.stream.value).toBe("open");
    expect(starts()).toEqual(stored());
    expect(app.trail.items.filter(f => f.status === "open")).toHaveLength(1);
    // Nothing is loaded anew, because nothing was missed.
    expect(asked().filter(c => c.includes("/bars"))).toEqual([]);
  });

  it("drops half of an event and gets it whole", async () => {
    fake.bar();
    await tick(40);
    const whole = `id: e-4\nevent: bar\ndata: ${JSON.stringify({ series: SECOND, bar: fake.second.bars[0] })}`;
    fake.raw(whole.slice(0, -20));
    fake.cut("torn");
    fake.bar();
    await tick(1200);
    expect(fake.line?.headers["Last-Event-ID"]).toBe("e-3");
    expect(starts()).toEqual(stored());
  });

  it("loads everything anew when it was cut before the first event that can be resumed from", async () => {
    fake.cut();
    await tick(0);
    fake.second.advance(NOW, NOW + 1012); // nobody is told
    asked();
    await tick(1200);
    expect(asked()).toContain("GET /status");
    await tick(50);
    expect(starts()).toEqual(stored());
  });

  it("loads everything anew when the server does not know the event, and forgets the old store's", async () => {
    fake.bar();
    await tick(40);
    fake.cut();
    fake = new Fake(30, NOW + 60_000); // another store
    fake.epoch = "f";
    vi.stubGlobal("fetch", fake.fetch);
    await tick(1200);
    await tick(100);
    expect(starts()).toEqual(stored());
    expect(app.trail.items.length).toBeLessThanOrEqual(30);
    expect(fake.line?.headers["Last-Event-ID"]).toBeUndefined();
    fake.bar();
    await tick(40);
    expect(starts()).toEqual(stored());
  });

  it("keeps trying while the server is away, says so, and takes the words back when it is there", async () => {
    fake.trouble = path =>
      path.startsWith("/stream") ? problem(503, "Service Unavailable", "starting") : undefined;
    fake.bar();
    await tick(40);
    fake.cut();
    await tick(1100);
    expect(app.problem.value).toMatchObject({ status: 503 });
    expect(app.stream.value).toBe("reconnecting");
    fake.bar();
    fake.trouble = null;
    await tick(9000);
    expect(app.stream.value).toBe("open");
    expect(app.problem.value).toBeNull();
    expect(starts()).toEqual(stored());
  });

  it("does not take another program's page for a stream", async () => {
    fake.bar();
    await tick(40);
    fake.trouble = path => (path.startsWith("/stream") ? html() : undefined);
    fake.cut();
    await tick(1100);
    expect(app.stream.value).toBe("reconnecting");
    expect(app.problem.value?.message).toContain("text/html");
    expect(app.light.value.word).not.toBe("live");
    fake.trouble = null;
    await tick(9000);
    expect(app.stream.value).toBe("open");
    expect(app.problem.value).toBeNull();
  });

  it("connects at once when the network is back", async () => {
    fake.trouble = path => (path.startsWith("/stream") ? new TypeError("network") : undefined);
    fake.cut();
    await tick(5000);
    expect(app.stream.value).toBe("reconnecting");
    fake.trouble = null;
    asked();
    globalThis.dispatchEvent(new Event("online"));
    await tick(0);
    expect(asked().filter(c => c.includes("/stream")).length).toBeGreaterThanOrEqual(1);
    await tick(50);
    expect(app.stream.value).toBe("open");
  });

  it("gives up a line on which nothing comes, also no heartbeat", async () => {
    fake.bar();
    await tick(40);
    const line = fake.line;
    await tick(41_500);
    expect(line?.open).toBe(false);
    expect(fake.line).toBeDefined();
    expect(app.stream.value).toBe("open");
  });
});

describe("a server that refuses", () => {
  it("asks for the key, and uses the one that is given", async () => {
    fake.key = "secret";
    await open();
    expect(app.needKey.value).toBe("missing");
    expect(app.light.value.word).toBe("key needed");
    expect(app.problem.value).toBeNull();
    asked();
    await tick(60_000);
    expect(asked()).toEqual([]); // it waits for the key, and does not hammer
    app.useKey("secret");
    await tick(50);
    expect(app.needKey.value).toBe("");
    expect(app.bars.items.length).toBeGreaterThan(0);
    expect(fake.line?.headers.Authorization).toBe("Bearer secret");
  });

  it("says that a key was refused, and forgets it", async () => {
    fake.key = "secret";
    await open();
    app.useKey("wrong");
    await tick(50);
    expect(app.needKey.value).toBe("refused");
    expect(readKey()).toBe("");
  });

  it("asks again when a key is withdrawn while the page is open", async () => {
    keepKey("secret");
    fake.key = "secret";
    await open();
    expect(app.needKey.value).toBe("");
    fake.key = "another";
    fake.cut();
    await tick(1100);
    expect(app.needKey.value).not.toBe("");
    expect(app.stream.value).toBe("closed");
  });

  it.each([
    [
      "503",
      () => problem(503, "Service Unavailable", "the database is locked"),
      503,
      "the database is locked",
    ],
    ["no answer", () => new TypeError("failed to fetch"), 0, "does not answer"],
    ["a page of another program", () => html(), 0, "text/html"],
    ["a page of another program with 502", () => html(502), 502, ""],
    [
      "half a JSON",
      () => new Response('{"version":', { headers: { "Content-Type": "application/json" } }),
      0,
      "broke off",
    ],
  ])("says what is wrong and tries again by itself: %s", async (_, answer, status, words) => {
    fake.trouble = answer;
    await open();
    expect(app.loading.value).toBe(false);
    expect(app.problem.value?.status).toBe(status);
    expect(app.problem.value?.message).toContain(words);
    expect(app.problem.value?.message).not.toMatch(/Unexpected token|SyntaxError/);
    fake.trouble = null;
    await tick(3100);
    expect(app.problem.value).toBeNull();
    expect(starts()).toEqual(stored());
    expect(app.stream.value).toBe("open");
  });

  it("shows the rest when one part cannot be had", async () => {
    fake.trouble = path =>
      path.includes("/accuracy") ? problem(500, "Internal Server Error", "a bug") : undefined;
    await open();
    expect(app.bars.items.length).toBeGreaterThan(0);
    expect(app.accuracy.value).toBeNull();
    expect(app.problem.value?.message).toContain("a bug");
    expect(app.stream.value).toBe("open");
  });
});

describe("choosing", () => {
  it("shows another series and forgets the old one's data", async () => {
    await open();
    const line = fake.line;
    app.look({ series: MINUTE });
    expect(app.bars.items).toEqual([]);
    expect(app.accuracy.value).toBeNull();
    expect(app.loading.value).toBe(true);
    await tick(50);
    expect(line?.open).toBe(false);
    expect(fake.line?.series).toEqual([MINUTE]);
    expect(starts()).toEqual(fake.minute.bars.map(b => ms(b.start)));
    expect(app.view.value.model).toBe("auto");
    expect(streams()).toBe(1);
  });

  it("does not let a slow answer of the old series into the new one", async () => {
    await open();
    let late: (r: Response) => void = () => {};
    fake.trouble = path =>
      path.includes(encodeURIComponent(SECOND)) && path.includes("/bars")
        ? new Promise<Response>(r => {
            late = r;
          })
        : undefined;
    app.show({ adjusted: "splits" });
    await tick(10);
    app.look({ series: MINUTE });
    await tick(50);
    late(Response.json({ items: fake.second.bars, next_cursor: "" }));
    await tick(50);
    expect(starts()).toEqual(fake.minute.bars.map(b => ms(b.start)));
    expect(app.problem.value).toBeNull();
  });

  it("does not let the forecasts of a model that was left into those of the next", async () => {
    await open();
    const held: (() => void)[] = [];
    fake.trouble = (path, init) => {
      if (!path.includes("model=naive")) return undefined;
      return new Promise<Response>(r => {
        fake.trouble = null;
        const answer = fake.fetch(`/v1${path}`, init);
        held.push(() => void answer.then(r));
      });
    };
    app.look({ model: "naive" });
    await tick(5);
    app.look({ model: "ewma" });
    await tick(50);
    for (const h of held) h();
    await tick(50);
    expect(new Set(app.trail.items.map(f => f.model))).toEqual(new Set(["ewma"]));
    expect(new Set(app.fan.value.map(f => f.model))).toEqual(new Set(["ewma"]));
  });

  it("keeps bars and stream when only the model or horizon changes", async () => {
    await open();
    asked();
    app.look({ horizon: 2 });
    await tick(50);
    const calls = asked();
    expect(calls.some(c => c.includes("/bars") || c.includes("/stream"))).toBe(false);
    expect(calls.some(c => c.includes("/accuracy?horizon=2"))).toBe(true);
    expect(app.trail.items.every(f => f.horizon === 2)).toBe(true);
    expect(app.model.value?.model).toBe("auto");
  });

  it("writes the address: a new place can be gone back from, a scroll cannot", async () => {
    await open();
    const length = history.length;
    app.show({ range: { kind: "last", bars: 77 } });
    expect(location.search).toContain("range=last-77");
    expect(history.length).toBe(length);
    app.look({ model: "naive" });
    expect(location.search).toContain("model=naive");
    expect(history.length).toBe(length + 1);
    app.look({ page: "backtests", ids: ["b1"] });
    expect(location.search).toBe("?view=backtests&id=b1");
  });

  it("goes where the browser's back button leads", async () => {
    await open();
    app.look({ model: "naive" });
    await tick(50);
    history.replaceState(null, "", `/?series=${SECOND}&model=ewma&h=2`);
    globalThis.dispatchEvent(new PopStateEvent("popstate"));
    await tick(50);
    expect(app.view.value).toMatchObject({ model: "ewma", horizon: 2, page: "live" });
    expect(app.trail.items.every(f => f.model === "ewma" && f.horizon === 2)).toBe(true);
    // Back to another page keeps what the live page looks at.
    history.replaceState(null, "", "/?view=models");
    globalThis.dispatchEvent(new PopStateEvent("popstate"));
    expect(app.view.value).toMatchObject({ page: "models", model: "ewma", series: SECOND });
  });

  it("asks for nothing that nobody sees, and catches up when the tab is seen again", async () => {
    await open();
    await tick(5000);
    visible = "hidden";
    fake.bar();
    await tick(3000);
    asked();
    fake.bar();
    await tick(10_000);
    expect(asked().filter(c => /accuracy|calibration/.test(c))).toEqual([]);
    visible = "visible";
    document.dispatchEvent(new Event("visibilitychange"));
    await tick(50);
    const calls = asked();
    expect(calls.some(c => c.includes("/accuracy"))).toBe(true);
    expect(calls.some(c => c.includes("/calibration"))).toBe(true);
    expect(starts()).toEqual(stored());
  });

  it("reads the models anew when one has joined the race", async () => {
    await open();
    const [first] = fake.series;
    if (first === undefined) throw new Error("no series");
    fake.answers.set("/versions", { items: [{ name: "lstm" }] });
    fake.series = [
      { ...first, models: [...first.models, { name: "lstm", description: "", champion: false }] },
    ];
    await Promise.all([app.renew(), tick()]);
    expect(app.series.value?.models.map(m => m.name)).toContain("lstm");
    expect(app.stored.value.has("lstm")).toBe(true);
    fake.trouble = () => problem(500, "Internal Server Error", "a bug");
    await Promise.all([app.renew(), tick()]);
    expect(app.problem.value?.status).toBe(500);
  });
});

describe("splits and wide ranges", () => {
  it("loads anew when a split takes effect where prices are adjusted, and not where they are as traded", async () => {
    for (const adjusted of ["none", "splits"]) {
      fake.answers.set("/actions", {
        items: [{ ex: iso(NOW), kind: "split", ratio: 4, words: "split 4:1" }],
      });
      await open(`?series=${SECOND}&adjusted=${adjusted}`);
      asked();
      fake.bar();
      await tick(100);
      expect(asked().some(c => c.includes(`/bars?order=desc`))).toBe(adjusted === "splits");
      fake.cut();
      fake = new Fake();
      vi.stubGlobal("fetch", fake.fetch);
    }
  });

  it("compares forecasts from the newest split on only, where the chart shows another unit", async () => {
    const ex = NOW - 30_000;
    fake.answers.set("/actions", { items: [{ ex: iso(ex), kind: "split", ratio: 4, words: "split 4:1" }] });
    await open();
    expect(app.comparable()).toBe(0);
    app.show({ adjusted: "splits" });
    await tick(50);
    expect(app.comparable()).toBe(ex);
  });

  it("draws a long stretch in coarser candles, and goes back to the series' own", async () => {
    await open();
    const [a, b] = [NOW - 1_800_000, NOW];
    const [drawn] = await Promise.all([app.widen(a, b, 300), tick()]);
    expect(drawn).toBe(true);
    expect(app.wide.drawn.value?.interval).toBe("1m");
    expect(asked().at(-1)).toContain("max_points=720");
    fake.trouble = path =>
      path.includes("order=asc")
        ? Response.json({ interval: "1s", items: fake.second.bars, next_cursor: "" })
        : undefined;
    await Promise.all([app.widen(NOW - 20_000, NOW, 300), tick()]);
    expect(app.wide.drawn.value).toBeNull();
    fake.trouble = () => problem(500, "Internal Server Error", "a bug");
    const [failed] = await Promise.all([app.widen(a, b, 300), tick()]);
    expect(failed).toBe(false);
    expect(app.problem.value?.status).toBe(500);
    expect(app.wide.loading.value).toBe(false);
  });
});
