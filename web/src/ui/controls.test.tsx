// @vitest-environment happy-dom
import { type ComponentChild, render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from "vitest";
import { Fake, problem } from "../../dev/fake.ts";
import { describeMarket, Market } from "../../dev/market.ts";
import { ApiError } from "../api/client.ts";
import { forgetKey, keepKey } from "../api/key.ts";
import type { Series } from "../api/types.ts";
import { App } from "../state/app.ts";
import { AccuracyTable, spreadCell, windowName } from "./Accuracy.tsx";
import { Ask } from "./Ask.tsx";
import { ForgetKey, Inspector, KeyPrompt } from "./Dialogs.tsx";
import { EvidenceDialog } from "./Evidence.tsx";
import { Choice, Field } from "./Form.tsx";
import { Header } from "./Header.tsx";
import { Models } from "./Models.tsx";
import { Feeds, Ledger } from "./Panels.tsx";
import { Segments, Select } from "./Picker.tsx";
import { Save } from "./Save.tsx";
import { Said, Verdict } from "./Verdict.tsx";

const NOW = Date.UTC(2026, 2, 4, 15, 0, 0);

let fake: Fake;
let app: App;
let root: HTMLElement;

const turn = setImmediate;
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise<void>(r => turn(r));
  void act(() => {});
}
const draw = (child: ComponentChild): void => void act(() => render(child, root));
const all = <E extends HTMLElement>(what: string): E[] => [...root.querySelectorAll<E>(what)];
const text = (e: Element | null | undefined = root): string =>
  (e?.textContent ?? "").replace(/\s+/g, " ").trim();
const button = (label: string): HTMLButtonElement => {
  const b = all<HTMLButtonElement>("button").find(b => text(b) === label);
  if (b === undefined) throw new Error(`no button ${label} in ${text()}`);
  return b;
};
const click = (e: Element | undefined, more: MouseEventInit = {}): boolean => {
  let went = true;
  void act(() => {
    went = e?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ...more })) ?? false;
  });
  return went;
};
function change(e: HTMLSelectElement | HTMLInputElement | undefined, value: string, event = "change"): void {
  if (e === undefined) throw new Error("no such control");
  void act(() => {
    e.value = value;
    e.dispatchEvent(new Event(event, { bubbles: true }));
  });
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW, toFake: ["Date", "setTimeout", "clearTimeout"] });
  fake = new Fake(40, NOW);
  vi.stubGlobal("fetch", fake.fetch);
  const other = new Market("sim:MSFT@1m", 60_000, 3);
  other.advance(NOW - 60_000, NOW);
  const msft = { ...describeMarket(other, false), base: true };
  fake.series.push({ ...msft, instrument: { ...msft.instrument, symbol: "MSFT" } });
  app = new App();
  app.seriesList.value = fake.series;
  app.view.value = { ...app.view.value, series: fake.second.id, model: "auto" };
  app.accuracy.value = { series: fake.second.id, horizon: 1, as_of: null, models: fake.second.accuracy(1) };
  app.loading.value = false;
  root = document.createElement("div");
  document.body.append(root);
});
afterEach(() => {
  void act(() => render(null, root));
  root.remove();
  vi.restoreAllMocks();
  vi.useRealTimers();
  forgetKey();
});

