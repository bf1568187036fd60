// The smallest agent. With a real model, leave `models` out and name one: model: "anthropic/claude-sonnet-latest".
import { agent, pawl, tool } from "pawl";
import { sqlite } from "pawl/sqlite";
import { scriptedModel } from "pawl/testing";
import { z } from "zod";
import { temporaryFolder } from "./temporary-folder.ts";

const multiply = tool({
  name: "multiply", version: "1", description: "Multiplies two numbers.",
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  effect: "pure",
  execute: ({ a, b }) => a * b,
});
const hello = agent({ name: "hello", model: "scripted", instructions: "Answer with a number. Use your tool.", tools: [multiply] });

const models = scriptedModel([
  { toolCalls: [{ tool: "multiply", input: { a: 6, b: 7 } }] },
  { text: "The answer is 42." },
]);
const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [hello], models });
const run = await app.start(hello, { input: "What is six times seven?" });
for await (const event of run.stream()) {
  if (event.type === "tool.called") console.log("calls", event.tool, event.input);
  if (event.type === "tool.returned") console.log("gets", event.output);
}
const result = await run.result();
console.log(result.status, result.status === "completed" ? result.output : "");
await app.close();
