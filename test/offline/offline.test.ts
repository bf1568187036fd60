import assert from "node:assert/strict";
import { test } from "node:test";
import { userText } from "../../src/core/message.ts";
import { offlineEndpoint } from "../../src/models/offline.ts";
import { drive, finishOf, partsOf, request, textIn } from "./drive.ts";
import { type Folder, lister, reader, strictSearch } from "./fake-tools.ts";

const folder: Folder = {
  "kiln.md":
    "# Kiln\n\nThe kiln reaches 1200 degrees after four hours.\n\n## Care\n\nSweep the chamber once a month.\n",
  "glaze.md": "# Glazes\n\nMix silica with feldspar. Stir for ten minutes.\n",
};
const tools = [strictSearch(folder), reader(folder), lister(folder)];
const specs = tools.map(({ spec }) => spec);

test("it says first that no language model is behind it, and costs nothing", () => {
  const { name, notice, price } = offlineEndpoint();
  assert.equal(name, "offline/extractive");
  assert.equal(notice, "offline/extractive: no language model, quotes only; set ANTHROPIC_API_KEY for a real one");
  assert.deepEqual([price?.inputUsd, price?.outputUsd, price?.source], [0, 0, "no provider"]);
});

test("equal requests get equal answers, from any instance", async () => {
  const asked = request([userText("How hot does the kiln get?")], { tools: specs });
  assert.deepEqual(await partsOf(asked), await partsOf(asked));
});

test("the deltas of a stream are the message that finishes it, and without streaming there is only the message", async () => {
  const asked = request([userText("How hot does the kiln get?")], { tools: specs });
  const parts = await partsOf(asked, true);
  const finish = await finishOf(asked);
  assert.deepEqual(parts.at(-1), finish);
  const said = parts.map((part) => (part.type === "text.delta" ? part.text : "")).join("");
  assert.equal(said, textIn(finish.content));
  const call = finish.content.find((part) => part.type === "tool-call");
  const input = parts.map((part) => (part.type === "tool-input.delta" ? part.text : "")).join("");
  assert.deepEqual(JSON.parse(input), call?.input);
  assert.equal(finish.finish, "tool-calls");
  assert.equal((await partsOf(asked, false)).length, 1);
});

test("usage is counted: the prompt as countTokens counts it, and what was said", async () => {
  const asked = request([userText("x".repeat(400))]);
  const { usage } = await finishOf(asked);
  assert.equal(usage?.inputTokens, offlineEndpoint().countTokens(asked));
  assert.ok((usage?.inputTokens ?? 0) >= 100 && (usage?.outputTokens ?? 0) > 0);
});

test("an answer over the output limit is cut and says so, and a call that does not fit is not made", async () => {
  const cut = await finishOf(request([userText("Hello")], { params: { maxOutputTokens: 15 } }));
  assert.equal(cut.finish, "length");
  assert.ok(textIn(cut.content).length <= 60);
  const call = await finishOf(request([userText("How hot?")], { tools: specs, params: { maxOutputTokens: 12 } }));
  assert.deepEqual([call.finish, call.content.some((part) => part.type === "tool-call")], ["length", false]);
});

test("an aborted call ends with the reason", async () => {
  const controller = new AbortController();
  controller.abort(new Error("cancelled by test"));
  const stream = offlineEndpoint().generate(request([userText("x")]), {
    signal: controller.signal,
    requestId: "m",
    stream: true,
  });
  await assert.rejects(async () => {
    for await (const part of stream) assert.fail(part.type);
  }, /cancelled by test/);
});

test("forbidden to call, it answers from what was shown", async () => {
  const { messages } = await drive(tools, "How hot does the kiln get?");
  const before = messages.slice(0, -1);
  const { content } = await finishOf(
    request(before, { tools: specs, params: { maxOutputTokens: 4_000, toolChoice: "none" } }),
  );
  assert.match(textIn(content), /1200 degrees/);
  const first = await finishOf(
    request([userText("How hot?")], { tools: specs, params: { maxOutputTokens: 4_000, toolChoice: "none" } }),
  );
  assert.match(textIn(first.content), /hold no answer/);
});

test("told which tool to call, it calls that one", async () => {
  const spec = {
    name: "file",
    description: "Files a ticket.",
    inputSchema: { type: "object", properties: { summary: { type: "string" } }, required: ["summary"] },
  };
  const params = { maxOutputTokens: 4_000, toolChoice: { tool: "file" } };
  const { content } = await finishOf(request([userText("The door is stuck.")], { tools: [spec], params }));
  const call = content.find((part) => part.type === "tool-call");
  assert.equal(call?.tool, "file");
});

test("tools that it cannot decide about are not called at random", async () => {
  const spec = {
    name: "refund",
    description: "Refunds a charge.",
    inputSchema: { type: "object", properties: { id: { type: "string", description: "Invoice" } }, required: ["id"] },
  };
  const { content, finish } = await finishOf(request([userText("INV-7 was charged twice.")], { tools: [spec] }));
  assert.equal(finish, "stop");
  assert.match(textIn(content), /no language model.*cannot decide whether to use "refund".*ANTHROPIC_API_KEY/);
});

test("without tools it summarises by leading sentences and adds nothing", async () => {
  const text = "Kilns are hot. They glow.\n\nGlazes are glass. They shine.";
  const { content } = await finishOf(request([userText(text)], { system: "Summarise the conversation." }));
  assert.equal(textIn(content), "- Kilns are hot.\n- Glazes are glass.");
});

test("without tools it quotes from a text that came with the question, or says that it cannot", async () => {
  const text = `How hot does the kiln get?\n\n${"Clay is dug from the river bank in spring. ".repeat(6)}\nThe kiln gets as hot as 1200 degrees. It is brown.`;
  const { content } = await finishOf(request([userText(text)], { system: "" }));
  assert.match(textIn(content), /^- "The kiln gets as hot as 1200 degrees\."/);
  const hello = await finishOf(request([userText("Hello")], { system: "" }));
  assert.match(textIn(hello.content), /no language model: it can only quote/);
});

test("a wanted shape is filled with what stands in the text, and a field that does not stand there is named", async () => {
  const outputSchema = {
    type: "object",
    properties: {
      severity: { type: "string", enum: ["low", "high"] },
      dueDate: { type: "string" },
      count: { type: "integer", description: "How many parcels were lost" },
      summary: { type: "string" },
    },
    required: ["severity", "count"],
  };
  const params = { maxOutputTokens: 4_000, outputSchema };
  const text = "Summarise this. Severity is high.\nDue date: Friday\nWe lost 7 parcels in May.";
  const filled = await finishOf(request([userText(text)], { system: "", params }));
  const value = JSON.parse(textIn(filled.content)) as { severity: string; dueDate: string; count: number };
  assert.deepEqual([value.severity, value.dueDate, value.count], ["high", "Friday", 7]);
  const missing = await finishOf(request([userText("Summarise this. Severity is high.")], { system: "", params }));
  assert.match(textIn(missing.content), /no language model.*nothing for "count" \(How many parcels were lost\)/);
});
