import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent } from "../../src/agent/agent.ts";
import { seededRandom } from "../../src/core/clock.ts";
import type { JsonValue } from "../../src/core/json.ts";
import type { Cause, CauseSource } from "../../src/core/trace-contract.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { Values } from "../../src/engine/values.ts";
import { causesOfCall, enteredPrompt, outcomeRestsOn } from "../../src/traces/call-causes.ts";
import { causesOf, type SourceText } from "../../src/traces/causes.ts";
import { PromptFold } from "../../src/traces/rebuild-request.ts";
import { WordMatcher, wordsOf } from "../../src/traces/word-match.ts";
import { tool } from "../../src/tools/tool.ts";
import { onStage, type Stage } from "../engine/stage.ts";
import { batchesOf } from "./read-spans.ts";

const pause = (): Promise<void> => Promise.resolve();

function source(seq: number, kind: CauseSource["kind"] = "tool", trusted = false): CauseSource {
  return { kind, link: null, seq, trusted };
}
const texts = (...all: readonly string[]): readonly SourceText[] => all.map((text, i) => ({ source: source(i), text }));

function brief(causes: readonly Cause[], input: JsonValue): readonly string[] {
  return causes.map(({ path, start, end, from, around }) => {
    const leaf = path
      .split("/")
      .slice(1)
      .reduce<unknown>((at, key) => (at as { readonly [key: string]: unknown })[key], input);
    return `${path} "${String(leaf).slice(start, end)}" ${from.seq} "${around.text.slice(around.start, around.end)}"`;
  });
}

test("words of an argument are found where they stood first, as the longest run, with their places in both", () => {
  const input = { customer: "Ada Lovelace", order: "ORD-7781", amount: 1234.5, note: "the and of 12" };
  const causes = causesOf(
    input,
    texts(
      "Refund what is right.",
      "Order ord-7781 of ADA LOVELACE: total 1,234.5 EUR.",
      "Ada Lovelace called. ORD-7781.",
    ),
  );
  assert.deepEqual(brief(causes, input), [
    '/customer "Ada Lovelace" 1 "ADA LOVELACE"',
    '/order "ORD-7781" 1 "ord-7781"',
    '/amount "1234.5" 1 "1,234.5"',
  ]);
});

test("a word is found as a whole word only; short numbers and words that stand everywhere say nothing", () => {
  const found = (input: JsonValue, text: string): number => causesOf(input, texts(text)).length;
  assert.equal(found({ a: "cat" }, "concatenate"), 0);
  assert.equal(found({ a: "1234" }, "91234"), 0);
  assert.equal(found({ a: 42, b: true, c: "yes", d: "und" }, "42 true yes und"), 0);
  assert.equal(found({ a: "Bob" }, "ask Bob"), 1, "a short name that is the whole value");
  assert.equal(found({ a: "refund" }, "please refund it"), 1);
});

test("an id, an e-mail address and an address are found whole or not at all; an amount however it is written", () => {
  const whole = (value: string | number, text: string): string =>
    brief(causesOf({ v: value }, texts(text)), { v: value }).join();
  assert.equal(whole("INV-7", "Invoice inv-7."), '/v "INV-7" 0 "inv-7"');
  assert.equal(whole("INV-7", "Invoice INV-8 and INV-77."), "");
  assert.equal(whole("due 2026-11-22", "on 2026-11-22, noon"), '/v "2026-11-22" 0 "2026-11-22"');
  assert.equal(whole("ada@example.com", "From: <Ada@example.com>."), '/v "ada@example.com" 0 "Ada@example.com"');
  assert.equal(whole("ada@example.com", "bob@example.com"), "");
  const url = "https://example.com/pay?to=7";
  assert.equal(whole(url, `Pay at ${url}, please.`), `/v "${url}" 0 "${url}"`);
  assert.equal(whole(url, "https://example.com/pay?to=8"), "");
  assert.equal(whole(19.5, "It cost 19.50 each."), '/v "19.5" 0 "19.50"');
  assert.equal(whole(19.5, "Preis: 19,50 EUR"), '/v "19.5" 0 "19,50"');
  assert.equal(whole(1950, "in all 1,950.00"), '/v "1950" 0 "1,950.00"');
  assert.equal(whole(1950, "zusammen 1.950,00"), '/v "1950" 0 "1.950,00"');
  assert.equal(whole(1950, "19500 or 195"), "");
  assert.equal(whole("1.2.10", "version 1.2.1"), "");
});

