import assert from "node:assert/strict";
import { test } from "node:test";
import { ask } from "../../bench/offline/ask.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import { type Message, userText } from "../../src/core/message.ts";
import { offlineEndpoint } from "../../src/models/offline.ts";
import { documentTools } from "../../src/tools.ts";
import { tempFolder } from "../tools/temp-folder.ts";
import { drive, RESEARCH } from "./drive.ts";
import { calculator, type Folder, lister, planner, reader, saver, strictSearch } from "./fake-tools.ts";

/** A folder that no word list or weight was set on. */
const folder: Folder = {
  "bees/hive.md":
    "# The hive\n\nA hive stands on a dry place with the entrance to the south-east.\n\n## Weight\n\nBefore winter a hive must weigh at least 32 kg, otherwise the colony is fed.\n",
  "bees/swarm.md":
    "# Swarms\n\nA swarm leaves the hive around noon in May or June.\nIt hangs in a tree for two hours.\n\n## Catching\n\nSpray the swarm with water and shake it into a box.\n",
  "honey.txt": "Honey\n=====\n\nHoney is harvested in July. It may hold no more than 18 % water.\n",
};
const tools = [strictSearch(folder), reader(folder), lister(folder)];

test("with every tool and parameter renamed, on a folder it has not seen, it searches, reads and cites", async () => {
  const { answer, calls } = await drive(tools, "How much water may honey hold?");
  assert.match(answer, /- "It may hold no more than 18 % water\." \(honey\.txt:4\)/);
  assert.deepEqual([...new Set(calls.map(({ tool }) => tool))], ["alpha", "beta"]);
});

test("a query with too many words for the search is narrowed until something is found", async () => {
  const { answer, calls } = await drive(tools, "How heavy must a hive be before winter?");
  assert.match(answer, /at least 32 kg.*\(bees\/hive\.md:7\)/);
  const queries = calls.filter(({ tool }) => tool === "alpha").map(({ input }) => JSON.stringify(input));
  assert.equal(new Set(queries).size, queries.length, "the same query twice");
});

