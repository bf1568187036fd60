import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { capsOf, leftOf, refusalOf, unpricedNanoUsdPerToken, type Amount } from "../../src/core/budget.ts";
import { limits } from "../../src/core/limits.ts";
import { noTotals } from "../../src/core/run-totals.ts";
import {
  addUsage,
  costOf,
  nanoUsdOf,
  noUsage,
  tokensOf,
  usdOf,
  worstCostOf,
  type Price,
  type Usage,
} from "../../src/core/usage.ts";
import { usageOf } from "./story.ts";

const price = (more: Partial<Price> = {}): Price => ({
  inputUsd: 3,
  outputUsd: 15,
  source: "list",
  date: "2026-11-01",
  ...more,
});
const tokens = fc.nat({ max: 2_000_000 });
const usage: fc.Arbitrary<Usage> = fc
  .record({ plain: tokens, cachedInputTokens: tokens, cacheWriteTokens: tokens, outputTokens: tokens })
  .map(({ plain, ...rest }) => ({
    ...rest,
    inputTokens: plain + rest.cachedInputTokens + rest.cacheWriteTokens,
    reasoningTokens: 0,
  }));
/** Rates as price lists have them: up to six decimals. */
const rate = fc.nat({ max: 100_000_000 }).map((millionths) => millionths / 1_000_000);

// ---- what a call costs

test("a dollar per million tokens is a thousand nano-dollars per token", () => {
  assert.equal(costOf(usageOf(1_000_000, 0), price()), 3_000_000_000);
  assert.equal(usdOf(costOf(usageOf(1_000, 100), price()) ?? 0), 0.0045);
});

test("a cost is exact to the nano-dollar, and only its last fraction is rounded up", () => {
  assert.equal(costOf(usageOf(3, 0), price({ inputUsd: 0.1 })), 300);
  assert.equal(costOf(usageOf(7, 0), price({ inputUsd: 0.075 })), 525);
  assert.equal(costOf(usageOf(1, 0), price({ inputUsd: 0.0375 })), 38);
  const exact = fc.property(
    usage,
    rate,
    rate,
    rate,
    rate,
    (used, inputUsd, cachedInputUsd, cacheWriteUsd, outputUsd) => {
      const of = (count: number, usd: number): bigint => BigInt(count) * BigInt(Math.round(usd * 1e6));
      const plain = used.inputTokens - used.cachedInputTokens - used.cacheWriteTokens;
      const thousandths =
        of(plain, inputUsd) +
        of(used.cachedInputTokens, cachedInputUsd) +
        of(used.cacheWriteTokens, cacheWriteUsd) +
        of(used.outputTokens, outputUsd);
      const cost = costOf(used, price({ inputUsd, cachedInputUsd, cacheWriteUsd, outputUsd }));
      assert.equal(BigInt(cost ?? -1), (thousandths + 999n) / 1000n);
    },
  );
  fc.assert(exact, { numRuns: 500 });
});

test("cached and written tokens have their own rates, and without one that of the input", () => {
  const used = { ...noUsage, inputTokens: 100, cachedInputTokens: 40, cacheWriteTokens: 10 };
  assert.equal(costOf(used, price({ cachedInputUsd: 0.3, cacheWriteUsd: 3.75 })), 50 * 3_000 + 40 * 300 + 10 * 3_750);
  assert.equal(costOf(used, price()), 300_000);
});

test("a long prompt makes every token of the request cost its rate", () => {
  const long = price({ longPrompt: { aboveTokens: 200_000, inputUsd: 6, outputUsd: 22.5 } });
  assert.equal(costOf(usageOf(200_000, 1), long), 200_000 * 3_000 + 15_000);
  assert.equal(costOf(usageOf(200_001, 1), long), 200_001 * 6_000 + 22_500);
});

test("a model without a price is unpriced and never free", () => {
  assert.equal(costOf(usageOf(10, 10), null), null);
  assert.equal(worstCostOf(10, 10, null), null);
});

