// A handoff moves control: the target sees what is kept of the conversation, and its answer is the run's.
import { agent, handoff, pawl } from "pawl";
import { sqlite } from "pawl/sqlite";
import { scriptedModel } from "pawl/testing";
import { temporaryFolder } from "./temporary-folder.ts";

const billing = agent({ name: "billing", model: "billing", description: "Settles bills.", instructions: "Settle it." });
const desk = agent({
  name: "desk",
  model: "desk",
  instructions: "Hand each question to who knows.",
  tools: [handoff(billing, { keep: ({ by }) => by === "user" })], // what people said goes along, nothing else
});

const models = scriptedModel({
  desk: [{ text: "(thinks)", toolCalls: [{ tool: "hand_over_to_billing", input: { message: "Refund INV-7." } }] }],
  billing: ({ messages }) => ({ text: `Refunded. I was told: ${JSON.stringify(messages[0]?.content[0])}` }),
});
const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [desk], models });
const run = await app.start(desk, { runId: "ticket-1", input: "I was charged twice." });
const result = await run.result();
console.log(result.status, result.status === "completed" ? result.output : "");
for (const child of (await app.runs({ parentRunId: "ticket-1" })).items) console.log(child.runnable, child.status);
await app.close();
