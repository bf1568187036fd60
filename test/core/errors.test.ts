import assert from "node:assert/strict";
import { test } from "node:test";
import { errorTable, type ErrorCode } from "../../src/core/error-table.ts";
import { errorRecord, isNotApplied, notApplied, PawlError } from "../../src/core/errors.ts";

const boundedTo = (record: { readonly message: string }): void =>
  assert.ok(record.message.length <= 2_000, `${record.message.length}`);

test("every code says whether to repeat, its HTTP status, and what it means in one line", () => {
  for (const [code, { retry, status, meaning }] of Object.entries(errorTable)) {
    const error = new PawlError(code as ErrorCode, "x");
    assert.deepEqual([error.retry, error.status, error.code], [retry, status, code]);
    assert.ok(status >= 400 && status < 600, code);
    assert.match(meaning, /^[^\n]+\.$/, code);
  }
});

test("an error of another copy of the package is recognised, and what only looks like one is not", () => {
  const other = Object.assign(new Error("x"), { name: "PawlError", code: "RUN_UNKNOWN" });
  assert.equal(PawlError.is(other), true);
  assert.equal(PawlError.is(other, "RUN_UNKNOWN"), true);
  assert.equal(PawlError.is(other, "RUN_ENDED"), false);
  for (const value of [null, "PawlError", { name: "PawlError", code: "RUN_UNKNOWN" }, new Error("x")])
    assert.equal(PawlError.is(value), false);
});

test("a record keeps code, message and details, and neither stack nor cause", () => {
  const error = new PawlError("TOOL_FAILED", "no", { cause: new Error("secret"), details: { tries: 3 } });
  assert.deepEqual(errorRecord(error, "INTERNAL"), { code: "TOOL_FAILED", message: "no", details: { tries: 3 } });
  assert.deepEqual(errorRecord(new TypeError("bad"), "TOOL_FAILED"), {
    code: "TOOL_FAILED",
    message: "TypeError: bad",
  });
});

test("anything can be thrown, and becomes one bounded record", () => {
  const hostile = [
    null,
    undefined,
    "a string",
    "x".repeat(1_000_000),
    42,
    Symbol("s"),
    { a: 1 },
    Object.create(null),
    new Proxy({}, { get: () => assert.fail() }),
    {
      toString() {
        throw new Error("no text");
      },
    },
    Object.defineProperty(new Error("x"), "message", {
      get() {
        throw new Error("no message");
      },
    }),
    Object.assign(new Error("x"), { name: "PawlError", code: 7 }),
    Object.assign(new Error("x"), { name: "PawlError", code: "NOT_A_CODE" }),
    new Error("half \ud800 pair"),
    new AggregateError(
      Array.from({ length: 10_000 }, (_, i) => new Error(`failure ${i}`)),
      "many failed",
    ),
  ];
  for (const [i, thrown] of hostile.entries()) {
    const record = errorRecord(thrown, "TOOL_FAILED");
    boundedTo(record);
    assert.equal(typeof record.message, "string", `${i}`);
    assert.ok(record.message.isWellFormed(), `${i}`);
    assert.ok(Object.hasOwn(errorTable, record.code), `${i}: ${record.code}`);
  }
});

test("a chain of causes without end is not followed", () => {
  const error: Error & { cause?: unknown } = new Error("ring");
  error.cause = error;
  assert.equal(errorRecord(error, "TOOL_FAILED").message, "Error: ring");
});

test("details that are no plain values are left out, and few are kept", () => {
  const details = {
    status: 429,
    deep: { a: 1 },
    text: "x".repeat(10_000),
    none: null,
    list: [1],
    nan: NaN,
  } as unknown as { readonly status: number };
  const record = errorRecord(new PawlError("MODEL_RATE_LIMITED", "x", { details }), "INTERNAL");
  assert.deepEqual(Object.keys(record.details ?? {}).toSorted(), ["none", "status", "text"]);
  assert.ok(String(record.details?.["text"]).length <= 500);
});

test("a message is cut, so that no model's text fills the journal", () => {
  assert.equal(new PawlError("MODEL_BAD_RESPONSE", "x".repeat(5_000)).message.length, 2_000);
});

test("only notApplied() says that nothing happened, also over copies of the package", () => {
  assert.equal(isNotApplied(notApplied("the form was not sent")), true);
  for (const thrown of [null, undefined, "x", new Error("NotApplied"), { name: "NotApplied" }])
    assert.equal(isNotApplied(thrown), false);
  assert.equal(notApplied("why").message, "why");
});
