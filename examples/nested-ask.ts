// A question of a specialist surfaces on the root run; the answer resumes exactly the child that asked.
import { pawl, specialist, team, tool } from "pawl";
import { sqlite } from "pawl/sqlite";
import { scriptedModel } from "pawl/testing";
import { z } from "zod";
import { temporaryFolder } from "./temporary-folder.ts";

const pay = tool({
  name: "pay", version: "1", description: "Pay an invoice.",
  inputSchema: z.object({ usd: z.number() }),
  effect: "idempotent",
  approval: () => true,
  execute: ({ usd }) => `paid ${usd} USD`,
});
const payer = specialist({ name: "payer", scope: "Pays.", model: "payer", instructions: "Pay.", tools: [pay] });
const crew = team({ name: "crew", supervisor: { model: "lead", instructions: "Have it paid." }, specialists: [payer] });

const report = { status: "done", result: "paid", evidence: [], confidence: 1, openQuestions: [] };
const tasks = [{ id: "pay", specialist: "payer", task: "Pay 80 USD." }];
const models = scriptedModel({
  lead: [{ toolCalls: [{ tool: "delegate", input: { tasks } }] }, { text: "It is paid." }],
  payer: [{ toolCalls: [{ tool: "pay", input: { usd: 80 } }] }, { text: JSON.stringify(report) }],
});
const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [crew], models });
const run = await app.start(crew, { runId: "bill", input: "Pay the bill." });
const waiting = await run.result(); // resolves here: nothing of the tree goes on before a person answers
const [id = ""] = waiting.status === "awaiting_approval" ? waiting.approvals : [];
console.log(waiting.status, (await app.approvals.get(id)).question, id.startsWith("bill~"));

await app.approvals.approve(id, { by: "ada@example.com" });
for await (const event of run.stream()) if (event.type === "run.ended") console.log(event.status, event.output);
await app.close();
