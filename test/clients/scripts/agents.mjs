// `@openai/agents` as it is: a tool loop over responses, and over chat completions.
import { Agent, OpenAIProvider, Runner, tool } from "@openai/agents";

const [baseURL, apiKey, model] = process.argv.slice(2);
const weather = tool({
  name: "weather",
  description: "Weather.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
  execute: async ({ city }) => `${city} is sunny`,
});
const out = {};
for (const useResponses of [true, false]) {
  const modelProvider = new OpenAIProvider({ baseURL: `${baseURL}/v1`, apiKey, useResponses });
  const runner = new Runner({ modelProvider, tracingDisabled: true });
  const agent = new Agent({ name: "asker", instructions: "Ask.", model, tools: [weather] });
  const name = useResponses ? "responses" : "chat";
  out[name] = (await runner.run(agent, "weather?")).finalOutput;
  const streamed = await runner.run(agent, "weather?", { stream: true });
  let text = "";
  for await (const piece of streamed.toTextStream()) text += piece;
  await streamed.completed;
  out[`${name}Stream`] = text;
}
console.log(JSON.stringify(out));
