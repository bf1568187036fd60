import assert from "node:assert/strict";
import { test } from "node:test";
import { userText, type Message } from "../../src/core/message.ts";
import { countTokensOf } from "../../src/models/token-count.ts";
import { requestOf } from "./ask.ts";

const words = (count: number): string => Array.from({ length: count }, (_, i) => `word${i % 97}`).join(" ");
const tokensOf = (...texts: readonly string[]): number => countTokensOf(requestOf(texts.map((text) => userText(text))));

test("models: tokens grow with the text, and all parts of a request count", () => {
  assert.ok(tokensOf("Hello") < tokensOf("Hello, how is the weather in Oslo today?"));
  const base = requestOf([userText("Hello")]);
  assert.ok(countTokensOf({ ...base, tools: [] }) < countTokensOf(base));
  assert.ok(countTokensOf({ ...base, system: "" }) < countTokensOf({ ...base, system: words(50) }));
  const messages: readonly Message[] = [
    { role: "assistant", content: [{ type: "tool-call", callId: "c", tool: "x", input: { text: words(50) } }] },
    { role: "tool", content: [{ type: "tool-result", callId: "c", tool: "x", output: words(50) }] },
  ];
  assert.ok(countTokensOf(requestOf(messages)) > 150);
});

test("models: a known text counts as OpenAI's tokenizer counts it", () => {
  const empty = tokensOf("");
  assert.equal(tokensOf("Hello, world!") - empty, 4);
  assert.equal(tokensOf("<|endoftext|>") - empty > 1, true, "a special token in a text is text");
});

test("models: a long text is sampled, and the estimate stays near the whole", () => {
  const text = words(40_000);
  const parts = text.match(/[\s\S]{1,8000}/g) ?? [];
  const exact = parts.reduce((sum, part) => sum + tokensOf(part) - tokensOf(""), 0);
  const sampled = tokensOf(text) - tokensOf("");
  assert.ok(Math.abs(sampled - exact) / exact < 0.05, `${sampled} of ${exact}`);
});

/** Counts how often a part's text is read: it is read where it is tokenized. */
function watched(text: string, reads: { count: number }): Message {
  const part = {
    type: "text" as const,
    get text() {
      reads.count++;
      return text;
    },
  };
  return { role: "user", content: [part] };
}

test("models: a growing conversation costs only what is new", () => {
  const reads = { count: 0 };
  const messages = Array.from({ length: 50 }, (_, i) => watched(`Message number ${i}.`, reads));
  countTokensOf(requestOf(messages.slice(0, 49)));
  const before = reads.count;
  countTokensOf(requestOf(messages));
  assert.equal(reads.count - before, 1);
  const repacked = messages.map((message) => ({ ...message }));
  countTokensOf(requestOf(repacked as readonly Message[]));
  assert.equal(reads.count - before, 1, "a part is known in a new message, too");
});

test("models: what one call may not tokenize is counted by its bytes, too high rather than too low, and better later", () => {
  const unbroken = (i: number): string => `${String.fromCodePoint(0x4e00 + i)}漢字仮名交じり文`.repeat(2_000);
  const messages = Array.from({ length: 12 }, (_, i) => userText(unbroken(i)));
  const first = countTokensOf(requestOf(messages));
  let last = first;
  for (let i = 0; i < 12; i++) last = countTokensOf(requestOf(messages));
  assert.notEqual(first, last);
  assert.equal(countTokensOf(requestOf(messages)), last, "it settles");
});