test("no call costs more than its worst case", () => {
  const property = fc.property(
    usage,
    rate,
    rate,
    rate,
    rate,
    (used, inputUsd, cachedInputUsd, cacheWriteUsd, outputUsd) => {
      const rates = price({ inputUsd, cachedInputUsd, cacheWriteUsd, outputUsd });
      const worst = worstCostOf(used.inputTokens, used.outputTokens, rates);
      assert.ok((costOf(used, rates) ?? Infinity) <= (worst ?? -1));
    },
  );
  fc.assert(property, { numRuns: 500 });
});

test("sums of usage are member by member, and reasoning and cached tokens count once against a budget", () => {
  const used = { inputTokens: 10, cachedInputTokens: 4, cacheWriteTokens: 1, outputTokens: 7, reasoningTokens: 5 };
  assert.deepEqual(addUsage(used, used), {
    inputTokens: 20,
    cachedInputTokens: 8,
    cacheWriteTokens: 2,
    outputTokens: 14,
    reasoningTokens: 10,
  });
  assert.equal(tokensOf(used), 17);
  assert.equal(nanoUsdOf(0.1) + nanoUsdOf(0.2), nanoUsdOf(0.3));
});

// ---- what a budget allows

const amount = (more: Partial<Amount> = {}): Amount => ({ tokens: 0, costNanoUsd: 0, calls: 0, ...more });

test("without a stated budget tokens are capped, and a stated one replaces that", () => {
  assert.deepEqual(capsOf({}, limits.runTokens), { tokens: 100_000, costNanoUsd: null, calls: null });
  assert.deepEqual(capsOf({ turns: 5, calls: 3 }, 100), { tokens: 100, costNanoUsd: null, calls: 3 });
  assert.deepEqual(capsOf({ costUsd: 0.5 }, 100), { tokens: null, costNanoUsd: 500_000_000, calls: null });
  assert.deepEqual(capsOf({ tokens: 7, costUsd: 0 }, 100), { tokens: 7, costNanoUsd: 0, calls: null });
});

test("what is left is the cap less what was spent, by children too, and what is reserved", () => {
  const totals = {
    ...noTotals,
    usage: usageOf(10, 5),
    costNanoUsd: 100,
    toolCalls: 2,
    childTokens: 20,
    childCostNanoUsd: 50,
  };
  const left = leftOf({ tokens: 100, costNanoUsd: 1_000, calls: 10 }, totals, [
    amount({ tokens: 30, costNanoUsd: 300, calls: 1 }),
  ]);
  assert.deepEqual(left, { tokens: 35, costNanoUsd: 550, calls: 7 });
  assert.deepEqual(leftOf({ tokens: null, costNanoUsd: null, calls: null }, totals, []), {
    tokens: null,
    costNanoUsd: null,
    calls: null,
  });
});

test("an amount fits up to the last unit, and a refusal names its scope, what is left and what is needed", () => {
  const left = { tokens: 10, costNanoUsd: 20, calls: 1 };
  assert.equal(refusalOf(left, amount({ tokens: 10, costNanoUsd: 20, calls: 1 })), null);
  assert.deepEqual(refusalOf(left, amount({ tokens: 11 })), { scope: "tokens", left: 10, needed: 11 });
  assert.deepEqual(refusalOf(left, amount({ costNanoUsd: 21 })), { scope: "costNanoUsd", left: 20, needed: 21 });
  assert.deepEqual(refusalOf(left, amount({ calls: 2 })), { scope: "calls", left: 1, needed: 2 });
  assert.equal(refusalOf({ tokens: null, costNanoUsd: null, calls: null }, amount({ tokens: 1e12, calls: 1e9 })), null);
});

test("under a cap of money an unpriced call is taken at 100 dollars per million tokens", () => {
  const left = { tokens: null, costNanoUsd: 999_999, calls: null };
  assert.equal(refusalOf(left, amount({ tokens: 9, costNanoUsd: null })), null);
  assert.equal(refusalOf(left, amount({ tokens: 10, costNanoUsd: null }))?.needed, 10 * unpricedNanoUsdPerToken);
  assert.equal(
    leftOf({ ...left, tokens: null }, noTotals, [amount({ tokens: 1, costNanoUsd: null })]).costNanoUsd,
    899_999,
  );
});
