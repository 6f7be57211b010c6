// @vitest-environment happy-dom
import { type ComponentChild, render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { job, MODELS, pooled, report } from "../../dev/backtests.ts";
import { describeMarket, Market } from "../../dev/market.ts";
import { ApiError } from "../api/client.ts";
import { forgetKey, keepKey } from "../api/key.ts";
import type { BacktestOrder } from "../api/types.ts";
import { App } from "../state/app.ts";
import { Compare } from "./Compare.tsx";
import { Desk } from "./desk.ts";
import { Jobs } from "./Jobs.tsx";
import { Order } from "./Order.tsx";
import { Files, Result } from "./Result.tsx";
import { ahead, progress, readHorizons, seriesNames } from "./words.ts";

let app: App;
let desk: Desk;

const text = (): string => (document.body.textContent ?? "").replace(/\s+/g, " ");
const show = (child: ComponentChild): Promise<void> =>
  act(() => {
    render(child, document.body);
  }) as Promise<void>;
const find = <T extends Element = HTMLElement>(selector: string): T => {
  const e = document.querySelector<T>(selector);
  if (e === null) throw new Error(`no ${selector}`);
  return e;
};

beforeEach(() => {
  const series = describeMarket(new Market("sim:AMZN@1s", 1000, 7), true);
  app = new App();
  app.seriesList.value = [series, { ...series, id: "sim:AMZN@1m", interval: "1m", base: false }];
  app.view.value = { ...app.view.value, page: "backtests", series: series.id };
  desk = new Desk(app);
  desk.models.value = MODELS;
  desk.jobs.value = [];
  vi.stubGlobal("fetch", () => new Promise(() => {}));
});
afterEach(() => {
  render(null, document.body);
  vi.unstubAllGlobals();
});

describe("the form", () => {
  const sent = (): BacktestOrder[] => {
    const orders: BacktestOrder[] = [];
    desk.order = async o => {
      orders.push(o);
      return job("b9");
    };
    return orders;
  };
  const submit = (): Promise<void> =>
    act(async () => {
      find("form").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
      await Promise.resolve();
    });
  const type = (label: string, value: string): Promise<void> =>
    act(() => {
      const l = [...document.querySelectorAll("label")].find(l => l.textContent?.startsWith(label));
      const input = find<HTMLInputElement>(`[id="${l?.getAttribute("for")}"]`);
      input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }) as Promise<void>;

  it("orders the series that is looked at with the race, and goes to what it ordered", async () => {
    const orders = sent();
    await show(<Order app={app} desk={desk} open />);
    expect(text()).toContain("AMZN 1s sim, simulated");
    expect(text()).toContain("Volatility clusters and returns to its mean");
    await type("Burn-in", "200");
    await type("Bars ahead", "5 1, 1");
    await type("Only the last", "1000");
    await submit();
    expect(orders).toEqual([
      {
        series: ["sim:AMZN@1s"],
        models: ["naive", "ewma", "auto"],
        burn_in: 200,
        refit: 20,
        horizons: [1, 5],
        last: 1000,
      },
    ]);
    expect(app.view.value.ids).toEqual(["b9"]);
  });

  it("keeps naive in the race", async () => {
    await show(<Order app={app} desk={desk} open />);
    expect(find<HTMLInputElement>('input[value="naive"]').disabled).toBe(true);
    expect(find<HTMLInputElement>('input[value="naive"]').checked).toBe(true);
  });

  it("says what is missing without asking the server", async () => {
    const orders = sent();
    await show(<Order app={app} desk={desk} open />);
    await type("Bars ahead", "soon");
    await submit();
    expect(find('[role="alert"]').textContent).toContain("whole numbers above 0");
    await type("Bars ahead", "1");
    await act(() => find('input[value="sim:AMZN@1s"]').click());
    await submit();
    expect(find('[role="alert"]').textContent).toBe("Choose at least one series.");
    expect(orders).toEqual([]);
  });

  it.each([
    [
      new ApiError(422, "Unprocessable Entity", "burn-in of 5 bars: choose 30 to 1,000,000"),
      /^burn-in of 5 bars/,
    ],
    [new ApiError(429, "Too Many Requests", "too many are waiting: 16"), /^too many are waiting: 16$/],
    [new ApiError(403, "Forbidden", "this key may only read"), /^this key may only read\. .*ask for one/],
  ])("shows what the server has against it: %s", async (e, want) => {
    desk.order = () => Promise.reject(e);
    await show(<Order app={app} desk={desk} open />);
    await submit();
    expect(find('[role="alert"]').textContent).toMatch(want);
    expect(app.view.value.ids).toEqual([]);
  });
});

describe("the list", () => {
  it("shows how far each is, in words and not only in colour", async () => {
    desk.jobs.value = [
      job("b5", { state: "queued" }),
      job("b4", { state: "running", bars: 1203, total: 3886 }),
      job("b3", { state: "failed", error: "no bars" }),
      job("b2", { state: "cancelled" }),
      job("b1"),
    ];
    await show(<Jobs app={app} desk={desk} />);
    expect(text()).toContain("5, newest first");
    for (const part of [
      "… queued, 1 before it",
      "▶ 1,203 of 3,886 bars",
      "✕ failed",
      "– cancelled",
      "✓ done, 1,943 bars",
    ])
      expect(text()).toContain(part);
    expect(find<HTMLProgressElement>("progress").max).toBe(3886);
  });

  it("chooses one by its name and several by their boxes", async () => {
    desk.jobs.value = [job("b2"), job("b1")];
    await show(<Jobs app={app} desk={desk} />);
    expect(find<HTMLAnchorElement>('[data-job="b2"] a').getAttribute("href")).toBe("?view=backtests&id=b2");
    await act(() => find('[data-job="b2"] a').click());
    expect(app.view.value.ids).toEqual(["b2"]);
    await act(() => find('[data-job="b1"] input').click());
    expect(app.view.value.ids).toEqual(["b2", "b1"]);
    await act(() => find('[data-job="b2"] input').click());
    expect(app.view.value.ids).toEqual(["b1"]);
  });
});

describe("a result", () => {
  it("shows every pooled figure of the server, naive among them", async () => {
    const j = job("b1");
    j.order.series = ["sim:AMZN@1s", "sim:AMZN@1m"];
    j.pooled = [
      pooled("naive", 1, { series: 2 }),
      pooled("auto", 1, { series: 2, better: 2, better_significant: 1, n: 1400, worst_coverage90: 0.931 }),
    ];
    await show(<Result app={app} desk={desk} job={j} />);
    expect(text()).toContain("Backtest of AMZN 1s, AMZN 1m SIMULATED");
    const cells = [...find('#pooled tr[data-model="auto"]').children].map(c => c.textContent);
    expect(cells).toEqual([
      "auto",
      "1,400 †",
      "0.9482",
      "2 of 2 (1)",
      "0",
      "1 of 2",
      "90.9 %",
      "90.6 %",
      "91.3 %",
      "90.9 %",
      "93.1 %",
      "✓ yes",
    ]);
    expect(find('#pooled tr[data-model="naive"]').textContent).toContain("1.0000");
    expect(text()).toContain("† It abstained where naive did not");
  });

  it("gives every series its verdict in words, and no NaN", async () => {
    const j = job("b1");
    desk.reports.value = new Map([["b1", report(j)]]);
    await show(<Result app={app} desk={desk} job={j} />);
    const rows = [...document.querySelectorAll("#by-series tbody tr")].map(r => r.textContent ?? "");
    expect(rows).toHaveLength(4);
    expect(rows[0]).toContain("the yardstick itself");
    expect(rows[1]).toContain("▲ better than naive");
    expect(rows[1]).toContain("5 × 10²⁰ to 1");
    expect(text()).not.toMatch(/NaN|null|undefined/);
  });

  it.each([
    [
      job("b1", { state: "failed", error: "AMZN 5m: 468 bars are too few" }),
      "It failed: AMZN 5m: 468 bars are too few",
      "Delete",
    ],
    [job("b1", { state: "cancelled" }), "It was cancelled before it was done", "Delete"],
    [job("b1", { state: "running", bars: 5, total: 0 }), "counting bars", "Cancel"],
    [job("b1", { state: "queued" }), "queued, next", "Cancel"],
  ])("in another state says so: %#", async (j, want, button) => {
    desk.jobs.value = [j];
    await show(<Result app={app} desk={desk} job={j} />);
    expect(text()).toContain(want);
    expect(find(".buttons button").textContent).toBe(button);
    expect(document.querySelector("#pooled")).toBeNull();
  });

  it("asks before it cancels", async () => {
    const j = job("b1", { state: "running" });
    desk.jobs.value = [j];
    const dropped: string[] = [];
    desk.drop = async id => void dropped.push(id);
    await show(<Result app={app} desk={desk} job={j} />);
    await act(() => find(".buttons button").click());
    expect(find("dialog").textContent).toContain("Cancel this backtest?");
    expect(dropped).toEqual([]);
    await act(() => find("dialog .primary").click());
    expect(dropped).toEqual(["b1"]);
  });

  it("links to the report without a key, and fetches it with one", async () => {
    await show(<Files id="b1" />);
    expect(find("a").getAttribute("href")).toBe("/v1/backtests/b1/report.html");
    keepKey("a-secret-of-many-letters");
    try {
      const calls: [string, unknown][] = [];
      vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
        calls.push([url, init.headers]);
        return new Response("<h1>report</h1>", { headers: { "Content-Type": "text/html" } });
      });
      const went: string[] = [];
      vi.stubGlobal("open", () => ({ location: { replace: (u: string) => went.push(u) } }));
      URL.createObjectURL = () => "blob:it";
      render(null, document.body);
      await show(<Files id="b1" />);
      expect(document.querySelector("a")).toBeNull();
      await act(() => find("button").click());
      await vi.waitFor(() => expect(went).toEqual(["blob:it"]));
      expect(calls).toEqual([
        ["/v1/backtests/b1/report.html", { Authorization: "Bearer a-secret-of-many-letters" }],
      ]);
    } finally {
      forgetKey();
    }
  });
});