test("texts in any script are searched: composed and decomposed letters, scripts without spaces, emoji around", () => {
  const cases = [
    ["Café Müller", "wir trafen uns im CAFE\u0301 mu\u0308ller 🙂"],
    ["請退款訂單", "客戶說：請退款訂單 7781。"],
    ["заказ отменён", "Ваш ЗАКАЗ ОТМЕНЁН вчера"],
    ["ขอคืนเงิน", "ลูกค้าขอคืนเงินวันนี้"],
  ] as const;
  for (const [value, text] of cases) {
    const [cause] = causesOf({ value }, texts(`🙂🙂 ${text}`));
    assert.ok(cause !== undefined, value);
    assert.deepEqual([cause.start, cause.end], [0, value.length], value);
    assert.equal(folded(cause.around.text.slice(cause.around.start, cause.around.end)), folded(value));
  }
});

function folded(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

test("for random texts every place is right: the same words at both ends, whole characters around, in order", () => {
  const vocabulary = [
    "refund",
    "the",
    "ORD-77",
    "1999",
    "müde",
    "退款",
    "a",
    "😀",
    "x".repeat(90),
    "12",
    "Ada",
    "\ud800",
    "\n",
  ];
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const text = (n: number): string =>
      Array.from({ length: n }, () => vocabulary[Math.floor(random() * vocabulary.length)]).join(
        random() < 0.5 ? " " : ", ",
      );
    const sources = texts(text(30), text(60), text(5));
    const value = text(20);
    let last = 0;
    for (const { start, end, from, around } of causesOf([value], sources)) {
      assert.ok(start >= last && end > start && end <= value.length, `seed ${seed}`);
      last = end;
      const found = around.text.slice(around.start, around.end);
      const keys = (of: string): readonly string[] => wordsOf(of, 1_000).map(({ key }) => key);
      assert.deepEqual(keys(found), keys(value.slice(start, end)), `seed ${seed}`);
      assert.ok(sources[from.seq]?.text.includes(around.text), `seed ${seed}`);
      assert.ok(!/^[\udc00-\udfff]/.test(around.text), `seed ${seed}: half a character`);
    }
  }
});

test(
  "what a search compares grows with the texts and not faster, also where they repeat themselves",
  { timeout: 60_000 },
  () => {
    const hostile: { readonly [what: string]: (n: number) => string } = {
      "one word again and again": (n) => "refund ".repeat(n),
      "trivial words": (n) => "the and ".repeat(n / 2),
      "a short word among trivial ones": (n) => "cat the and the and ".repeat(n / 5),
      "no space at all": (n) => "a".repeat(n * 10),
      "one character of a script without spaces": (n) => "退".repeat(n),
      "periods of three": (n) => "alpha beta gamma ".repeat(n / 3),
      "digits and dots": (n) => "1.1.".repeat(n),
    };
    const costOf = (text: string): number => {
      const words = wordsOf(text, 1_000_000);
      const matcher = new WordMatcher(words);
      matcher.add(words);
      for (let at = 0; at < words.length;) {
        const found = matcher.weight(at, at + 1) === 0 ? null : matcher.longest(at, words.length);
        at = found !== null && matcher.weight(found.from, found.to) >= 1 ? found.to : at + 1;
      }
      return matcher.compared + words.length;
    };
    for (const [what, make] of Object.entries(hostile)) {
      const [once, twice] = [costOf(make(10_000)), costOf(make(20_000))];
      assert.ok(twice <= once * 2.2 + 100, `${what}: ${once} then ${twice}`);
      const megabyte = make(1_000_000).slice(0, 1_048_576);
      assert.ok(causesOf({ megabyte, again: [megabyte] }, texts(megabyte, megabyte)).length <= 500, what);
    }
  },
);