test("where the words are not in the documents it tries others, lists the documents, and then says that there is no answer", async () => {
  const { answer, calls } = await drive(tools, "What does a beekeeper earn in Norway?");
  assert.match(answer, /^The documents hold no answer to this question\.\nSearched for: "/);
  assert.ok(calls.filter(({ tool }) => tool === "alpha").length >= 2);
  assert.ok(calls.some(({ tool }) => tool === "gamma"));
});

test("results that something wrapped in text are still read", async () => {
  const wrap = {
    ...reader(folder),
    run: (input: JsonObject) => `<data source="x">\n${JSON.stringify(reader(folder).run(input))}\n</data>`,
  };
  const { answer } = await drive([strictSearch(folder), wrap], "How do I catch a swarm?");
  assert.match(answer, /Spray the swarm with water.*\(bees\/swarm\.md:8\)/);
});

test("a search tool alone is enough", async () => {
  const { answer } = await drive([strictSearch(folder)], "When is honey harvested?");
  assert.match(answer, /harvested in July.*\(honey\.txt:4\)/);
});

test("a search that fails is said, with its reason", async () => {
  const broken = {
    ...strictSearch(folder),
    run: (): JsonValue => {
      throw new Error("index is locked");
    },
  };
  const { answer, calls } = await drive([broken], "When is honey harvested?");
  assert.match(answer, /could not be searched: .*index is locked/);
  assert.ok(calls.length <= 4);
});

test("a plan comes first, and shows where things stand", async () => {
  const plans: JsonValue[] = [];
  const { calls } = await drive([planner(plans), ...tools], "When is honey harvested?");
  assert.equal(calls[0]?.tool, "delta");
  const statuses = plans.map((plan) => (plan as { s: string; k: string }[]).map(({ s, k }) => `${k} ${s}`));
  assert.deepEqual(statuses, [
    ["1 active", "2 open", "3 open"],
    ["1 done", "2 active", "3 open"],
    ["1 done", "2 done", "3 done"],
  ]);
});

test("sums go to the calculator and its result is given, not another", async () => {
  for (const [question, expression] of [
    ["What is 12 × (3 + 4)?", "12 * (3 + 4)"],
    ["calculate 15% of 80", "15 / 100 * 80"],
    ["How much is 2 to the power of 10?", "2 ** 10"],
    ["What's 1,200 divided by 7?", "1200 / 7"],
  ] as const) {
    const { answer, calls } = await drive([calculator({ expression: "", result: 77.5 }), ...tools], question);
    assert.deepEqual(
      calls.map(({ input }) => (input as { p1: string }).p1),
      [expression],
    );
    assert.equal(answer, `${expression} = 77.5`);
  }
  const failed = await drive([calculator({ error: "division by zero" })], "1/0");
  assert.match(failed.answer, /cannot be calculated.*division by zero/);
  const words = await drive([calculator(1), ...tools], "What happens from 12 to 2 in June?");
  assert.ok(words.calls.every(({ tool }) => tool !== "epsilon"));
});

const answered = async (question: string): Promise<readonly Message[]> => (await drive(tools, question)).messages;

test("told that a citation was never read, it reads that place and answers again", async () => {
  const messages = await answered("When is honey harvested?");
  const feedback = "These citations were never read: bees/swarm.md:8. Read those lines, or leave the claim out.";
  const { answer, calls } = await drive(tools, [...messages, userText(feedback)]);
  assert.deepEqual(
    calls.map(({ tool, input }) => [tool, input]),
    [["beta", { p1: "bees/swarm.md", p2: 8, p3: 8 }]],
  );
  assert.match(answer, /harvested in July/);
});

test("a place that cannot be read is not cited again, also not within a quotation", async () => {
  const wax: Folder = { "wax.md": "# Wax\n\nWax is sold in spring, see gone.md:3.\n\nWax is also sold in autumn.\n" };
  const own = [strictSearch(wax), reader(wax)];
  const first = await drive(own, "When is wax sold?");
  assert.match(first.answer, /gone\.md:3/);
  const feedback = "These citations were never read: gone.md:3. Read those lines, or leave the claim out.";
  const { answer, calls } = await drive(own, [...first.messages, userText(feedback)]);
  assert.equal(calls.length, 1);
  assert.match(answer, /sold in autumn.*\(wax\.md:5\)/);
  assert.doesNotMatch(answer, /gone\.md/);
});

test("a hint between calls does not change the goal, a new question does", async () => {
  const messages = await answered("When is honey harvested?");
  const between = [
    ...messages.slice(0, -1),
    userText("You called alpha 3 times with the same arguments. Do something else."),
  ];
  assert.match((await drive(tools, between)).answer, /harvested in July/);
  assert.match(
    (await drive(tools, [...messages, userText("When does a swarm leave the hive?")])).answer,
    /around noon in May or June/,
  );
});

test("a goal that only the summary of a long conversation still holds is found there", async () => {
  const summary =
    "Goal: When is honey harvested?\n\nPlan:\n- [active] Search\n\nSummary of the conversation so far:\n- Searched for bees.";
  assert.match((await drive(tools, summary)).answer, /harvested in July/);
});

test("where the instructions want it saved, the answer is saved once, and given again whatever the person decides", async () => {
  const system = `${RESEARCH} When the answer is complete, save it as a report. Then give it again.`;
  for (const refuses of [false, true]) {
    const saved: JsonObject[] = [];
    const { answer, calls } = await drive([...tools, saver(saved, refuses)], "When is honey harvested?", { system });
    assert.equal(calls.filter(({ tool }) => tool === "zeta").length, 1);
    assert.match(answer, /harvested in July/);
    if (!refuses) assert.deepEqual(saved, [{ p1: "When is honey harvested", p2: answer }]);
  }
  const none: JsonObject[] = [];
  await drive([...tools, saver(none)], "What does a beekeeper earn in Norway?", { system });
  assert.deepEqual(none, [], "there is nothing to save without an answer");
});

test("asked afterwards to save it, it saves the answer that it gave", async () => {
  const saved: JsonObject[] = [];
  const messages = await answered("When is honey harvested?");
  const { answer } = await drive(
    [...tools, saver(saved)],
    [...messages, userText("Please save this answer as a report.")],
  );
  assert.match(JSON.stringify(saved[0]), /harvested in July/);
  assert.match(answer, /was saved: .*x\.md/);
});

test("citations are bracketed as the instructions show them", async () => {
  const { answer } = await drive(tools, "When is honey harvested?", { system: "Cite as [file:line]." });
  assert.match(answer, /\[honey\.txt:4\]/);
});

test("an answer of a wanted shape holds the quotation and its places", async () => {
  const outputSchema = {
    type: "object",
    properties: {
      answer: { type: "string" },
      sources: { type: "array", items: { type: "string" } },
      found: { type: "boolean" },
    },
    required: ["answer", "sources", "found"],
  };
  const { answer } = await drive(tools, "When is honey harvested?", {
    params: { maxOutputTokens: 4_000, outputSchema },
  });
  const value = JSON.parse(answer) as { answer: string; sources: string[]; found: boolean };
  assert.match(value.answer, /harvested in July/);
  assert.deepEqual([value.sources, value.found], [["honey.txt:4"], true]);
});

test("with Pawl's own tools every citation is one that was read, and nothing is quoted that does not stand there", async (t) => {
  const set = await documentTools({ root: tempFolder(t, folder) });
  t.after(() => set.close());
  for (const question of [
    "How much water may honey hold?",
    "When does a swarm leave?",
    "Where should a hive stand?",
    "How is wax sold?",
  ]) {
    const { answer, citations } = await ask(offlineEndpoint(), set.tools, question);
    assert.equal(citations.ok, true, `${question}\n${answer}\n${citations.feedback}`);
    const all = Object.values(folder).join("\n").replaceAll(/\s+/g, " ");
    for (const [, quote = ""] of answer.matchAll(/^- "(.*)" \(/gm)) assert.ok(all.includes(quote), quote);
  }
});

test("no transcript makes it throw", async () => {
  const odd: readonly Message[][] = [
    [],
    [{ role: "assistant", content: [{ type: "text", text: "hi" }] }],
    [
      {
        role: "tool",
        content: [{ type: "tool-result", callId: "x", tool: "alpha", output: { a: [1, null, { b: "c" }] } }],
      },
    ],
    [userText(""), { role: "assistant", content: [] }],
    [
      userText("?"),
      {
        role: "assistant",
        content: [{ type: "tool-call", callId: "1", tool: "alpha", input: "{broken", malformed: true }],
      },
    ],
    [userText("a:b ".repeat(5_000))],
    [userText("💥 ((( [[[ \\ * + ? ^ $")],
  ];
  for (const messages of odd) assert.equal(typeof (await drive(tools, messages)).answer, "string");
});
