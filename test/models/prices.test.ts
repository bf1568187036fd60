import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import { PawlError } from "../../src/core/errors.ts";
import { costOf } from "../../src/core/usage.ts";
import { genaiPrice } from "../../src/models/genai-prices.ts";
import { knownModel, priceLookup } from "../../src/models/price-book.ts";
import { listedModel } from "../../src/models/price-table.ts";

const at = Date.parse("2026-11-22T00:00:00Z");

function fileWith(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "pawl-prices-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "pawl.prices.json");
  writeFileSync(file, text);
  return file;
}

test("a model that the own table does not have is priced by genai-prices, with its release and date", () => {
  assert.equal(listedModel("mistral/mistral-large-latest").price, null);
  const { price } = knownModel("mistral/mistral-large-latest", at);
  assert.deepEqual(price, { inputUsd: 2, outputUsd: 6, source: "genai-prices 0.1.8", date: "2026-09-23" });
  const { version } = JSON.parse(
    readFileSync(new URL("../../node_modules/@pydantic/genai-prices/package.json", import.meta.url), "utf8"),
  ) as { readonly version: string };
  assert.equal(price?.source, `genai-prices ${version}`, "the source names the release that is installed");
});

test("a tier holds for the whole request, and cached tokens are a part of the input", () => {
  const found = genaiPrice("openai/gpt-6-sol", at);
  assert.ok(found?.price.longPrompt !== undefined);
  assert.equal(found.price.longPrompt.aboveTokens, 272_000);
  const usage = {
    inputTokens: 300_000,
    cachedInputTokens: 100_000,
    cacheWriteTokens: 0,
    outputTokens: 1_000,
    reasoningTokens: 0,
  };
  assert.equal(costOf(usage, found.price), (200_000 * 4 + 100_000 * 0.4 + 1_000 * 15) * 1_000);
});

test("a model is never priced as one that it only resembles, and what nobody knows is unpriced, not free", () => {
  assert.equal(genaiPrice("anthropic/claude-sonnet-5-5", at), null, "the library takes it for claude-sonnet-5");
  assert.ok(genaiPrice("openai/gpt-4o-2024-08-06", at) !== null, "a dated name is the same model");
  const lookup = priceLookup();
  for (const route of [
    "openai/nonsense-9",
    "nobody/gpt-5",
    "gpt-5",
    "openai-compatible/llama",
    "openai/",
    "__proto__/x",
  ])
    assert.equal(lookup(route, at), null, route);
});

test("the option goes before the file, the file before the tables; each price says where it is from", (t) => {
  const entry = { inputUsd: 1, outputUsd: 2, date: "2026-11-20" };
  const file = fileWith(t, JSON.stringify({ "openai/gpt-5": entry, "own/model": { ...entry, source: "contract 12" } }));
  const prices = { "openai/gpt-5": { inputUsd: 9, outputUsd: 9, source: "option", date: "2026-11-21" } };
  assert.equal(priceLookup({ prices, file })("openai/gpt-5", at)?.source, "option");
  assert.deepEqual(priceLookup({ file })("openai/gpt-5", at), { ...entry, source: "override pawl.prices.json" });
  assert.equal(priceLookup({ file })("own/model", at)?.source, "contract 12");
  assert.match(priceLookup({ file })("openai/gpt-5-mini", at)?.source ?? "", /openai\.com/);
});

test("an override file that cannot be used is refused with what is wrong in it, never passed over", (t) => {
  for (const [text, why] of [
    ["{", /not JSON/],
    ['{"gpt-5":{"inputUsd":1,"outputUsd":1,"date":"2026-01-01"}}', /gpt-5/],
    ['{"openai/x":{"inputUsd":-1,"outputUsd":1,"date":"2026-01-01"}}', /inputUsd/],
    ['{"openai/x":{"inputUsd":1,"outputUsd":1}}', /date/],
    ['{"openai/x":{"inputUsd":1,"outputUsd":1,"date":"2026-01-01","inputusd":2}}', /inputusd/],
  ] as const) {
    const lookup = priceLookup({ file: fileWith(t, text) });
    assert.throws(
      () => lookup("openai/x", at),
      (error) => {
        assert.ok(PawlError.is(error, "CONFIG_INVALID"), String(error));
        assert.match(error.message, why);
        return true;
      },
    );
  }
  assert.throws(() => priceLookup({ file: "/nowhere/prices.json" })("openai/x", at), { code: "CONFIG_INVALID" });
});

test("a price whose name is a slip is told with the name that has none, and others are left alone", async () => {
  const price = { inputUsd: 1, outputUsd: 2, source: "test", date: "2026-11-22" };
  const lookup = priceLookup({ prices: { "acme/super-modle": price, "acme/other": price } });
  const told: (Error & { readonly code?: string })[] = [];
  const hear = (warning: Error): void => void told.push(warning);
  process.on("warning", hear);
  for (let i = 0; i < 2; i++) assert.equal(lookup("acme/super-model", 0), null);
  assert.equal(lookup("acme/something-else-entirely", 0), null);
  assert.equal(lookup("acme/other", 0), price);
  await setImmediate();
  process.off("warning", hear);
  assert.deepEqual(
    told.map(({ code }) => code),
    ["PAWL_PRICE"],
  );
  assert.match(told[0]?.message ?? "", /"acme\/super-model" has no price.*"acme\/super-modle"/);
});