describe("the header", () => {
  let look: MockInstance<App["look"]>;
  beforeEach(() => {
    look = vi.spyOn(app, "look").mockImplementation(() => {});
    draw(<Header app={app} />);
  });
  const list = (label: string): HTMLSelectElement | undefined =>
    all<HTMLLabelElement>("label.picker")
      .find(l => text(l.querySelector("span")) === label)
      ?.querySelector("select") ?? undefined;
  const radios = (name: string): HTMLInputElement[] => all<HTMLInputElement>(`input[name="pick-${name}"]`);

  it("offers each symbol once, and goes to the same interval of another if it has that", () => {
    const symbols = list("Symbol");
    expect([...(symbols?.options ?? [])].map(o => o.text)).toEqual(["AMZN · sim", "MSFT · sim"]);
    change(symbols, "sim:MSFT");
    expect(look).toHaveBeenLastCalledWith({ series: "sim:MSFT@1m" }); // it has no 1s
    app.view.value = { ...app.view.value, series: "sim:MSFT@1m" };
    draw(<Header app={app} />);
    change(list("Symbol"), "sim:AMZN");
    expect(look).toHaveBeenLastCalledWith({ series: "sim:AMZN@1m" });
  });

  it("offers the intervals of the symbol, the models with the champion first, and the horizons", () => {
    expect(radios("interval").map(r => r.value)).toEqual(["sim:AMZN@1s", "sim:AMZN@1m"]);
    expect(radios("interval").map(r => r.checked)).toEqual([true, false]);
    change(radios("interval")[1], "sim:AMZN@1m");
    expect(look).toHaveBeenLastCalledWith({ series: "sim:AMZN@1m" });
    expect([...(list("Model")?.options ?? [])].map(o => o.text)).toEqual(["auto ★", "naive", "ewma"]);
    change(list("Model"), "ewma");
    expect(look).toHaveBeenLastCalledWith({ model: "ewma" });
    expect(radios("bars-ahead").map(r => r.getAttribute("aria-label"))).toEqual([
      "1 bar ahead",
      "2 bars ahead",
      "3 bars ahead",
      "4 bars ahead",
      "5 bars ahead",
    ]);
    change(radios("bars-ahead")[2], "3");
    expect(look).toHaveBeenLastCalledWith({ horizon: 3 });
  });

  it("makes a list of many horizons", () => {
    app.seriesList.value = fake.series.map(s => ({ ...s, horizons: 20 }));
    draw(<Header app={app} />);
    expect(radios("bars-ahead")).toEqual([]);
    expect(list("Bars ahead")?.options).toHaveLength(20);
    change(list("Bars ahead"), "17");
    expect(look).toHaveBeenLastCalledWith({ horizon: 17 });
  });

  it("changes the theme, each choice with a word for who does not see its sign", () => {
    change(radios("theme")[2], "dark");
    expect(app.view.value.theme).toBe("dark");
    expect(radios("theme").map(r => r.getAttribute("aria-label"))).toEqual([
      "As the system",
      "Light",
      "Dark",
    ]);
  });

  it("links to the other pages; a new tab is left to the browser", () => {
    const links = all<HTMLAnchorElement>("nav.pages a");
    expect(links.map(a => [text(a), a.getAttribute("href"), a.getAttribute("aria-current")])).toEqual([
      ["Live", "?series=sim:AMZN@1s&model=auto", "page"],
      ["Backtests", "?view=backtests", null],
      ["Models", "?view=models", null],
    ]);
    expect(click(links[1])).toBe(false);
    expect(look).toHaveBeenLastCalledWith({ page: "backtests", ids: [] });
    look.mockClear();
    for (const more of [{ ctrlKey: true }, { metaKey: true }, { shiftKey: true }])
      expect(click(links[1], more)).toBe(true);
    expect(look).not.toHaveBeenCalled();
  });

  it("has no pickers where nothing is picked", () => {
    app.view.value = { ...app.view.value, page: "models" };
    draw(<Header app={app} />);
    expect(list("Symbol")).toBeUndefined();
    expect(all(".light")).toEqual([]);
    expect(all('nav a[aria-current="page"]').map(a => text(a))).toEqual(["Models"]);
  });
});

