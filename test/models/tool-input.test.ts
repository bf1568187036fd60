import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../src/core/limits.ts";
import { cutToolInputOf, toolInputOf } from "../../src/models/tool-input.ts";

const parses: readonly (readonly [raw: string, input: unknown])[] = [
  ["", {}],
  ["  \n", {}],
  ['{"a":1}', { a: 1 }],
  ['{"a":[1,2,],"b":{"c":true,},}', { a: [1, 2], b: { c: true } }],
  ['{"a":",}",}', { a: ",}" }],
  ['{"a":"\\",]",}', { a: '",]' }],
  ['"{\\"a\\":1}"', { a: 1 }],
  ['"[1,2]"', [1, 2]],
  ["7", 7],
  ["null", null],
  ['"just text"', "just text"],
  ['{"a":"\\ud800"}', { a: "\ufffd" }],
  ['{"a":1,"a":2}', { a: 2 }],
];

for (const [raw, input] of parses) {
  test(`models: arguments ${JSON.stringify(raw)} are read as ${JSON.stringify(input)}`, () => {
    assert.deepEqual(toolInputOf(raw), { input });
  });
}

const malformed = [
  '{"a":1',
  "{'a':1}",
  '{"a":NaN}',
  '{"a":1e999}',
  "{a:1}",
  '{"a":1}{"b":2}',
  '{"a":1,,}',
  "```json\n{}\n```",
  "get the weather",
];

for (const raw of malformed) {
  test(`models: arguments ${JSON.stringify(raw)} stay as written and are marked`, () => {
    assert.deepEqual(toolInputOf(raw), { input: raw, malformed: true });
  });
}

test("models: M10: arguments nested 100,000 levels deep are marked without a parser being asked", () => {
  const read = toolInputOf("[".repeat(100_000) + "]".repeat(100_000));
  assert.equal(read.malformed, true);
  assert.equal(String(read.input).length, limits.inlineBytes);
});

test("models: arguments 200 levels deep are read, 201 are not", () => {
  const nested = (levels: number): string => '{"a":'.repeat(levels) + "1" + "}".repeat(levels);
  assert.equal(toolInputOf(nested(limits.argumentDepth)).malformed, undefined);
  assert.equal(toolInputOf(nested(limits.argumentDepth + 1)).malformed, true);
  assert.equal(toolInputOf(JSON.stringify(nested(limits.argumentDepth + 1))).malformed, undefined);
});

test("models: M10: 50 MB of arguments are marked, and only their start is kept", () => {
  const read = toolInputOf(`{"a":"${"x".repeat(50_000_000)}"}`);
  assert.equal(read.malformed, true);
  assert.equal(String(read.input).length, limits.inlineBytes);
});

test("models: a key __proto__ is a key like any other and changes no prototype", () => {
  const read = toolInputOf('{"__proto__":{"isAdmin":true}}');
  assert.equal(read.malformed, undefined);
  assert.deepEqual(Object.keys(read.input as object), ["__proto__"]);
  assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined);
  assert.equal((read.input as { isAdmin?: boolean }).isAdmin, undefined);
});

test("models: of an answer that was cut, only a closed object with members is whole", () => {
  assert.deepEqual(cutToolInputOf('{"city":"Oslo"}'), { input: { city: "Oslo" } });
  for (const raw of ["", "{}", "{ }", '{"city":"Os', '{"city":"Oslo",}', '"{\\"city\\":\\"Oslo\\"}"', "12", "[1]"]) {
    assert.equal(cutToolInputOf(raw).malformed, true, raw);
  }
});
