// The `openai` package as it is: chat and responses, in one piece and streamed, with tools.
import OpenAI from "openai";

const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey });
const messages = [{ role: "user", content: "Hi" }];
const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const tools = [{ type: "function", function: { name: "weather", description: "Weather.", parameters: schema } }];
const out = {};

const chat = await client.chat.completions.create({ model, messages });
out.chat = { text: chat.choices[0].message.content, tokens: chat.usage.total_tokens };

out.chatStream = "";
let usage = null;
for await (const chunk of await client.chat.completions.create({
  model,
  messages,
  stream: true,
  stream_options: { include_usage: true },
})) {
  out.chatStream += chunk.choices[0]?.delta.content ?? "";
  usage = chunk.usage ?? usage;
}
out.chatStreamTokens = usage.total_tokens;

const asked = await client.chat.completions.create({ model, messages: [{ role: "user", content: "weather?" }], tools });
const calls = asked.choices[0].message.tool_calls;
out.calls = calls.map((call) => [call.function.name, call.function.arguments]);
out.ids = new Set(calls.map((call) => call.id)).size;
const told = await client.chat.completions.create({
  model,
  tools,
  messages: [
    { role: "user", content: "weather?" },
    asked.choices[0].message,
    ...calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "sunny" })),
  ],
});
out.told = told.choices[0].message.content;

const streamed = client.chat.completions.stream({ model, messages: [{ role: "user", content: "weather?" }], tools });
out.streamedCalls = (await streamed.finalChatCompletion()).choices[0].message.tool_calls.map(
  (call) => call.function.arguments,
);

const response = await client.responses.create({ model, input: "Hi", instructions: "Be brief." });
out.response = { text: response.output_text, tokens: response.usage.total_tokens };
const events = client.responses.stream({
  model,
  input: "weather?",
  tools: [{ type: "function", name: "weather", parameters: schema, strict: true }],
});
let deltas = 0;
events.on("response.function_call_arguments.delta", () => deltas++);
const final = await events.finalResponse();
out.responseCalls = final.output.filter((item) => item.type === "function_call").map((item) => item.arguments);
out.responseDeltas = deltas;
out.models = (await client.models.list()).data.map((one) => one.id);

const failed = await client.chat.completions.create({ model: "nothing", messages }).catch((error) => error);
out.error = { type: failed.constructor.name, status: failed.status, code: failed.code };
const cut = await (async () => {
  let text = "";
  try {
    for await (const chunk of await client.chat.completions.create({
      model,
      messages: [{ role: "user", content: "cut" }],
      stream: true,
    }))
      text += chunk.choices[0]?.delta.content ?? "";
    return { text, error: null };
  } catch (error) {
    return { text, error: error.code };
  }
})();
out.cut = cut;
console.log(JSON.stringify(out));