describe("pickers", () => {
  const options = [
    { value: "a", label: "A", title: "first" },
    { value: "b", label: "B", spoken: "the second" },
  ];

  it("show what is chosen, and change with it", () => {
    const pick = vi.fn();
    for (const value of ["a", "b"]) {
      draw(
        <>
          <Select label="List" options={options} value={value} pick={pick} />
          <Segments label="Bar it" options={options} value={value} pick={pick} />
        </>,
      );
      expect(all<HTMLSelectElement>("select")[0]?.value).toBe(value);
      expect(all<HTMLInputElement>("input:checked").map(i => i.value)).toEqual([value]);
    }
    expect(all<HTMLInputElement>("input").map(i => i.name)).toEqual(["pick-bar-it", "pick-bar-it"]);
    expect(pick).not.toHaveBeenCalled();
  });

  it("hide a legend from the eye only", () => {
    draw(<Segments label="Theme" quiet options={options} value="a" pick={() => {}} />);
    expect(root.querySelector("legend.sr-only")?.textContent).toBe("Theme");
  });
});

describe("a list of boxes", () => {
  const many = Array.from({ length: 14 }, (_, i) => ({
    value: `v${i}`,
    name: `Name ${i}`,
    about: i % 2 ? "odd" : "even",
  }));
  let picked: string[];
  const choice = (more: Partial<Parameters<typeof Choice>[0]> = {}): void =>
    draw(
      <Choice
        legend="Series"
        options={many}
        chosen={picked}
        pick={v => {
          picked = v;
        }}
        {...more}
      />,
    );
  beforeEach(() => {
    picked = ["v1", "gone"];
    choice();
  });

  it("counts those that are there, ticks and unticks", () => {
    expect(text(root.querySelector("legend"))).toBe("Series 1 chosen");
    const boxes = all<HTMLInputElement>('input[type="checkbox"]');
    change(boxes[3], "v3");
    expect(picked).toEqual(["v1", "gone", "v3"]);
    choice();
    change(all<HTMLInputElement>('input[type="checkbox"]')[1], "v1");
    expect(picked).toEqual(["gone", "v3"]);
  });

  it("filters by name and description, and takes all that match", () => {
    change(all<HTMLInputElement>('input[type="search"]')[0], " ODD ", "input");
    expect(all("li label")).toHaveLength(7);
    click(button("All that match"));
    expect(picked).toEqual(many.filter(o => o.about === "odd").map(o => o.value));
    change(all<HTMLInputElement>('input[type="search"]')[0], "zzz", "input");
    expect(text()).toContain("Nothing matches.");
    click(button("None"));
    expect(picked).toEqual([]);
  });

  it("says why it is empty, and offers a shortcut instead of none", () => {
    choice({ options: [], none: "There are no series." });
    expect(text()).toContain("There are no series.");
    choice({ shortcut: { label: "The race", values: ["v2"] } });
    click(button("The race"));
    expect(picked).toEqual(["v2"]);
    expect(all("button").map(b => text(b))).toEqual(["The race", "All"]);
  });
});

describe("a field", () => {
  it.each([
    ["a number with bounds", { min: 1, max: 9 }, { type: "number", min: "1", max: "9" }],
    ["a number without an upper bound", { min: 1 }, { type: "number", min: "1", max: "" }],
    ["several numbers", {}, { inputMode: "numeric" }],
    ["a moment", { kind: "moment" as const }, { type: "datetime-local" }],
    ["words", { kind: "text" as const }, { type: "text" }],
  ])("is %s", (_, props, want) => {
    const set = vi.fn();
    draw(<Field label="L" about="about" value="3" set={set} {...props} />);
    const [input] = all<HTMLInputElement>("input");
    expect(input).toMatchObject(want);
    change(input, input?.type === "datetime-local" ? "2026-01-01T00:00" : "5", "input");
    expect(set).toHaveBeenCalledTimes(1);
    expect(root.querySelector("label")?.getAttribute("for")).toBe(input?.id);
  });

  it("says what is wrong where it is wrong", () => {
    draw(<Field label="L" about="" value="" wrong="must be positive" set={() => {}} />);
    const [input] = all<HTMLInputElement>("input");
    expect(input?.getAttribute("aria-invalid")).toBe("true");
    expect(text(document.getElementById(input?.getAttribute("aria-describedby") ?? ""))).toBe(
      "must be positive",
    );
  });
});

