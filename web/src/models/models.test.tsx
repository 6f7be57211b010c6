// @vitest-environment happy-dom
import { type ComponentChild, render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { describeMarket, Market } from "../../dev/market.ts";
import { curve, detail, imported, training, version } from "../../dev/models.ts";
import { ApiError } from "../api/client.ts";
import { forgetKey, keepKey } from "../api/key.ts";
import type { Series, TrainingOrder } from "../api/types.ts";
import { App } from "../state/app.ts";
import { Bring } from "./Bring.tsx";
import { Curve } from "./Curve.tsx";
import { Desk } from "./desk.ts";
import { Train } from "./Train.tsx";
import { TrainingPanel, Trainings } from "./Trainings.tsx";
import { VersionPanel } from "./Version.tsx";
import { Versions } from "./Versions.tsx";
import { addressOf } from "./words.ts";

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
const button = (name: string): HTMLButtonElement => {
  const b = [...document.querySelectorAll("button")].find(b => b.textContent === name);
  if (b === undefined) throw new Error(`no button ${name}`);
  return b;
};
const submit = (): Promise<void> =>
  act(async () => {
    find("form").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await Promise.resolve();
  });
const field = (label: string): HTMLInputElement => {
  const l = [...document.querySelectorAll("label")].find(l => l.textContent?.startsWith(label));
  return find<HTMLInputElement>(`[id="${l?.getAttribute("for")}"]`);
};
const type = (label: string, value: string): Promise<void> =>
  act(() => {
    const input = field(label);
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }) as Promise<void>;

beforeEach(() => {
  const series = describeMarket(new Market("sim:AMZN@1s", 1000, 7), true);
  const other = (id: string, interval: string): Series => ({
    ...series,
    id,
    interval,
    interval_seconds: 60,
    instrument: { ...series.instrument, venue: "file", simulated: false },
  });
  app = new App();
  app.seriesList.value = [
    { ...series, models: [...series.models, { name: "lstm", description: "", champion: false }] },
    other("file:AMZN@1m", "1m"),
    other("file:MSFT@1m", "1m"),
  ];
  app.view.value = { ...app.view.value, page: "models", series: series.id };
  desk = new Desk(app);
  desk.versions.value = [];
  desk.jobs.value = [];
  vi.stubGlobal("fetch", () => new Promise(() => {}));
});
afterEach(() => {
  render(null, document.body);
  vi.unstubAllGlobals();
});

describe("the list", () => {
  it("says how to get a model while there is none", async () => {
    const train = vi.fn();
    await show(<Versions app={app} desk={desk} train={train} />);
    expect(text()).toContain("No model is stored yet");
    expect(text()).toContain("foretick models import --name original --pth");
    expect(text()).toContain("foretick train");
    await act(() => button("Train a model").click());
    expect(train).toHaveBeenCalled();
  });

  it("groups versions by model and says what each is, has seen and may forecast", async () => {
    desk.versions.value = [
      version("aaaa1111bbbb2222"),
      version("cccc3333dddd4444", { source: "trained on file:AMZN@1m", interval: "1m", loss: 1.2 }),
      imported("6c693fa55817b39f"),
    ];
    app.view.value = { ...app.view.value, ids: ["lstm"] };
    await show(<Versions app={app} desk={desk} train={() => {}} />);
    expect(text()).toContain("2 models, 3 versions");
    const heads = [...document.querySelectorAll("#versions tr.band")].map(r => r.textContent);
    expect(heads).toEqual(["lstm 2 versions", "original "]);
    const cells = (id: string) =>
      [...find(`#versions tr[data-version="${id}"]`).children].map(c => c.textContent ?? "");
    const lstm = cells("lstm/aaaa1111bbbb2222");
    expect(lstm[0]).toMatch(/^aaaa1111/);
    expect(lstm[1]).toBe("distribution simulatedtrained on sim:AMZN@1s");
    expect(lstm[2]).toBe("lstm 1 × 16, 8 inputs3 networks, 5,427 parameters");
    expect(lstm[3]).toBe("1 series of 1s12,345 bars");
    expect(lstm[6]).toBe("1.3842");
    expect(lstm[7]).toBe("27 kB");
    expect(cells("lstm/cccc3333dddd4444")[1]).toBe("distribution trained on file:AMZN@1m");
    const original = cells("original/6c693fa55817b39f");
    expect(original[1]).toBe("price model imported from lstm_model.pth");
    expect(original.slice(3, 7)).toEqual(["not known", "not known", "any bar", "–"]);
    // A name alone is its newest version.
    expect(find("#versions tr.chosen").dataset.version).toBe("lstm/aaaa1111bbbb2222");
    const link = find<HTMLAnchorElement>('tr[data-version="original/6c693fa55817b39f"] a');
    expect(link.getAttribute("href")).toBe("?view=models&id=original/6c693fa55817b39f");
    await act(() => link.click());
    expect(app.view.value.ids).toEqual(["original/6c693fa55817b39f"]);
  });
});

describe("a version", () => {
  const v = version("aaaa1111bbbb2222");

  it("says what it is, what it may forecast, how it learnt and from what", async () => {
    desk.details.value = new Map([[addressOf(v), detail(v)]]);
    await show(<VersionPanel app={app} desk={desk} version={v} />);
    for (const part of [
      "lstm aaaa1111 SIMULATED distribution",
      v.about,
      "what it has seen is not forecast",
      "It learnt from simulated prices",
      "not believed: it says how wide, not where to",
      "3, the best 3 answer",
      "at most 200, 8 without progress end it",
      "Learnt from",
    ])
      expect(text()).toContain(part);
    expect(text()).not.toMatch(/NaN|undefined|null/);
    const race = find<HTMLAnchorElement>(".races a");
    expect(race.textContent).toBe("AMZN 1s");
    expect(document.querySelectorAll("path.valid")).toHaveLength(3);
  });

  it("says of a price model that nobody knows what it has seen", async () => {
    const o = imported("6c693fa55817b39f");
    desk.details.value = new Map([[addressOf(o), detail(o)]]);
    await show(<VersionPanel app={app} desk={desk} version={o} />);
    expect(text()).toContain("What it was trained on is not known.");
    expect(text()).toContain("No series has original in its race now.");
    expect(text()).toContain("7 prices");
    expect(document.querySelector(".curve")).toBeNull();
    expect(document.querySelector(".badge.simulated")).toBeNull();
  });

  it("shows why its details cannot be had", async () => {
    desk.details.value = new Map([[addressOf(v), new ApiError(500, "No", "the database is locked")]]);
    await show(<VersionPanel app={app} desk={desk} version={v} />);
    expect(find(".problem").textContent).toBe("the database is locked");
  });

  it("is downloaded by a link without a key, and fetched with one", async () => {
    await show(<VersionPanel app={app} desk={desk} version={v} />);
    const link = find<HTMLAnchorElement>(".buttons a");
    expect(link.getAttribute("href")).toBe("/v1/versions/lstm/aaaa1111bbbb2222/file");
    expect(link.download).toBe("lstm-aaaa1111bbbb2222.safetensors");
    keepKey("a-secret-of-many-letters");
    try {
      const calls: string[] = [];
      vi.stubGlobal("fetch", async (url: string) => {
        calls.push(url);
        return new Response("weights");
      });
      vi.spyOn(URL, "createObjectURL").mockReturnValue("blob:it");
      const saved = vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(() => {});
      render(null, document.body);
      await show(<VersionPanel app={app} desk={desk} version={v} />);
      expect(document.querySelector(".buttons a")).toBeNull();
      calls.length = 0;
      await act(() => button("Download .safetensors").click());
      await vi.waitFor(() => expect(saved).toHaveBeenCalledTimes(1));
      expect(calls).toContain("/v1/versions/lstm/aaaa1111bbbb2222/file");
    } finally {
      vi.restoreAllMocks();
      forgetKey();
    }
  });

  it("is deleted after a question, and what the server has against it is shown", async () => {
    app.view.value = { ...app.view.value, ids: [addressOf(v)] };
    const drop = vi.fn(() => Promise.reject(new ApiError(403, "Forbidden", "this key may only read")));
    desk.dropVersion = drop;
    await show(<VersionPanel app={app} desk={desk} version={v} />);
    await act(() => button("Delete").click());
    expect(drop).not.toHaveBeenCalled();
    await act(() => button("Delete it").click());
    await vi.waitFor(() => find("dialog .problem"));
    expect(find("dialog .problem").textContent).toMatch(/^this key may only read\. .*ask for one/);
    desk.dropVersion = () => Promise.resolve();
    await act(() => button("Delete it").click());
    await vi.waitFor(() => expect(app.view.value.ids).toEqual([]));
  });
});

describe("the form", () => {
  const sent = (): TrainingOrder[] => {
    const orders: TrainingOrder[] = [];
    desk.train = async o => {
      orders.push(o);
      return training("t9");
    };
    return orders;
  };

  it("orders what was chosen and leaves the rest to the server", async () => {
    const orders = sent();
    await show(<Train app={app} desk={desk} shown show={() => {}} />);
    expect(text()).toContain("AMZN 1s sim, simulated");
    expect(text()).not.toContain("MSFT");
    await submit();
    expect(orders).toEqual([{ cell: "lstm", series: ["sim:AMZN@1s"] }]);
    expect(app.view.value.ids).toEqual(["t9"]);
  });

  it("offers the series of one interval at a time", async () => {
    const orders = sent();
    await show(<Train app={app} desk={desk} shown show={() => {}} />);
    await act(() => find<HTMLInputElement>('input[name="pick-bars-of"][value="1m"]').click());
    expect(document.querySelector('input[value="sim:AMZN@1s"]')).toBeNull();
    await submit();
    expect(text()).toContain("Choose at least one series.");
    await act(() => button("All").click());
    await act(() => find<HTMLInputElement>('input[value="gru"]').click());
    await type("Name", "both");
    await type("Units", "4");
    await type("Rate", "0.01");
    await submit();
    expect(orders).toEqual([
      { cell: "gru", series: ["file:AMZN@1m", "file:MSFT@1m"], name: "both", units: 4, rate: 0.01 },
    ]);
  });

  it("says beside a field what is wrong with it, without asking the server", async () => {
    const orders = sent();
    await show(<Train app={app} desk={desk} shown show={() => {}} />);
    await type("Units", "4000");
    await type("Name", "My model");
    await submit();
    expect(field("Units").getAttribute("aria-invalid")).toBe("true");
    const said = field("Units").getAttribute("aria-describedby") ?? "";
    expect(document.getElementById(said)?.textContent).toBe("A whole number, 1 to 1,024.");
    expect(field("Name").getAttribute("aria-invalid")).toBe("true");
    expect(find<HTMLDetailsElement>("form details").open).toBe(true);
    expect(orders).toEqual([]);
  });

  it("puts the server's words where they belong", async () => {
    desk.train = () =>
      Promise.reject(
        new ApiError(422, "Unprocessable Entity", "neural: bad shape: steps 1; choose 2 to 1000"),
      );
    await show(<Train app={app} desk={desk} shown show={() => {}} />);
    await submit();
    expect(field("Steps").getAttribute("aria-invalid")).toBe("true");
    expect(text()).toContain("steps 1; choose 2 to 1000");
    desk.train = () => Promise.reject(new ApiError(429, "Too Many Requests", "too many are waiting: 16"));
    await submit();
    expect(find(".order-form > .problem").textContent).toBe("too many are waiting: 16");
  });
});

describe("trainings", () => {
  it("show how far each is, in words and not only in colour", async () => {
    desk.jobs.value = [
      training("t5", { state: "queued", curve: [], progress: 0 }),
      training("t4", { state: "running", curve: curve(2, 20), progress: 0.25 }),
      training("t3", { state: "failed", error: "neural: nothing to learn from: no series" }),
      training("t2", { state: "cancelled" }),
      training("t1"),
    ];
    await show(<Trainings app={app} desk={desk} />);
    for (const part of [
      "5, newest first",
      "simulated",
      "… queued, 1 before it",
      "▶ network 2 of 3, epoch 14",
      "✕ failed",
      "nothing to learn from: no series",
      "– cancelled",
      "✓ done, 102 epochs",
      "Open version aaaa1111",
    ])
      expect(text()).toContain(part);
    expect(text()).not.toContain("neural:");
    expect(find<HTMLProgressElement>("progress").value).toBe(0.25);
    await act(() => find<HTMLAnchorElement>('[data-job="t4"] a').click());
    expect(app.view.value.ids).toEqual(["t4"]);
  });

  it.each([
    ["done", "Open its version", "Delete"],
    ["failed", "It failed: no bars", "Delete"],
    ["cancelled", "It was cancelled before it was done", "Delete"],
    ["queued", "queued, next", "Cancel"],
    ["running", "ordered", "Cancel"],
  ] as const)("that are %s say so", async (state, want, does) => {
    const t = training("t1", { state, error: "no bars" });
    if (state !== "done") delete t.version;
    desk.jobs.value = [t];
    await show(<TrainingPanel app={app} desk={desk} training={t} />);
    expect(text()).toContain("Training of lstm on AMZN 1s SIMULATED");
    expect(text()).toContain(want);
    expect(text()).toContain("SIMULATED");
    expect(button(does)).toBeTruthy();
  });

  it("are cancelled after a question", async () => {
    const t = training("t1", { state: "running" });
    desk.jobs.value = [t];
    const dropped: string[] = [];
    desk.drop = async id => void dropped.push(id);
    await show(<TrainingPanel app={app} desk={desk} training={t} />);
    await act(() => button("Cancel").click());
    expect(dropped).toEqual([]);
    await act(() => button("Cancel it").click());
    expect(dropped).toEqual(["t1"]);
  });
});

describe("the curve on the page", () => {
  it("has a line a network, the best epoch marked, and the numbers behind it", async () => {
    await show(<Curve curve={curve(2, 12)} />);
    expect(document.querySelectorAll("path.learn")).toHaveLength(2);
    expect(document.querySelectorAll("circle.dot")).toHaveLength(2);
    expect(document.querySelectorAll(".plot .promise")).toHaveLength(1);
    expect(document.querySelectorAll(".plot tbody tr")).toHaveLength(15);
    expect(find("svg desc").textContent).toMatch(
      /^2 networks, 15 epochs\. The lowest validation loss, 1\.\d{4},/,
    );
    expect(text()).not.toMatch(/NaN/);
  });

  it("reads the losses under the pointer", async () => {
    await show(<Curve curve={curve(1, 13)} />);
    const plot = find(".curve .catch");
    plot.getBoundingClientRect = () => ({ left: 0, width: 90 }) as DOMRect;
    await act(() => {
      plot.dispatchEvent(Object.assign(new Event("pointermove"), { clientX: 30 }));
    });
    expect(find(".explain").textContent).toMatch(/^Epoch 4: training 1\.\d{4}, validation 1\.\d{4}$/);
    await act(() => {
      plot.dispatchEvent(new Event("pointerleave"));
    });
    expect(find(".explain").textContent).toMatch(/^The lowest validation loss/);
  });
});

describe("the import", () => {
  const choose = (): Promise<void> =>
    act(() => {
      const input = find<HTMLInputElement>('input[type="file"]');
      Object.defineProperty(input, "files", { value: [new File(["12345"], "x.safetensors")] });
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }) as Promise<void>;

  it("sends the file and goes to what came of it", async () => {
    const files: Blob[] = [];
    desk.bring = async f => {
      files.push(f);
      return version("ffff");
    };
    await show(<Bring app={app} desk={desk} />);
    expect(text()).toContain("Files of PyTorch are imported by the command line");
    await submit();
    expect(find('[role="alert"]').textContent).toBe("Choose a file.");
    await choose();
    expect(button("Import 5 B")).toBeTruthy();
    await submit();
    expect(files).toHaveLength(1);
    expect(app.view.value.ids).toEqual(["lstm/ffff"]);
  });

  it("shows what the server has against it", async () => {
    desk.bring = () =>
      Promise.reject(new ApiError(422, "No", "registry: not a model version: header too small"));
    await show(<Bring app={app} desk={desk} />);
    await choose();
    await submit();
    expect(find('[role="alert"]').textContent).toBe("not a model version: header too small");
  });
});
