import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hashJson } from "../../src/core/hash.ts";
import { canonicalJson, errorText, parseJson, toJson, utf8Bytes, type JsonValue } from "../../src/core/json.ts";

function converted(input: unknown): JsonValue {
  const json = toJson(input);
  assert.ok(json.ok, json.ok ? "" : `${json.path}: ${json.found}`);
  return json.value;
}

/** Asserts a refusal. */
function refused(input: unknown, path: string, found: RegExp): void {
  const json = toJson(input);
  assert.ok(!json.ok, "it was taken");
  assert.equal(json.path, path);
  assert.match(json.found, found);
}

const anyJson: fc.Arbitrary<JsonValue> = fc
  .jsonValue({ maxDepth: 6 })
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);

test("a JSON value is taken as it is", () => {
  fc.assert(fc.property(anyJson, (value) => assert.deepEqual(converted(value), value)));
});

test("what is taken survives JSON unchanged, whatever it was made of", () => {
  const anything = fc.anything({
    withDate: true,
    withMap: true,
    withSet: true,
    withBigInt: true,
    withTypedArray: true,
    withSparseArray: true,
    withNullPrototype: true,
    withBoxedValues: true,
    withObjectString: true,
    withUnicodeString: true,
  });
  const property = fc.property(anything, (value) => {
    const json = toJson(value);
    if (json.ok) assert.deepEqual(JSON.parse(JSON.stringify(json.value)), json.value);
    else assert.notEqual(json.found, "");
  });
  fc.assert(property, { numRuns: 2_000 });
});

test("nothing at the top is null, and members without a value are left out", () => {
  assert.equal(converted(undefined), null);
  assert.deepEqual(converted({ a: undefined, b: 1 }), { b: 1 });
  assert.deepEqual(converted([undefined, 1, , 2]), [null, 1, null, 2]); // oxlint-disable-line no-sparse-arrays -- it is what is tested
});

test("a date is its ISO text, and an invalid one is refused", () => {
  assert.equal(converted(new Date(0)), "1970-01-01T00:00:00.000Z");
  refused({ at: new Date(NaN) }, "at", /invalid Date/);
});

test("minus zero is zero, and numbers that JSON has not are refused", () => {
  assert.ok(Object.is(converted(-0), 0));
  assert.ok(Object.is(converted([-0]) instanceof Array && (converted([-0]) as number[])[0], 0));
  refused([1, NaN], "[1]", /NaN/);
  refused({ a: { b: -Infinity } }, "a.b", /-Infinity/);
});

test("what has no place in JSON is refused, with its place", () => {
  refused(1n, "(top)", /bigint/);
  refused({ a: [{ f: () => 1 }] }, "a[0].f", /function/);
  refused([Symbol("s")], "[0]", /symbol/);
  refused({ m: new Map([[1, 2]]) }, "m", /Map/);
  refused({ s: new Set([1]) }, "s", /Set/);
  refused({ b: new Uint8Array(2) }, "b", /Uint8Array/);
  refused(Buffer.from("x"), "(top)", /Uint8Array|Buffer/);
});

test("objects whose content JSON would lose in silence are refused", () => {
  refused({ e: new Error("boom") }, "e", /Error/);
  refused({ r: /x/ }, "r", /RegExp/);
  refused([Promise.resolve(1)], "[0]", /Promise/);
  refused(new ArrayBuffer(4), "(top)", /ArrayBuffer/);
  refused({ w: new WeakMap() }, "w", /WeakMap/);
  refused({ n: Object(5) as unknown }, "n", /Number/);
});

test("instances of a class are their own members", () => {
  class Point {
    readonly x = 1;
    #y = 2;
    get sum(): number {
      return this.x + this.#y;
    }
  }
  assert.deepEqual(converted(new Point()), { x: 1 });
});

test("toJSON is asked once, as JSON does", () => {
  const itself = {
    a: 1,
    toJSON() {
      return this;
    },
  };
  refused(itself, "toJSON", /function/);
  class Money {
    readonly cents: number;
    constructor(cents: number) {
      this.cents = cents;
    }
    toJSON(): unknown {
      return Object.assign({}, this, { currency: "USD" });
    }
  }
  assert.deepEqual(converted({ price: new Money(5) }), { price: { cents: 5, currency: "USD" } });
  const text = { toJSON: () => "text" };
  assert.deepEqual(converted([text, { toJSON: () => ({ inner: text }) }]), ["text", { inner: "text" }]);
  assert.deepEqual(converted({ gone: { toJSON: () => undefined } }), {});
});

test("a toJSON or getter that throws is refused, with its place", () => {
  const thrower = (): never => {
    throw new Error("boom");
  };
  refused({ list: [{ toJSON: thrower }] }, "list[0]", /throws Error: boom/);
  refused(
    Object.defineProperty({ a: { ok: 1 } }, "bad", { get: thrower, enumerable: true }),
    "bad",
    /throws Error: boom/,
  );
});

