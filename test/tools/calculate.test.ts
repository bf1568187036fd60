import assert from "node:assert/strict";
import { test } from "node:test";
import { calculate, calculation } from "../../src/tools/builtin/calculate.ts";
import { callTool } from "./call-tool.ts";

const resultOf = (expression: string): unknown => {
  const found = calculation(expression);
  return "result" in found ? found.result : found.error;
};

test("sums come out as on paper", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["1 + 2 * 3", 7],
    ["(1 + 2) * -3", -9],
    ["0.1 + 0.2", 0.3],
    ["2 ^ 10", 1024],
    ["2 * 3 ^ 2", 18],
    ["15% of 80", 12],
    ["7 % 3", 1],
    ["5 × 3 ÷ 2", 7.5],
    ["1_000 * 1.5e2", 150_000],
    ["round(2.345, 1) + max(1, 5, 3)", 7.3],
    ["sqrt(2) ** 2", 2],
    ["9007199254740991", 9_007_199_254_740_991],
  ];
  for (const [expression, result] of cases) assert.equal(resultOf(expression), result, expression);
});

test("a result that lost digits says so", () => {
  const found = calculation("9007199254740991 * 11");
  assert.ok("note" in found && found.note !== undefined);
});

test("nothing but arithmetic is worked out, and nothing is run", () => {
  const refused = [
    "process.exit(1)",
    "constructor(1)",
    "__proto__",
    "toString()",
    "globalThis",
    "a = 1",
    "x => x",
    "[1][0]",
    "({}).x",
    "`${1}`",
    "'5' * 2",
    "1n + 1",
    "010",
    "!1",
    "1, 2",
    "1; 2",
    "2 3",
    "import('node:fs')",
    "new Date",
    "this",
    "max(...[1])",
    "1/0",
    "0/0",
    "9**9**9",
    "",
    `1${"+1".repeat(400)}`,
  ];
  for (const expression of refused) assert.equal(typeof resultOf(expression), "string", expression);
});

test("a refusal names what was wrong and what is allowed", () => {
  assert.match(String(resultOf("process.exit(1)")), /named functions.*Allowed: numbers/);
  assert.match(String(resultOf("constructor(1)")), /"constructor" is not a known function/);
  assert.match(String(resultOf("total * 2")), /"total" is not a known name/);
});

test("the tool gives the expression with its result", async () => {
  assert.deepEqual(await callTool([calculate], "calculate", { expression: "6 * 7" }), {
    expression: "6 * 7",
    result: 42,
  });
});
