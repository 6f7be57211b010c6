import { describe, expect, it } from "vitest";
import { ApiError } from "../api/client.ts";
import { type Draft, place, read, wrongName } from "./order.ts";

const draft = (change: Partial<Draft> = {}): Draft => ({
  cell: "lstm",
  name: "",
  series: ["sim:A@1s"],
  until: "",
  numbers: {},
  ...change,
});

describe("an order that is read", () => {
  it("leaves out what is empty", () => {
    expect(read(draft({ numbers: { units: " ", rate: "" } }))).toEqual({
      order: { cell: "lstm", series: ["sim:A@1s"] },
    });
  });

  it("takes every field", () => {
    const numbers = {
      units: "32",
      layers: "2",
      steps: "100",
      epochs: "1e2",
      restarts: "1",
      rate: "0.001",
      validation: ".2",
      seed: "7",
    };
    expect(read(draft({ cell: "gru", name: " my-gru ", until: "2026-01-02T03:04:05Z", numbers }))).toEqual({
      order: {
        cell: "gru",
        series: ["sim:A@1s"],
        name: "my-gru",
        until: "2026-01-02T03:04:05.000Z",
        units: 32,
        layers: 2,
        steps: 100,
        epochs: 100,
        restarts: 1,
        rate: 0.001,
        validation: 0.2,
        seed: 7,
      },
    });
  });

  it.each([
    [{ series: [] }, { series: "Choose at least one series." }],
    [{ numbers: { units: "0" } }, { units: "A whole number, 1 to 1,024." }],
    [{ numbers: { units: "1.5" } }, { units: "A whole number, 1 to 1,024." }],
    [{ numbers: { steps: "1" } }, { steps: "A whole number, 2 to 1,000." }],
    [{ numbers: { rate: "much" } }, { rate: "0.00000001 to 1." }],
    [{ numbers: { validation: "0.6" } }, { validation: "0.01 to 0.5." }],
    [{ until: "someday" }, { until: "A date and a time." }],
    [
      { name: "X", numbers: { seed: "-1" } },
      {
        name: "Lower-case letters, digits and single hyphens, a letter first.",
        seed: "A whole number, 1 to 9,007,199,254,740,991.",
      },
    ],
  ] as const)("says what is wrong with %j", (change, wrong) => {
    expect(read(draft(change))).toEqual({ wrong });
  });

  it.each([
    ["lstm", true],
    ["my-2nd-lstm", true],
    ["", true],
    ["2nd", false],
    ["a--b", false],
    ["a-", false],
    ["Ä", false],
    ["a".repeat(33), false],
  ])("the name %j is good: %s", (name, good) => {
    expect(wrongName(name) === "").toBe(good);
  });
});

describe("what the server has against an order", () => {
  const refused = (status: number, message: string, fields: [string, string][] = []) =>
    new ApiError(status, "No", message, new Map(fields));

  it.each([
    [
      refused(422, "validation failed", [
        ["units", "expected number <= 1024"],
        ["series[0]", "no such"],
      ]),
      { units: "expected number <= 1024", series: "no such" },
    ],
    [
      refused(422, "validation failed: unexpected property (body.x)", [["x", "unexpected property"]]),
      { form: "validation failed: unexpected property (body.x)" },
    ],
    [refused(422, "neural: bad shape: steps 1; choose 2 to 1000"), { steps: "steps 1; choose 2 to 1000" }],
    [refused(422, "steps 1; choose 2 to 1000"), { steps: "steps 1; choose 2 to 1000" }],
    [refused(422, "warm 5; choose 0 to 4"), { form: "warm 5; choose 0 to 4" }],
    [
      refused(422, '"original" is an imported price model; choose another name'),
      { name: '"original" is an imported price model; choose another name' },
    ],
    [refused(422, "there is no series x"), { form: "there is no series x" }],
    [refused(429, "too many are waiting"), { form: "too many are waiting" }],
    [
      refused(403, "this key may only read"),
      {
        form: "this key may only read. This key is not allowed to do that; ask for one with the role for it.",
      },
    ],
  ])("is put where it belongs: %s", (e, want) => {
    expect(place(e)).toEqual(want);
  });
});