describe("the accuracy table", () => {
  it("shows errors in the unit that is chosen", () => {
    draw(<AccuracyTable app={app} series={fake.series[0] as Series} />);
    const mean = (): string => text(root.querySelector('[data-window="all"] [data-col="mean"]'));
    const w = app.model.value?.windows.find(w => w.window === "all");
    if (w === undefined) throw new Error("no window");
    for (const [i, units] of (["price", "percent", "absolute"] as const).entries()) {
      change(all<HTMLInputElement>('input[name="pick-show-error-in"]')[i], units);
      draw(<AccuracyTable app={app} series={fake.series[0] as Series} />);
      expect(app.view.value.units).toBe(units);
      expect(mean()).toBe(spreadCell(w, "mean", units, 2));
    }
    expect(mean()).not.toMatch(/^[+−]/);
    expect(text(root.querySelector("caption"))).toContain("size of the error, in price");
  });

  it("marks medians that are approximate, and counts what was sealed late", () => {
    const m = app.accuracy.value?.models.find(m => m.model === "auto");
    for (const w of m?.windows ?? []) {
      w.median_approximate = w.window === "all";
      w.late = w.window === "all" ? 1234 : 0;
    }
    draw(<AccuracyTable app={app} series={fake.series[0] as Series} />);
    expect(text(root.querySelector('[data-window="all"] [data-col="median"]'))).toMatch(/^≈ /);
    expect(text(root.querySelector('[data-window="last"] [data-col="median"]'))).not.toContain("≈");
    expect(text()).toContain("Medians marked ≈ are approximate. 1,234 of all forecasts were sealed late.");
  });

  it("names every window", () => {
    expect(windowName("last_6_hours")).toBe("Last 6 hours");
    expect(windowName("next_week" as never)).toBe("next_week");
  });
});

describe("verdicts", () => {
  it.each([
    ["auto", "better_than_naive", "better than naive", "▲ better than naive"],
    ["auto", "worse_than_naive", undefined, "▼ worse than naive"],
    ["auto", "no_skill", undefined, "= no skill shown"],
    ["auto", "not_judged_yet", "not judged yet", "… not judged yet"],
    ["auto", "of_tomorrow", "shiny", "… shiny"],
    ["naive", "not_judged_yet", "not judged yet", "the yardstick itself"],
  ])("%s, %s", (model, code, words, want) => {
    draw(<Said model={model} code={code} {...(words === undefined ? {} : { text: words })} />);
    expect(text()).toBe(want);
  });

  it("open their evidence and close it; naive has none", () => {
    draw(
      <>
        <Verdict app={app} />
        <EvidenceDialog app={app} />
      </>,
    );
    click(button("Show the evidence"));
    expect(app.weighed.value).toBe("auto");
    expect(root.querySelector("dialog")?.open).toBe(true);
    click(button("Close"));
    expect(app.weighed.value).toBeNull();
    app.view.value = { ...app.view.value, model: "naive" };
    draw(<Verdict app={app} />);
    expect(all("button")).toEqual([]);
  });

  it("are listed with every model, for the window that is chosen", () => {
    app.stored.value = new Set(["ewma"]);
    const look = vi.spyOn(app, "look").mockImplementation(() => {});
    draw(<Models app={app} series={fake.series[0] as Series} />);
    const n = (): string[] => all("#models tbody tr").map(r => text(r.querySelectorAll("td")[4]));
    const before = n();
    change(all<HTMLSelectElement>("select")[0], "last_10");
    expect(n()).not.toEqual(before);
    expect(n()).toContain("10");
    expect(text(root.querySelector("#models caption"))).toContain("Last 10");
    click(button("ewma"));
    expect(look).toHaveBeenLastCalledWith({ model: "ewma" });
    click(all("#models a")[0]);
    expect(look).toHaveBeenLastCalledWith({ page: "models", ids: ["ewma"] });
  });
});