describe("several side by side", () => {
  it("puts the same figure of each together, and marks what differs in the orders", async () => {
    const a = job("b1");
    const b = job("b2", {
      pooled: [pooled("naive", 1), pooled("auto", 1, { crps_ratio: 0.97 }), pooled("garch", 1)],
    });
    b.order = { ...b.order, burn_in: 1000 };
    const c = job("b3", { state: "running" });
    await show(<Compare app={app} jobs={[a, b, c]} />);
    expect(text()).toContain("2 backtests side by side");
    expect(text()).toContain("One that was chosen is not finished");
    const rows = [...document.querySelectorAll("#orders tbody tr")].map(r => r.textContent ?? "");
    expect(rows.find(r => r.startsWith("Burn-in"))).toBe("Burn-in ≠500 bars1,000 bars");
    expect(rows.find(r => r.startsWith("Refit every"))).toBe("Refit every 20 bars20 bars");
    const of = (model: string): (string | null)[] =>
      [...find(`#compared tr[data-model="${model}"][data-horizon="1"]`).children].map(c => c.textContent);
    expect(of("auto").slice(0, 3)).toEqual(["auto", "0.9482", "0.9700"]);
    expect(of("garch").slice(0, 3)).toEqual(["garch", "–", "0.9482"]);
    expect(of("naive").slice(0, 3)).toEqual(["naive", "1.0000", "1.0000"]);
  });
});

describe("words", () => {
  it.each([
    ["1, 5", [1, 5]],
    ["5;1 5", [1, 5]],
    ["20", [20]],
    ["0", null],
    ["1.5", null],
    ["-1", null],
    ["", null],
    ["next", null],
  ])("reads %j as horizons %j", (s, want) => {
    expect(readHorizons(s)).toEqual(want);
  });

  it.each([
    [[1], "next bar"],
    [[5], "5 bars ahead"],
    [[1, 5], "1 and 5 bars ahead"],
    [[1, 5, 20], "1, 5 and 20 bars ahead"],
  ])("%j is %s", (h, want) => {
    expect(ahead(h)).toBe(want);
  });

  it("names a few series and counts the rest", () => {
    expect(seriesNames(["a", "b", "c", "d"], [])).toBe("a, b and 2 more");
    expect(seriesNames(["sim:AMZN@1m"], app.seriesList.value)).toBe("AMZN 1m");
  });

  it("counts bars only when it knows how many there are", () => {
    expect(progress(job("b1", { state: "running", total: 0 }), 0)).toBe("counting bars");
  });
});
