import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { langGraphSaver } from "pawl/langgraph";

/** The part of their suite that is called here: its types need packages that are not installed with ours. */
export interface Validation {
  readonly checkpointerName: string;
  createCheckpointer(): Promise<ReturnType<typeof langGraphSaver>>;
  destroyCheckpointer(): Promise<void>;
}

function eachOf(run: (name: string, body: () => void) => unknown) {
  return (cases: readonly unknown[]) => (name: string, body: (one: unknown) => void) => {
    for (const one of cases) void run(nameOf(name, one), () => body(one));
  };
}

/** `toEqual` passes over what is undefined, as its original does. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([k, v]) => (v === undefined ? [] : [[k, plain(v)]])));
}

class Containing {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/** What "$name" stands for is in the case. */
function nameOf(name: string, one: unknown): string {
  const parts = typeof one === "object" && one !== null ? new Map(Object.entries(one)) : new Map<string, unknown>();
  return name.replace("%s", String(one)).replaceAll(/\$(\w+)/g, (_, part: string) => String(parts.get(part)));
}

function equal(actual: unknown, wanted: unknown): void {
  if (wanted instanceof Containing)
    for (const item of wanted.items) assert.ok((actual as readonly unknown[]).includes(item), `no ${String(item)}`);
  else assert.deepEqual(plain(actual), plain(wanted));
}

const expect = Object.assign(matchers, {
  soft: matchers,
  arrayContaining: (items: readonly unknown[]) => new Containing(items),
});

function matchers(actual: unknown) {
  return {
    toBe: (wanted: unknown) => assert.ok(Object.is(actual, wanted), `${String(actual)} is not ${String(wanted)}`),
    toEqual: (wanted: unknown) => equal(actual, wanted),
    toBeDefined: () => assert.notEqual(actual, undefined),
    toBeUndefined: () => assert.equal(actual, undefined),
    toBeTruthy: () => assert.ok(actual),
    not: { toBeUndefined: () => assert.notEqual(actual, undefined) },
    rejects: {
      toThrow: (wanted?: RegExp | string) =>
        assert.rejects(actual as Promise<unknown>, (error: Error) =>
          wanted === undefined
            ? true
            : typeof wanted === "string"
              ? error.message.includes(wanted)
              : wanted.test(error.message),
        ),
    },
  };
}

/** Their suite is written for a runner with globals; these are the ones it uses, over node:test. */
const globals: { readonly [name: string]: unknown } = {
  describe: Object.assign(describe, { each: eachOf(describe) }),
  it: Object.assign(it, { each: eachOf(it) }),
  beforeAll: (body: () => Promise<void>) => before(body),
  afterAll: (body: () => Promise<void>) => after(body),
  beforeEach: (body: () => Promise<void>) => beforeEach(body),
  afterEach: (body: () => Promise<void>) => afterEach(body),
  expect,
};

/** Declares the tests of `@langchain/langgraph-checkpoint-validation` for a checkpointer. */
export async function validateCheckpointer(validation: Validation): Promise<void> {
  Object.assign(globalThis, globals);
  const path = "../clients/node_modules/@langchain/langgraph-checkpoint-validation/dist/index.js";
  const { validate } = (await import(new URL(path, import.meta.url).href)) as {
    readonly validate: (all: Validation) => void;
  };
  validate(validation);
}