describe("dialogs", () => {
  it("ask for the key, say why, and take it without the blanks around it", () => {
    const use = vi.spyOn(app, "useKey").mockImplementation(() => {});
    draw(<KeyPrompt app={app} />);
    expect(all("dialog")).toEqual([]);
    app.needKey.value = "missing";
    draw(<KeyPrompt app={app} />);
    expect(root.querySelector("dialog")?.open).toBe(true);
    expect(text()).toContain("This Foretick is not open to everyone.");
    const submit = (): void => {
      void act(() => {
        root.querySelector("form")?.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
      });
    };
    change(all<HTMLInputElement>("input")[0], "   ", "input");
    submit();
    expect(use).not.toHaveBeenCalled();
    change(all<HTMLInputElement>("input")[0], "  s3cret ", "input");
    submit();
    expect(use).toHaveBeenCalledWith("s3cret");
    expect(all<HTMLInputElement>("input")[0]?.value).toBe("");
    app.needKey.value = "refused";
    draw(<KeyPrompt app={app} />);
    expect(text()).toContain("did not accept this key");
    // Escape does not close it: nothing works without a key.
    const cancel = new Event("cancel", { cancelable: true });
    root.querySelector("dialog")?.dispatchEvent(cancel);
    expect(cancel.defaultPrevented).toBe(true);
  });

  it("offer to forget a key where one is kept", () => {
    app.status.value = { version: "1" } as never;
    draw(<ForgetKey app={app} />);
    expect(all("button")).toEqual([]);
    keepKey("s3cret");
    app.status.value = { version: "2" } as never; // as after the page was loaded with it
    draw(<ForgetKey app={app} />);
    expect(text(all("button")[0])).toBe("Forget API key");
  });

  it("show a ledger entry as JSON, with a link where no key is needed", async () => {
    fake.answers.set("/ledger/entries/7", { seq: 7, kind: "issue" });
    app.inspected.value = 7;
    draw(<Inspector app={app} />);
    expect(text(root.querySelector("pre"))).toBe("Loading…");
    await settle();
    expect(JSON.parse(root.querySelector("pre")?.textContent ?? "")).toEqual({ seq: 7, kind: "issue" });
    expect(root.querySelector("a")?.getAttribute("href")).toBe("/v1/series/sim%3AAMZN%401s/ledger/entries/7");
    keepKey("s3cret");
    click(button("Close"));
    expect(app.inspected.value).toBeNull();
  });

  it("say why an entry cannot be shown", async () => {
    fake.trouble = () => problem(404, "Not Found", "There is no entry 9.");
    app.inspected.value = 9;
    draw(<Inspector app={app} />);
    await settle();
    expect(text(root.querySelector("pre"))).toBe(
      "There is no entry 9. Choose another symbol, interval or model.",
    );
  });

  it("ask before something is lost, and say what the server has against it", async () => {
    const go = vi.fn<() => Promise<void>>();
    const done = vi.fn();
    draw(
      <Ask
        label="Delete"
        title="Delete?"
        about="It is lost."
        keep="Keep"
        act="Delete it"
        go={go}
        done={done}
      />,
    );
    expect(all("dialog")).toEqual([]);
    click(button("Delete"));
    click(button("Keep"));
    expect(go).not.toHaveBeenCalled();
    expect(all("dialog")).toEqual([]);
    click(button("Delete"));
    go.mockRejectedValueOnce(new ApiError(403, "Forbidden", "role write is needed"));
    click(button("Delete it"));
    await settle();
    expect(text(root.querySelector('[role="alert"]'))).toMatch(
      /^role write is needed\. This key is not allowed/,
    );
    go.mockRejectedValueOnce(new ApiError(409, "Conflict", "it is in use"));
    click(button("Delete it"));
    await settle();
    expect(text(root.querySelector('[role="alert"]'))).toBe("it is in use");
    go.mockResolvedValueOnce();
    click(button("Delete it"));
    await settle();
    expect(done).toHaveBeenCalledTimes(1);
    expect(all("dialog")).toEqual([]);
  });
});

