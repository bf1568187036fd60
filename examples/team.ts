// A supervisor plans tasks as data, has specialists do them as child runs, reads their reports, and ends.
import { pawl, specialist, team } from "pawl";
import { sqlite } from "pawl/sqlite";
import { scriptedModel } from "pawl/testing";
import { temporaryFolder } from "./temporary-folder.ts";

const facts = specialist({ name: "facts", scope: "Finds facts.", model: "facts", instructions: "Name your sources." });
const figures = specialist({ name: "figures", scope: "Does sums.", model: "figures", instructions: "Show the sum." });
const writer = specialist({ name: "writer", scope: "Writes from reports.", model: "writer", instructions: "Be brief." });
const crew = team({
  name: "crew",
  supervisor: { model: "lead", instructions: "Answer with a short report." },
  specialists: [facts, figures, writer],
  limits: { breadth: 2, tokens: 200_000 }, // two at once; every child gets a part of the tokens
});

const report = (result: string, source: string) =>
  JSON.stringify({ status: "done", result, evidence: [{ claim: result, source }], confidence: 0.9, openQuestions: [] });
const tasks = [
  { id: "who", specialist: "facts", task: "Who runs the cafe?" },
  { id: "sum", specialist: "figures", task: "What did it sell?" },
  { id: "text", specialist: "writer", task: "Write it down.", needs: ["who", "sum"] }, // handed both reports
];
const models = scriptedModel({
  lead: [{ toolCalls: [{ tool: "delegate", input: { tasks } }] }, { text: "Ada runs it and sold for 210 USD." }],
  facts: [{ text: report("Ada runs it", "notes.md:7") }],
  figures: [{ text: report("210 USD", "SELECT SUM(revenue) FROM sales") }],
  writer: (request) => ({ text: report(`wrote from ${JSON.stringify(request.messages).match(/Report \S+/g)?.length} reports`, "who, sum") }),
});

const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [crew], models });
const run = await app.start(crew, { runId: "cafe", input: "How is the cafe doing?" });
for await (const event of run.stream())
  if (event.type === "plan.updated") console.log(event.items.map((one) => `${one.by}:${one.status}`).join(" "));
const result = await run.result();
console.log(result.status, result.status === "completed" ? result.output : "");
await app.close();
