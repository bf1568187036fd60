import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import { drive, RESEARCH } from "./drive.ts";
import { type Folder, lister, planner, reader, saver, strictSearch } from "./fake-tools.ts";

/** What a newcomer has: facts as bullets, values behind colons, values alone. */
const folder: Folder = {
  "company.md":
    "# Nordhafen Ferries\n\nNordhafen Ferries runs ferries in the North Sea. It was founded in 1962.\n\n" +
    "- Employees: 412\n- Ferries: 14\n- Average age\n  - 11.4 years\n\n## Largest ship\n\n61 metres.\n",
  "finance.md":
    "# Finance\n\n- Revenue 2024: 12.4 million EUR\n- Revenue 2023: 11.9 million EUR\n- Profit: 0.8 million EUR; the margin was 6.5 %\n\n" +
    "Fuel cost rose by 9 percent. Passengers carried in 2024? 5.3 million.\n",
};
const tools = [strictSearch(folder), reader(folder), lister(folder)];
const answerTo = async (question: string): Promise<string> => (await drive(tools, question)).answer;

test("a quotation is never cut at a colon, and a value comes with what it is the value of", async () => {
  assert.match(
    await answerTo("What was the revenue in 2024?"),
    /- "Revenue 2024: 12\.4 million EUR" \(finance\.md:3\)/,
  );
  assert.match(
    await answerTo("How many passengers were carried in 2024?"),
    /- "Passengers carried in 2024\? 5\.3 million\." \(finance\.md:7\)/,
  );
  assert.match(await answerTo("How old are the ferries?"), /- Average age: "11\.4 years" \(company\.md:8\)/);
  assert.match(
    await answerTo('What does it say about "Largest ship"?'),
    /- Largest ship: "61 metres\." \(company\.md:12\)/,
  );
  assert.match(await answerTo("How many employees are there?"), /- "Employees: 412" \(company\.md:5\)/);
});

test('the parts of a question with "and" are answered each, and one that nothing answers is named', async () => {
  const both = await answerTo("What was the revenue in 2024 and how did fuel cost change?");
  assert.match(both, /"Revenue 2024: 12\.4 million EUR" \(finance\.md:3\)/);
  assert.match(both, /"Fuel cost rose by 9 percent\." \(finance\.md:7\)/);
  for (const question of ["Employees and ferries", "How many employees and ferries are there?"]) {
    assert.match(await answerTo(question), /"Employees: 412"[^]*"Ferries: 14"/, question);
  }
  const half = await answerTo("What was the revenue in 2024 and who is the captain of the Gerda?");
  assert.match(half, /"Revenue 2024[^]*The documents hold no answer to "who is the captain of the Gerda\?"/);
  assert.match(await answerTo("Bicycles and who rides them?"), /^The documents hold no answer to this question/);
});

test("two places on one line are quoted once", async () => {
  const answer = await answerTo("What was the profit and how high was the margin?");
  assert.equal(answer.match(/finance\.md:5/g)?.length, 1, answer);
  assert.match(answer, /"Profit: 0\.8 million EUR; the margin was 6\.5 %"/);
  const line = await answerTo("How did fuel cost change and how many passengers were carried?");
  assert.match(
    line,
    /- "Fuel cost rose by 9 percent\. … Passengers carried in 2024\? 5\.3 million\." \(finance\.md:7\)/,
  );
});

test("asked what the documents are about, it quotes the title and the first sentence of each", async () => {
  const { answer, calls } = await drive(tools, "What are these documents about? Name the most important points.");
  assert.equal(
    answer,
    [
      "How each of the documents begins, quotes only:",
      '- "Nordhafen Ferries" (company.md:1)',
      '- "Nordhafen Ferries runs ferries in the North Sea." (company.md:3)',
      '- "Finance" (finance.md:1)',
      '- "Revenue 2024: 12.4 million EUR" (finance.md:3)',
    ].join("\n"),
  );
  assert.deepEqual(
    calls.map(({ tool }) => tool),
    ["gamma", "beta", "beta"],
  );
});

test("a plan ends with every step done: beside the report, or before an answer without one", async () => {
  const system = `${RESEARCH} When the answer is complete, save it as a report. Then give it again.`;
  const last = (plans: readonly JsonValue[]): readonly string[] => (plans.at(-1) as { s: string }[]).map(({ s }) => s);
  for (const question of ["What was the profit?", "Who paints the masts?", "What are these documents about?"]) {
    const plans: JsonValue[] = [];
    await drive([planner(plans), ...tools], question);
    assert.deepEqual(last(plans), ["done", "done", "done"], question);
  }
  const plans: JsonValue[] = [];
  const saved: JsonObject[] = [];
  const { calls } = await drive([planner(plans), ...tools, saver(saved)], "What was the profit?", { system });
  assert.deepEqual(last(plans), ["done", "done", "done"]);
  assert.deepEqual(
    calls.slice(-2).map(({ tool }) => tool),
    ["delta", "zeta"],
  );
  assert.equal(saved.length, 1);
});