describe("saving a file", () => {
  it("is a link where no key is needed", () => {
    draw(<Save label="Save" href="/v1/x" name="x.csv" fetch={vi.fn()} />);
    expect(root.querySelector("a")?.getAttribute("href")).toBe("/v1/x");
    expect(root.querySelector("a")?.getAttribute("download")).toBe("x.csv");
  });

  it("is fetched with the key where one is, and says what went wrong", async () => {
    keepKey("s3cret");
    const made = vi.spyOn(URL, "createObjectURL").mockReturnValue("blob:1");
    const gone = vi.spyOn(URL, "revokeObjectURL").mockImplementation(() => {});
    const clicked = vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(() => {});
    const fetch = vi.fn<() => Promise<Blob>>().mockResolvedValueOnce(new Blob(["x"]));
    draw(<Save label="Save" href="/v1/x" name="x.csv" fetch={fetch} />);
    click(button("Save"));
    await settle();
    expect(made).toHaveBeenCalledTimes(1);
    expect(clicked).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(61_000);
    expect(gone).toHaveBeenCalledWith("blob:1");
    fetch.mockRejectedValueOnce(new ApiError(404, "Not Found", "it is gone"));
    click(button("Save"));
    await settle();
    expect(text(root.querySelector('[role="alert"]'))).toBe("it is gone");
  });
});

describe("the ledger's end", () => {
  const hash = "0123456789abcdef".repeat(4);
  beforeEach(() => {
    app.head.value = { series: "sim:AMZN@1s", seq: 1234, hash };
    draw(<Ledger app={app} />);
  });

  it("is opened, and copied with its series and number", async () => {
    expect(text()).toContain("Entry 1,234, hash 0123456789abcdef…");
    click(all("button.hash")[0]);
    expect(app.inspected.value).toBe(1234);
    const write = vi.fn().mockResolvedValue(undefined);
    vi.spyOn(navigator, "clipboard", "get").mockReturnValue({ writeText: write } as never);
    click(button("Copy"));
    await settle();
    expect(write).toHaveBeenCalledWith(`sim:AMZN@1s 1234 ${hash}`);
    draw(<Ledger app={app} />);
    expect(button("Copied")).toBeDefined();
    void act(() => void vi.advanceTimersByTime(2100));
    draw(<Ledger app={app} />);
    expect(button("Copy")).toBeDefined();
  });

  it("says nothing that is not so where copying is forbidden", async () => {
    vi.spyOn(navigator, "clipboard", "get").mockReturnValue({
      writeText: () => Promise.reject(new Error("denied")),
    } as never);
    click(button("Copy"));
    await settle();
    draw(<Ledger app={app} />);
    expect(button("Copy")).toBeDefined();
  });
});

describe("a feed", () => {
  it("shows the connection to its venue", () => {
    const link = {
      ...{
        reconnects: 3,
        duplicates: 5,
        unknown: 1,
        reason: "no message for 30 s",
        lost: "kraken:BTC/USD 10:00 to 10:05",
      },
      ...{
        refused: "HTTP 451",
        clock_measured: true,
        clock_offset: -1.5,
        healing: 0,
        gaps_open: 1,
        gaps_healed: 12,
      },
      ...{ gaps_lost: 1, headroom: 0.45 },
    };
    app.feeds.value = [fake.feed({ note: "delayed by 15 minutes", link } as never)];
    draw(<Feeds app={app} />);
    for (const part of [
      "delayed by 15 minutes",
      "Reconnects3",
      "Came twice5",
      "Missed trades and bars: 1 to be repaired, 12 repaired, 1 not to be had any more.",
      "Last not to be had: kraken:BTC/USD 10:00 to 10:05",
      "Last reconnect: no message for 30 s",
      "The venue refuses: HTTP 451",
      "The venue's clock is 1.50 s behind the server's.",
      "45 % left",
    ])
      expect(text()).toContain(part);
    expect(all<HTMLMeterElement>("meter")[0]?.getAttribute("value")).toBe("0.45");
  });
});
