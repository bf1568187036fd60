/** The stub model: an HTTP server in a process of its own that speaks OpenAI's chat wire and answers at once. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { chatFormat } from "../../src/testing/wire-openai.ts";
import type { WireReply } from "../../src/testing/wire-reply.ts";
import { answerQuestions } from "../peer.ts";
import { stepsOf, TOOL_NAME } from "./workload.ts";

export interface StubState {
  readonly url: string;
  readonly requests: number;
  readonly cpuMs: number;
}

const TOOL_MESSAGE = Buffer.from('"role":"tool"');
const STREAM = Buffer.from('"stream":true');
let requests = 0;

/** Requests of long runs are half a megabyte: they are searched, not parsed. */
async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  requests++;
  const model = /"model":"([^"]+)"/.exec(body.toString("latin1", 0, 200))?.[1] ?? "";
  const isStream = body.includes(STREAM);
  const { document, events } = chatFormat.encode(replyTo(body, model), model, {
    stream_options: { include_usage: true },
  });
  response.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" });
  response.end(isStream ? events.map(({ data }) => `data: ${data}\n\n`).join("") : JSON.stringify(document));
}

function replyTo(body: Buffer, model: string): WireReply {
  const read = occurrences(body, TOOL_MESSAGE);
  const usage = { input: Math.ceil(body.byteLength / 4), output: 20 };
  if (read >= stepsOf(model)) return { text: `Done: ${read} parts were read.`, usage };
  const part = read + 1;
  const call = { id: `call_${part}`, name: TOOL_NAME, arguments: JSON.stringify({ part }) };
  return { text: `Reading part ${part}.`, toolCalls: [call], usage };
}

function occurrences(body: Buffer, wanted: Buffer): number {
  let count = 0;
  for (let at = body.indexOf(wanted); at >= 0; at = body.indexOf(wanted, at + wanted.length)) count++;
  return count;
}

const server = createServer((incoming, response) => {
  handle(incoming, response).catch(() => response.destroy());
});
await new Promise<void>((resolve) => {
  server.listen(0, "127.0.0.1", resolve);
});
const { port } = server.address() as AddressInfo;
answerQuestions(async (): Promise<StubState> => {
  const { user, system } = process.cpuUsage();
  return { url: `http://127.0.0.1:${port}/v1`, requests, cpuMs: (user + system) / 1_000 };
});
