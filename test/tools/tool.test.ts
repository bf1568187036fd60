import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as tick } from "node:timers/promises";
import { z } from "zod";
import { PawlError } from "../../src/core/errors.ts";
import { limits } from "../../src/core/limits.ts";
import type { Schema } from "../../src/core/schema.ts";
import { tool, type ToolInput, type ToolOptions, type ToolOutput } from "../../src/tools/tool.ts";
import { toolContext } from "./tool-context.ts";

const scene = {
  tenant: "t",
  principal: "p",
  runId: "r",
  rootRunId: "r",
  threadId: null,
  turn: 0,
  tags: [],
  isTainted: false,
};

const refundParts = {
  name: "refund",
  version: "1",
  description: "Refund one charge.",
  inputSchema: z.object({ invoiceId: z.string(), amountUsd: z.number().positive().default(1) }),
};
const refund = tool({ ...refundParts, effect: "idempotent", execute: (input) => ({ paid: input.amountUsd }) });

/** What an author without a type checker writes. */
const untyped = (options: object): unknown => tool(options as ToolOptions<Schema, Schema, unknown>);
const refused = (code: string, says: RegExp) => (error: unknown) => {
  assert.ok(PawlError.is(error));
  assert.equal(error.code, code);
  assert.match(error.message, says);
  return true;
};

test("a tool has the bounds of core where its author gave none", () => {
  assert.equal(refund.timeLimitMs, limits.toolTimeMs);
  assert.equal(refund.attemptsMax, limits.toolAttempts);
  assert.equal(refund.shownCharsMax, limits.shownChars);
  assert.equal(refund.concurrency, limits.toolConcurrency);
  assert.equal(refund.trust, "untrusted");
  assert.deepEqual(refund.capabilities, []);
});

test("the model is given the JSON Schema of what the schema accepts, not of what it makes", () => {
  assert.deepEqual(refund.inputSchema, {
    type: "object",
    properties: { invoiceId: { type: "string" }, amountUsd: { type: "number", exclusiveMinimum: 0, default: 1 } },
    required: ["invoiceId"],
  });
});

test("execute gets what the schema made of the arguments", async () => {
  const parsed = refund.parseInput({ invoiceId: "INV-7" });
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value, { invoiceId: "INV-7", amountUsd: 1 });
  assert.deepEqual(await refund.execute(parsed.value, toolContext()), { paid: 1 });
});

test("an argument that breaks the schema is named with its path, what was expected and what was found", () => {
  const deep = tool({
    ...refundParts,
    inputSchema: z.object({ lines: z.array(z.object({ count: z.number() })) }),
    effect: "pure",
    execute: () => null,
  });
  const parsed = deep.parseInput({ lines: [{ count: 1 }, { count: "many" }] });
  assert.ok(!parsed.ok);
  assert.equal(parsed.issues[0]?.path, "lines.1.count");
  assert.match(parsed.issues[0]?.message ?? "", /expected number.*found "many"/);
  const missing = deep.parseInput({});
  assert.ok(!missing.ok);
  assert.match(missing.issues[0]?.message ?? "", /expected array.*found nothing/);
});

test("a result that breaks outputSchema is not accepted", () => {
  const typed = tool({
    ...refundParts,
    outputSchema: z.object({ paid: z.number() }),
    effect: "pure",
    execute: () => ({ paid: 2 }),
  });
  assert.ok(typed.parseOutput({ paid: 2 }).ok);
  assert.ok(!typed.parseOutput({ paid: "2" }).ok);
});

test("a tool that throws before its first await rejects", async () => {
  const broken = tool({
    ...refundParts,
    effect: "once",
    execute: (): number => {
      throw new Error("no connection");
    },
  });
  const running = broken.execute({}, toolContext());
  assert.ok(running instanceof Promise);
  await assert.rejects(running, /no connection/);
});

test("a schema of another library works by Standard Schema, with its JSON Schema beside it", () => {
  const other: Schema<{ id: string }> = {
    "~standard": {
      version: 1,
      vendor: "other",
      validate: (value) =>
        typeof value === "object" && value !== null && "id" in value && typeof value.id === "string"
          ? { value: { id: value.id } }
          : { issues: [{ message: "id must be text", path: [{ key: "id" }] }] },
    },
  };
  const parts = { name: "other", version: "1", description: "d", inputSchema: other, effect: "pure" as const };
  const jsonSchema = { type: "object", properties: { id: { type: "string" } } };
  const made = tool({ ...parts, jsonSchema, execute: ({ id }) => id.length });
  assert.deepEqual(made.inputSchema, jsonSchema);
  assert.deepEqual(made.parseInput({ id: 4 }), {
    ok: false,
    issues: [{ path: "id", message: "id must be text; found 4" }],
  });
  assert.throws(() => tool({ ...parts, execute: () => 1 }), refused("SCHEMA_INVALID", /other.*jsonSchema/));
});

test("a schema that waits is refused when it is used", () => {
  const waiting = tool({
    ...refundParts,
    inputSchema: z.object({ id: z.string().refine(() => Promise.resolve(true)) }),
    effect: "pure",
    execute: () => 1,
  });
  assert.throws(() => waiting.parseInput({ id: "a" }), refused("SCHEMA_INVALID", /asynchronously/));
});

test("a schema whose own check throws refuses the value, or says so, and nothing is left unhandled", async () => {
  const boom = (): never => {
    throw new Error("boom");
  };
  const made = (inputSchema: Schema): ReturnType<typeof tool> =>
    tool({ ...refundParts, inputSchema, jsonSchema: { type: "object" }, effect: "pure", execute: () => 1 });
  const own = made({ "~standard": { version: 1, vendor: "own", validate: boom } });
  const parsed = own.parseInput({ id: "a" });
  assert.ok(!parsed.ok);
  assert.match(parsed.issues[0]?.message ?? "", /boom/);
  const zod = made(z.object({ id: z.string().refine(boom) }));
  assert.throws(() => zod.parseInput({ id: "a" }), refused("SCHEMA_INVALID", /its own check throws/));
  await tick();
});

