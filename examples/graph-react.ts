// The field's ReAct graph: the agent asks the model, the tools carry out what it asks for, until it asks for nothing.
import { channel, END, graph, pawl, START, tool, toolCallsOf, userText, type Message } from "pawl";
import { sqlite } from "pawl/sqlite";
import { scriptedModel } from "pawl/testing";
import { z } from "zod";
import { temporaryFolder } from "./temporary-folder.ts";

const weather = tool({
  name: "weather", version: "1", description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  effect: "pure",
  execute: ({ city }) => (city === "Oslo" ? "snow" : "sun"),
});
const model = "scripted";

const react = graph({ name: "react", state: { messages: channel.append<Message>() }, tools: [weather], models: [model] })
  .addNode("agent", async ({ messages }, ctx) => ({ messages: [await ctx.chat({ model, messages, tools: [weather] })] }))
  .addNode("tools", async ({ messages }, ctx) => ({ messages: [await ctx.callTools(messages)] }))
  .addEdge(START, "agent")
  .addConditionalEdges("agent", ({ messages }) => (messages.slice(-1).flatMap(toolCallsOf).length > 0 ? "tools" : END), ["tools", END])
  .addEdge("tools", "agent")
  .compile();

const models = scriptedModel([
  { toolCalls: [{ tool: "weather", input: { city: "Oslo" } }, { tool: "weather", input: { city: "Rome" } }] },
  { text: "Snow in Oslo, sun in Rome." },
]);
const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [react], models });
const run = await app.start(react, { input: { messages: [userText("How is the weather in Oslo and Rome?")] } });
const result = await run.result();
if (result.status === "completed") for (const { role, content } of (result.output as unknown as { messages: Message[] }).messages) console.log(role, JSON.stringify(content));
await app.close();
