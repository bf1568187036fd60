import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { z } from "zod";
import { agent, durable, PawlError, tool, traceable, type JsonValue, type Runnable } from "pawl";
import type { Message } from "../../src/core/message.ts";
import { removedBy } from "../../src/core/removed-by.ts";
import { formsOf } from "../../src/core/secret-forms.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { Redaction } from "../../src/engine/redaction.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import type { Script } from "../../src/testing/scripted-model.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { ofType, onStage, rejectsWith, Stage, type StageOptions } from "./stage.ts";

// Every value that a run takes in is searched for in every byte that its store was given: batches, heads, blobs, records,
// hints and live deltas.

/** A store that keeps what it was given, as text. */
function witnessed(given: string[]): Pick<StageOptions, "store" | "clock"> {
  const clock = manualClock();
  const decoder = new TextDecoder();
  const textOf = (_: string, value: unknown): unknown => (value instanceof Uint8Array ? decoder.decode(value) : value);
  const store = new Proxy<Store>(memoryStore({ clock }), {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...args: readonly unknown[]): unknown => {
        given.push(...args.map((arg) => (typeof arg === "string" ? arg : (JSON.stringify(arg, textOf) ?? ""))));
        return member.apply(target, args) as unknown;
      };
    },
  });
  return { store, clock };
}

function assertAbsent(secret: string, given: readonly string[], stage?: Stage): void {
  const asked = stage === undefined ? [] : stage.models.requests.map(({ request }) => JSON.stringify(request));
  // what a store is given is JSON in JSON: however often a character is escaped, it is one
  const plain = (text: string): string => text.toLowerCase().replaceAll(/\\+/g, "\\").replaceAll('\\"', '"');
  const forms = new Set(formsOf(secret).map(plain));
  for (const text of [...given, ...asked].map(plain)) {
    for (const form of forms) {
      const at = text.indexOf(form);
      assert.equal(at, -1, `${form} in ${text.slice(Math.max(0, at - 120), at + 200)}`);
    }
  }
}

const echo = (execute: (text: string) => JsonValue, more: object = {}) =>
  tool({
    name: "echo",
    version: "1",
    description: "Says it again.",
    effect: "pure",
    inputSchema: z.object({ text: z.string() }),
    execute: ({ text }) => execute(text),
    ...more,
  });
const speaker = (tools: readonly ReturnType<typeof echo>[], more: object = {}): Runnable =>
  agent({ name: "speaker", model: "m", instructions: "Speak.", tools, ...more });

const letters = fc.string({
  unit: fc.constantFrom(..."abcXYZ0189 -_/+=.:\"'\\\n&%éß→".split("")),
  minLength: 9,
  maxLength: 30,
});
/** A secret, however it begins: the first letters make it one that nothing else of a run has. */
const secrets = letters.map((tail) => `Zq7${tail.trim()}vK9`);

/** Ways in which a secret stands in a text. */
const carried: readonly ((secret: string) => string)[] = [
  (secret) => secret,
  (secret) => `the key is ${secret}, keep it`,
  (secret) => Buffer.from(secret).toString("base64"),
  (secret) => Buffer.from(`user:${secret}@host`).toString("base64url"),
  (secret) => Buffer.from(`u:${secret}`).toString("base64"),
  (secret) => Buffer.from(secret).toString("hex").toUpperCase(),
  (secret) => `https://x.example/?q=${encodeURIComponent(secret)}`,
  (secret) => new URLSearchParams({ q: secret }).toString(),
  (secret) => JSON.stringify({ nested: JSON.stringify({ key: secret }) }),
];