// ---- through the engine

const lookup = tool({
  name: "lookup",
  version: "1",
  description: "Looks an order up.",
  inputSchema: z.object({ order: z.string() }),
  effect: "pure",
  execute: ({ order }) =>
    Promise.resolve({ order, owner: "Grace Hopper", iban: "DE89 3704 0044", weather: "cold and wet" }),
});
const pay = tool({
  name: "pay",
  version: "1",
  description: "Pays.",
  inputSchema: z.object({ to: z.string(), iban: z.string(), amount: z.number() }),
  effect: "idempotent",
  execute: () => Promise.resolve("paid, receipt RX-5521"),
});

async function causesAt(stage: Stage, runId: string, callId: string): Promise<readonly Cause[]> {
  const ref = { tenant: "default", runId };
  const head = await stage.app.store.readHead(ref);
  const values = new Values(stage.app.deps, ref, head?.blobScope ?? "");
  return causesOfCall(ref, await batchesOf(stage.app.store, ref), callId, {
    read: (value) => values.read(value),
    pause,
  });
}

test("of a model's call each argument leads to the goal or to the result it was copied from, and the answer to the calls it rests on", async () => {
  const clerk = agent({ name: "clerk", model: "m/1", instructions: "Pay.", tools: [lookup, pay] });
  const script = [
    { toolCalls: [{ tool: "lookup", input: { order: "ORD-7781" } }] },
    {
      text: "I pay them.",
      toolCalls: [{ tool: "pay", input: { to: "Grace Hopper", iban: "DE89 3704 0044", amount: 250 } }],
    },
    { text: "Paid to Grace Hopper, receipt RX-5521." },
  ];
  await onStage({ agents: [clerk], script, guard: { profile: "observe" } }, async (stage) => {
    const { run, events } = await stage.play("Order ORD-7781 is broken: pay 250 back to its owner.");
    const causes = await causesAt(stage, run.ref.runId, "t1-1");
    assert.deepEqual(
      causes.map(({ path, from }) => [path, from.kind, from.link?.callId ?? null, from.trusted]),
      [
        ["/to", "tool", "t0-1", false],
        ["/iban", "tool", "t0-1", false],
        ["/amount", "goal", null, true],
      ],
    );
    const [first] = await causesAt(stage, run.ref.runId, "t0-1");
    assert.deepEqual([first?.path, first?.from.kind], ["/order", "goal"]);
    const batches = await batchesOf(stage.app.store, run.ref);
    const prompt = new PromptFold(events.findLast((event) => event.type === "model.called")?.callId ?? "");
    for (const batch of batches) prompt.read(batch);
    assert.ok(prompt.frame !== null);
    assert.deepEqual(
      enteredPrompt(run.ref, prompt.frame).map(({ callId }) => callId),
      ["t0-0", "t0-1", "t1-0", "t1-1"],
    );
    const values = new Values(stage.app.deps, run.ref, (await run.head())?.blobScope ?? "");
    const rests = await outcomeRestsOn(run.ref, batches, { read: (value) => values.read(value), pause });
    assert.deepEqual(
      rests.map(({ name }) => name),
      ["pay"],
      "the receipt; the owner's name alone is too little to rest on",
    );
  });
});

test("of a call that code makes the arguments lead to the input and to what the run was told before", async () => {
  const paying = durable({
    name: "paying",
    tools: [lookup, pay],
    run: async (ctx) => {
      const found = (await ctx.call(lookup, { order: "ORD-9" })) as { readonly iban: string };
      return ctx.call(pay, { to: "Linus Torvalds", iban: found.iban, amount: 7_000 });
    },
  });
  await onStage({ agents: [paying] }, async (stage) => {
    const { run } = await stage.play({ who: "Linus Torvalds", limit: 7_000 });
    const causes = await causesAt(stage, run.ref.runId, "t0-1");
    assert.deepEqual(
      causes.map(({ path, from }) => `${path} ${from.kind}`),
      ["/to goal", "/iban tool", "/amount goal"],
    );
  });
});