test("a definition with a mistake is refused with the mistake and the next step", () => {
  const good = { ...refundParts, effect: "pure", execute: () => 1 };
  const cases: readonly (readonly [object, string, RegExp])[] = [
    [{ ...good, name: "re fund" }, "NAME_INVALID", /"re fund"/],
    [{ ...good, version: "" }, "ID_INVALID", /version/],
    [{ ...good, description: " " }, "OPTION_INVALID", /description/],
    [{ ...good, inputSchema: z.string() }, "SCHEMA_INVALID", /"string" at its top.*z\.object/],
    [{ ...good, inputSchema: z.object({ at: z.date() }) }, "SCHEMA_INVALID", /Date/],
    [{ ...good, inputSchema: { type: "object" } }, "SCHEMA_INVALID", /not a schema/],
    [{ ...good, inputSchema: null }, "SCHEMA_INVALID", /not a schema/],
    [{ ...good, effect: "safe" }, "OPTION_INVALID", /"safe".*pure, idempotent, reconcilable, once/],
    [{ ...good, effect: undefined }, "OPTION_INVALID", /effect/],
    [{ ...good, effect: "reconcilable" }, "OPTION_INVALID", /reconcile/],
    [{ ...good, reconcile: () => "unknown" }, "OPTION_INVALID", /reconcile/],
    [{ ...good, execute: "now" }, "OPTION_INVALID", /execute/],
    [{ ...good, timeLimitMs: 0 }, "OPTION_INVALID", /timeLimitMs is 0/],
    [{ ...good, attempts: 1.5 }, "OPTION_INVALID", /attempts/],
    [{ ...good, shownCharsMax: -1 }, "OPTION_INVALID", /shownCharsMax/],
    [{ ...good, concurrency: Number.POSITIVE_INFINITY }, "OPTION_INVALID", /concurrency/],
  ];
  for (const [options, code, says] of cases) assert.throws(() => untyped(options), refused(code, says));
});

test("approval is asked for as the rule says, and a rule that fails asks", () => {
  const decision = (approval: unknown, input: unknown = { amountUsd: 60 }): readonly [string, string | undefined] => {
    const made = untyped({ ...refundParts, effect: "pure", execute: () => 1, approval }) as typeof refund;
    const verdict = made.approval(input, scene);
    return [verdict.decision, verdict.reason];
  };
  assert.deepEqual(decision(undefined), ["allow", undefined]);
  assert.deepEqual(decision("never"), ["allow", undefined]);
  assert.deepEqual(decision(false), ["allow", undefined]);
  assert.equal(decision(true)[0], "ask");
  assert.equal(decision("always")[0], "ask");
  assert.equal(decision(({ amountUsd }: { amountUsd: number }) => amountUsd > 50)[0], "ask");
  assert.equal(decision(({ amountUsd }: { amountUsd: number }) => amountUsd > 90)[0], "allow");
  assert.deepEqual(
    decision(() => ({ ask: true, reason: "over the limit" })),
    ["ask", "over the limit"],
  );
  assert.equal(decision(() => ({ ask: false, reason: "small" }))[0], "allow");
  assert.match(decision(() => Promise.resolve(false)).join(), /^ask,.*a promise/);
  assert.match(decision(() => undefined).join(), /^ask,.*undefined/);
  assert.match(
    decision(() => {
      throw new Error("rule broke");
    }).join(),
    /^ask,.*rule broke/,
  );
});

test("reconcile exists only where the effect says so", async () => {
  const made = tool({
    ...refundParts,
    effect: "reconcilable",
    execute: () => 1,
    reconcile: ({ invoiceId }) => ({ happened: true, result: invoiceId }),
  });
  assert.ok(!("reconcile" in refund));
  assert.deepEqual(await made.reconcile?.({ invoiceId: "a", amountUsd: 1 }, toolContext()), {
    happened: true,
    result: "a",
  });
});

test("wrong use does not compile", () => {
  const never = (): void => {
    // @ts-expect-error effect is missing
    tool({ ...refundParts, execute: () => 1 });
    // @ts-expect-error reconcile is missing
    tool({ ...refundParts, effect: "reconcilable", execute: () => 1 });
    // @ts-expect-error reconcile belongs to "reconcilable" only
    tool({ ...refundParts, effect: "pure", execute: () => 1, reconcile: () => "unknown" });
    // @ts-expect-error no such field in the input
    tool({ ...refundParts, effect: "pure", execute: (input) => "invoice" satisfies keyof typeof input });
    // @ts-expect-error the input's field is a string
    tool({ ...refundParts, effect: "pure", execute: ({ invoiceId }: { invoiceId: number }) => invoiceId });
    // @ts-expect-error the approval rule sees the same input
    tool({ ...refundParts, effect: "pure", execute: () => 1, approval: ({ amount }) => amount > 1 });
    const outputSchema = z.object({ paid: z.number() });
    // @ts-expect-error the result does not fit outputSchema
    tool({ ...refundParts, effect: "pure", outputSchema, execute: () => ({ paid: "2" }) });
  };
  assert.equal(typeof never, "function");
  const input: ToolInput<typeof refund> = { invoiceId: "INV-7" };
  const output: ToolOutput<typeof refund> = { paid: 2 };
  // @ts-expect-error the output keeps its type
  const wrong: ToolOutput<typeof refund> = { paid: "2" };
  assert.ok(input.invoiceId && output.paid && wrong.paid);
});