test("no form of a known secret reaches the store, a model or a stream, through whichever entrance it comes", async () => {
  await fc.assert(
    fc.asyncProperty(
      secrets,
      fc.constantFrom(...carried),
      fc.integer({ min: 1, max: 9 }),
      async (secret, carry, size) => {
        const given: string[] = [];
        const text = carry(secret);
        const big = `${"x ".repeat(9_000)}${text}`;
        const script: Script = [
          {
            text: `I say ${text}`,
            reasoning: `${big} so`,
            toolCalls: [{ tool: "echo", input: { text, [text]: [text] } }],
          },
          { toolCalls: [{ tool: "echo", malformed: `{"text": ${text}` }] },
          { toolCalls: [{ tool: text, input: text }] },
          { error: { code: "MODEL_UNAVAILABLE", message: `no ${text}` } },
          { text: `it is ${text}` },
        ];
        let n = 0;
        const say = echo(() => (++n > 0 ? { said: text, [text]: big } : null));
        const instructions = `Speak. Never say ${text}`;
        const agents = [speaker([say], { instructions })];
        const redact = { secrets: [secret] };
        await onStage({ agents, script, redact, ...witnessed(given), replay: true }, async (stage) => {
          const shown: string[] = [];
          const run = await stage.start(`${text} ${big}`, { threadId: "t" });
          const streaming = (async () => {
            for await (const event of run.stream()) shown.push(JSON.stringify(event));
          })();
          await stage.app.message(run.id, `hear ${text}`);
          const { result } = await stage.played(run);
          assert.equal(result.status, "completed", JSON.stringify(result));
          await stage.clock.until(streaming);
          await stage.play(text, { threadId: "t" });
          assertAbsent(secret, [...given, ...shown], stage);
          assert.ok(size > 0);
        });
      },
    ),
    { numRuns: 25 },
  );
});

test("a function's steps, children, questions, signals, errors and spans are cleaned, and its replays agree", async () => {
  const secret = `Zq7 "quoted\\ & vK9`;
  const given: string[] = [];
  const child = durable({ name: "child", run: (_, input) => Promise.resolve([input, secret]) });
  const work = durable({
    name: "work",
    uses: [child],
    run: async (ctx) => {
      const step = await ctx.step("take", { effect: "pure" }, () => ({ secret }));
      await ctx
        .step("throw", { effect: "pure" }, () => Promise.reject<null>(new Error(`${"-".repeat(1_980)}${secret}`)))
        .catch(() => null);
      const traced = traceable({ name: "f" }, (text: string) => Promise.resolve(`${text}${secret}`));
      const spanned = await ctx.step("span", { effect: "pure" }, () => traced(secret));
      const below = await ctx.callRun(child, { secret });
      const heard = await ctx.waitForSignal("go");
      const said = await ctx.ask({ question: `May I use ${secret}?`, schema: { type: "object" } });
      return [step, spanned, below, heard, said];
    },
  });
  await onStage({ agents: [work, child], redact: { secrets: [secret] }, ...witnessed(given) }, async (stage) => {
    const run = await stage.start({ secret });
    await stage.clock.settle();
    await stage.app.signal(run.id, "go", { secret });
    await stage.clock.settle();
    const [asked] = (await stage.app.approvals.list()).items;
    assert.ok(asked !== undefined && "approvalId" in asked);
    await stage.app.approvals.answer(String(asked.approvalId), {
      by: "ada",
      answer: { secret },
      reason: `since ${secret}`,
    });
    const { result, events } = await stage.played(run);
    assert.equal(result.status, "completed", JSON.stringify(result));
    const output = JSON.stringify(result.status === "completed" ? result.output : null);
    assert.equal(output.match(/\[redacted:secret\]/g)?.length, 8, output);
    assertAbsent(secret, given);
    const started = ofType(events, "run.started")[0];
    assert.deepEqual(started && removedBy(started), { secret: 1 });
    assert.deepEqual(removedBy(ofType(events, "step.failed")[0] ?? assert.fail()), { secret: 1 });
    assert.equal(
      ofType(events, "wait.ended").every((event) => removedBy(event) === null),
      true,
    );
  });
});

