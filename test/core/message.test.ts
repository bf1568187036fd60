import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toolCallsOf, userText, validTranscript, type Message, type ToolResultPart } from "../../src/core/message.ts";

const callId = fc.constantFrom("a", "b", "c", "d", "");
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.string().map((text) => userText(text)),
  fc.constant<Message>({ role: "user", content: [] }),
  fc
    .array(
      fc.oneof(
        callId.map((id) => ({ type: "tool-call", callId: id, tool: "t", input: {} }) as const),
        fc.string().map((text) => ({ type: "text", text }) as const),
        fc.string().map((text) => ({ type: "reasoning", text }) as const),
      ),
    )
    .map((content): Message => ({ role: "assistant", content })),
  fc
    .array(callId.map((id): ToolResultPart => ({ type: "tool-result", callId: id, tool: "t", output: `for ${id}` })))
    .map((content): Message => ({ role: "tool", content })),
);
const conversation = fc.array(message, { maxLength: 12 });

test("after any sequence of messages every call has exactly one result right after it, and no result stands alone", () => {
  const property = fc.property(conversation, (messages) => {
    const valid = validTranscript(messages);
    for (const [i, one] of valid.entries()) {
      assert.ok(one.content.length > 0, "an empty message");
      const next = valid[i + 1];
      const asked = toolCallsOf(one).map((call) => call.callId);
      const answered = next?.role === "tool" ? next.content.map((part) => part.callId) : [];
      assert.deepEqual(answered, asked, "calls and the results after them");
      if (one.role === "tool") assert.equal(valid[i - 1]?.role, "assistant");
    }
  });
  fc.assert(property, { numRuns: 2_000 });
});

test("a call that is repeated by its id is one call", () => {
  const property = fc.property(conversation, (messages) => {
    const ids = validTranscript(messages).flatMap((one) => toolCallsOf(one).map((call) => call.callId));
    assert.equal(new Set(ids).size, ids.length);
  });
  fc.assert(property, { numRuns: 1_000 });
});

test("making it valid again changes nothing", () => {
  fc.assert(
    fc.property(conversation, (messages) => {
      const valid = validTranscript(messages);
      assert.deepEqual(validTranscript(valid), valid);
    }),
  );
});

test("what was said is kept, in its order", () => {
  fc.assert(
    fc.property(conversation, (messages) => {
      const said = (list: readonly Message[]): readonly string[] =>
        list.filter((one) => one.role === "user" && one.content.length > 0).map((one) => JSON.stringify(one));
      assert.deepEqual(said(validTranscript(messages)), said(messages));
    }),
  );
});

test("a call without a result gets one that says so, marked as an error", () => {
  const call = { type: "tool-call", callId: "x-0", tool: "send", input: {} } as const;
  const [, results] = validTranscript([{ role: "assistant", content: [call] }]);
  const [part] = results?.role === "tool" ? results.content : [];
  assert.equal(part?.isError, true);
  assert.match(JSON.stringify(part?.output), /No result/);
  assert.equal(part?.tool, "send");
});

test("of two results for one call the first counts", () => {
  const call = { type: "tool-call", callId: "x-0", tool: "send", input: {} } as const;
  const result = (output: string): Message => ({
    role: "tool",
    content: [{ type: "tool-result", callId: "x-0", tool: "send", output }],
  });
  const valid = validTranscript([
    { role: "assistant", content: [call] },
    result("first"),
    userText("go on"),
    result("late"),
  ]);
  assert.deepEqual(valid[1], result("first"));
  assert.equal(valid.length, 3);
});
