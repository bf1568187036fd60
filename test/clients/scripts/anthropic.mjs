// `@anthropic-ai/sdk` as it is: in one piece, streamed, tools both ways.
import Anthropic from "@anthropic-ai/sdk";

const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey });
const tools = [
  {
    name: "weather",
    description: "Weather.",
    input_schema: { type: "object", properties: { city: { type: "string" } } },
  },
];
const out = {};
const message = await client.messages.create({
  model,
  max_tokens: 100,
  system: "Be brief.",
  messages: [{ role: "user", content: "Hi" }],
});
out.text = message.content[0].text;
out.tokens = message.usage.input_tokens + message.usage.output_tokens;
const ask = [{ role: "user", content: "weather?" }];
const stream = client.messages.stream({ model, max_tokens: 100, messages: ask, tools });
let deltas = 0;
stream.on("inputJson", () => deltas++);
const asked = await stream.finalMessage();
out.deltas = deltas;
out.stop = asked.stop_reason;
const calls = asked.content.filter((block) => block.type === "tool_use");
out.calls = calls.map((call) => [call.name, call.input.city]);
const told = await client.messages.create({
  model,
  max_tokens: 100,
  tools,
  messages: [
    ...ask,
    { role: "assistant", content: asked.content },
    { role: "user", content: calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "sunny" })) },
  ],
});
out.told = told.content[0].text;
const failed = await client.messages.create({ model: "nothing", max_tokens: 1, messages: ask }).catch((error) => error);
out.error = { type: failed.constructor.name, status: failed.status };
try {
  for await (const event of await client.messages.create({
    model,
    max_tokens: 9,
    stream: true,
    messages: [{ role: "user", content: "cut" }],
  }))
    out.last = event.type;
  out.cut = null;
} catch (error) {
  out.cut = error.error?.error?.type ?? String(error);
}
console.log(JSON.stringify(out));