test("an edit is hashed as it is stored, and a cancel's, a pause's and a vote's reasons are cleaned", async () => {
  const secret = "Zq7-secret-vK9";
  const given: string[] = [];
  const heard: string[] = [];
  const pay = echo((text) => (heard.push(text), text), { effect: "once", approval: "always" });
  const script: Script = [{ toolCalls: [{ tool: "echo", input: { text: "a" } }] }, { text: "End." }];
  await onStage(
    { agents: [speaker([pay])], script, redact: { secrets: [secret] }, ...witnessed(given) },
    async (stage) => {
      const { run, result } = await stage.play();
      const [approvalId = ""] = result.status === "awaiting_approval" ? result.approvals : [];
      await stage.app.approvals.approve(approvalId, {
        by: "ada",
        edit: { text: `b ${secret}` },
        reason: `by ${secret}`,
      });
      await stage.clock.settle();
      assert.equal((await stage.played(run)).result.status, "completed");
      assert.deepEqual(heard, ["b [redacted:secret]"]);
      const other = await stage.play();
      await stage.app.pause(other.run.id, `wait for ${secret}`);
      await stage.app.resume(other.run.id);
      await stage.app.cancel(other.run.id, `stop ${secret}`);
      await stage.clock.settle();
      assertAbsent(secret, given);
    },
  );
});

test("a tool gets a secret by its name, nothing that it then says of it is kept, and another tool is refused", async () => {
  const secret = "Zq7-fetched-vK9";
  const given: string[] = [];
  const seen: string[] = [];
  const has = tool({
    name: "has",
    version: "1",
    description: "Uses it.",
    effect: "pure",
    capabilities: ["secret:mail", "secret:none"],
    inputSchema: z.object({ name: z.string() }),
    execute: async ({ name }, ctx) => {
      const value = await ctx.secret(name);
      seen.push(value);
      if (seen.length === 2) throw new Error(`refused ${value}`);
      return { sent: value, as: Buffer.from(`me:${value}`).toString("base64") };
    },
  });
  const call = (name: string) => ({ toolCalls: [{ tool: "has", input: { name } }] });
  const script: Script = [call("mail"), call("mail"), call("other"), call("none"), { text: "End." }];
  const tools = { grants: [{ tool: "has", capabilities: ["secret:mail", "secret:none"] }] };
  const asked: unknown[] = [];
  const from = (name: string, of: object): string | null => {
    asked.push([name, of]);
    return name === "mail" ? secret : null;
  };
  await onStage(
    { agents: [speaker([has as never])], script, secrets: from, tools, ...witnessed(given) },
    async (stage) => {
      const { result, events } = await stage.play("x", { tenant: "acme" });
      assert.equal(result.status, "completed");
      assert.deepEqual(asked[0], ["mail", { tenant: "acme", runId: "run-1", tool: "has" }]);
      assert.equal(seen[0], secret);
      assertAbsent(secret, given, stage);
      const failed = ofType(events, "tool.failed").map(({ error }) => error.code);
      assert.ok(failed.includes("TOOL_REFUSED") && failed.includes("SECRET_UNKNOWN"), failed.join());
      const returned = ofType(events, "tool.returned")[0];
      assert.deepEqual(returned && removedBy(returned), { secret: 2 });
      // another tenant's texts are its own: what one tenant's secrets are cannot be found out by another
      assert.equal((await stage.play(`is it ${secret}?`, { tenant: "other" })).result.status, "completed");
      assert.ok(given.some((text) => text.includes(`is it ${secret}?`)));
    },
  );
});

test("patterns and the hook work before storage; ids, and what a message is made of, stay", async () => {
  const given: string[] = [];
  const rules = [
    { name: "digits", pattern: /[0-9]{4,12}/ },
    { name: "word", pattern: /tool-call|assistant|redacted|callId/ },
  ];
  const hook = (text: string): string => text.replaceAll("Bob", "[redacted:hook]");
  const script: Script = [
    { text: "pin 12345 of Bob", toolCalls: [{ tool: "echo", input: { text: "999999" } }] },
    { text: "End 4444." },
  ];
  await onStage(
    { agents: [speaker([echo((text) => text)])], script, redact: { rules, hook }, ...witnessed(given) },
    async (stage) => {
      const { result, events } = await stage.play("card 4444333322");
      assert.equal(result.status, "completed", JSON.stringify(result));
      assert.equal(JSON.stringify(events).match(/12345|999999|4444|Bob/), null);
      const answered = ofType(events, "model.answered")[0];
      const ref = answered?.messageRef;
      const message = ref !== undefined && "inline" in ref ? (ref.inline as unknown as Message) : assert.fail();
      const parts: readonly { readonly type: string }[] = message.content;
      assert.deepEqual([message.role, ...parts.map(({ type }) => type)], ["assistant", "text", "tool-call"]);
      assert.deepEqual(removedBy(answered ?? assert.fail()), { digits: 2, hook: 1 });
    },
  );
});