test("a Proxy is what it shows, and one that throws or is revoked is refused", () => {
  assert.deepEqual(converted(new Proxy({ a: 1 }, {})), { a: 1 });
  const thrower = new Proxy(
    {},
    {
      ownKeys: () => {
        throw new Error("no keys");
      },
    },
  );
  refused({ p: thrower }, "p", /throws Error: no keys/);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  refused([proxy], "[0]", /throws TypeError/);
  refused(new Proxy(new Date(), {}), "(top)", /throws TypeError/);
});

test("a cycle is refused, and the same object twice is not one", () => {
  const shared = { a: 1 };
  assert.deepEqual(converted([shared, shared, { shared }]), [shared, shared, { shared }]);
  const ring: Record<string, unknown> = { list: [] };
  (ring["list"] as unknown[]).push(ring);
  refused(ring, "list[0]", /cycle/);
});

test("nesting is taken to 200 levels and refused at 100,000", () => {
  const nested = (depth: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
    return value;
  };
  assert.equal(toJson(nested(200)).ok, true);
  const deep = toJson(nested(100_000));
  assert.ok(!deep.ok);
  assert.match(deep.found, /deeper than 200/);
});

test("an array that says it has four billion items is refused at once", () => {
  refused({ a: Object.assign([], { length: 2 ** 32 - 1 }) }, "a", /more than/);
});

test("half a surrogate pair becomes the replacement character, in values and in keys", () => {
  assert.equal(converted("a\ud800b"), "a\ufffdb");
  assert.deepEqual(converted({ "k\udc00": ["\ud83d\ude00"] }), { "k\ufffd": ["\ud83d\ude00"] });
});

test("control, right-to-left and NUL characters stay as they are", () => {
  const text = "\0 \u202e \u200b \u0007 é 漢 😀";
  assert.equal(JSON.parse(JSON.stringify(converted(text))), text);
});

test("members named like an object's own machinery are plain data and change no prototype", () => {
  const value = JSON.parse('{"__proto__":{"isAdmin":true},"constructor":1,"toString":"x"}') as unknown;
  const taken = converted(value) as { readonly [key: string]: JsonValue };
  assert.deepEqual(Object.keys(taken), ["__proto__", "constructor", "toString"]);
  assert.equal(Object.getPrototypeOf(taken), Object.prototype);
  assert.equal(({} as Record<string, unknown>)["isAdmin"], undefined);
  assert.equal(JSON.stringify(taken), '{"__proto__":{"isAdmin":true},"constructor":1,"toString":"x"}');
});

test("a million members are taken", () => {
  const wide = Object.fromEntries(Array.from({ length: 1_000_000 }, (_, i) => [`k${i}`, i]));
  assert.equal(Object.keys(converted(wide) as object).length, 1_000_000);
});

test("canonical text does not depend on the order of members, and differs where values do", () => {
  const shuffled = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) return value.map((item: JsonValue) => shuffled(item));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([key, member]) => [key, shuffled(member)]),
    );
  };
  fc.assert(fc.property(anyJson, (value) => assert.equal(canonicalJson(shuffled(value)), canonicalJson(value))));
  fc.assert(
    fc.property(anyJson, anyJson, (a, b) => {
      assert.equal(hashJson(a) === hashJson(b), JSON.stringify(sorted(a)) === JSON.stringify(sorted(b)));
    }),
  );
});

function sorted(value: JsonValue): unknown {
  if (Array.isArray(value)) return value.map((item: JsonValue) => sorted(item));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { members: entries.map(([key, member]) => [key, sorted(member)]) };
}

test("canonical text is JSON of the same value", () => {
  fc.assert(fc.property(anyJson, (value) => assert.deepEqual(JSON.parse(canonicalJson(value)), value)));
});

test("the length in UTF-8 is that of the encoded text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.equal(utf8Bytes(text), Buffer.byteLength(text));
    }),
  );
});

test("text that is not JSON is an outcome and not an exception", () => {
  for (const text of ["", "{", "undefined", '{"a":1,}', "NaN", "'x'"]) assert.equal(parseJson(text).ok, false, text);
  assert.deepEqual(parseJson("[1]"), { ok: true, value: [1] });
});

test("anything thrown is one bounded line", () => {
  const hostile = {
    toString() {
      throw new Error("no");
    },
  };
  assert.equal(errorText(null), "null");
  assert.equal(errorText("plain"), "plain");
  assert.equal(errorText(hostile), "a value that cannot be shown");
  assert.equal(errorText(new Error("x".repeat(10_000))).length, 501);
});
