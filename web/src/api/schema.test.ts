import { readFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";
import { expect, it } from "vitest";

it("schema.ts is what the OpenAPI document gives; `npm run gen` renews it", async () => {
  const document = new URL("../../../internal/api/openapi.json", import.meta.url);
  const fresh = astToString(await openapiTS(document)).trim();
  const written = readFileSync(new URL("schema.ts", import.meta.url), "utf8");
  expect(written.includes(fresh)).toBe(true);
});