test("without redact and secrets nothing is looked for; a slow rule and a short secret are refused", async () => {
  await onStage({ agents: [speaker([])], script: [{ text: "sk-abcdefghijklmnopqrstuvwxyz" }] }, async (stage) => {
    assert.equal(stage.app.deps.redaction, null);
    const { result } = await stage.play();
    assert.equal(result.status === "completed" && result.output, "sk-abcdefghijklmnopqrstuvwxyz");
  });
  const slow = [/(a+)+$/, /\w*x/, /x{3,}/, /(?:a{1,500}){1,500}/, /(a)\1/, /[^+*]{1,9}b+/, /(?<n>a)\k<n>/];
  for (const pattern of slow)
    assert.throws(
      () => new Redaction({ rules: [{ name: "slow", pattern }] }),
      { code: "OPTION_INVALID" },
      String(pattern),
    );
  const fine = [/[+*]{1,9}\+/, /\bkey-[a-z]{4,40}\b/i, /(?<=pin:)[0-9]{4}/, /a?b/];
  for (const pattern of fine) assert.ok(new Redaction({ rules: [{ name: "fine", pattern }] }).of("t"));
  assert.throws(() => new Redaction({ secrets: ["abc"] }), { code: "OPTION_INVALID" });
  assert.throws(() => new Redaction({ rules: [{ name: "Not a name", pattern: /x/ }] }), { code: "OPTION_INVALID" });
  await rejectsWith(
    "OPTION_INVALID",
    Promise.try(() => new Redaction({ secrets: [7 as never] })),
  );
});

test("live text is the cleaned text, however it is split, and ordinary text comes soon", () => {
  const property = fc.property(
    secrets,
    fc.array(fc.constantFrom(...carried), { minLength: 1, maxLength: 3 }),
    fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
    (secret, carries, sizes) => {
      const cleaner = new Redaction({ secrets: [secret] }).of("t");
      const held = cleaner.held();
      const text = carries
        .map((carry) => `${"so it goes on and on ".repeat(6)}password: hunter2 ${carry(secret)} `)
        .join("");
      let shown = "";
      for (let at = 0, i = 0; at < text.length; i++) {
        const size = sizes[i % sizes.length] ?? 1;
        shown += held.push(text.slice(at, at + size));
        at += size;
        assertAbsent(secret, [shown]);
      }
      assert.equal(shown + held.end(), cleaner.text(text));
    },
  );
  fc.assert(property, { numRuns: 100 });
  const held = new Redaction({}).of("t").held();
  assert.equal(held.push("word ".repeat(20)).length, 35);
  assert.equal(
    [held.push("x".repeat(40_000)), held.push("y")].join("").includes("xxx"),
    true,
    "a word without an end is not kept for ever",
  );
});

test("what a worker tells of its failures is cleaned too: it goes to logs and terminals", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const idle = durable({ name: "idle", run: async () => null });
  const stage = new Stage({ agents: [idle], store, clock, redact: { secrets: ["hunter2-hunter2"] } });
  store.due = () => Promise.reject(new Error("no route to redis://:hunter2-hunter2@store"));
  await stage.app.open();
  await clock.pass(5_000);
  await stage.close();
  const [failed] = stage.workerEvents.filter(({ type }) => type === "failed");
  assert.ok(failed?.type === "failed" && PawlError.is(failed.error, "INTERNAL"), JSON.stringify(stage.workerEvents));
  assert.match(failed.error.message, /no route to redis/);
  assert.ok(!failed.error.message.includes("hunter2"), failed.error.message);
});
