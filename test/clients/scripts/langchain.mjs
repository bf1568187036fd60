// `@langchain/openai` as it is: invoke, stream, tools, structured output.
import { ChatOpenAI } from "@langchain/openai";

const [baseURL, apiKey, model] = process.argv.slice(2);
const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const out = {};
for (const useResponsesApi of [false, true]) {
  const llm = new ChatOpenAI({ model, apiKey, useResponsesApi, configuration: { baseURL: `${baseURL}/v1` } });
  const name = useResponsesApi ? "responses" : "chat";
  const answer = await llm.invoke("Hi");
  out[name] = { text: answer.text, tokens: answer.usage_metadata.total_tokens };
  let text = "";
  for await (const chunk of await llm.stream("Hi")) text += chunk.text;
  out[`${name}Stream`] = text;
  const tools = [{ type: "function", function: { name: "weather", description: "Weather.", parameters: schema } }];
  const asked = await llm.bindTools(tools).invoke("weather?");
  out[`${name}Calls`] = asked.tool_calls.map((call) => [call.name, call.args.city]);
}
const llm = new ChatOpenAI({ model, apiKey, configuration: { baseURL: `${baseURL}/v1` } });
out.structured = await llm.withStructuredOutput(schema, { name: "place", method: "jsonSchema" }).invoke("json");
console.log(JSON.stringify(out));
