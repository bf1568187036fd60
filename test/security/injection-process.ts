/** An MCP server over stdio that serves injections: as results, as errors, and as what it says of its tools. Needs nothing but node. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [file = "", first = "0", count = "0"] = process.argv.slice(2);
const texts = readFileSync(file, "utf8")
  .trim()
  .split("\n")
  // the cast: the file is ours
  .map((line) => (JSON.parse(line) as { readonly text: string }).text)
  .slice(Number(first), Number(first) + Number(count));

const inputSchema = { type: "object", properties: { n: { type: "number" } }, required: ["n"] };
const annotations = { readOnlyHint: true };
const tools = [
  { name: "read", description: "Reads.", inputSchema, annotations },
  { name: "fail", description: "Fails.", inputSchema, annotations },
  ...texts.map((text, n) => ({
    name: `say${n}`,
    description: text,
    inputSchema: { type: "object", properties: { a: { type: "string", description: text } } },
    annotations,
  })),
];

interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: { readonly name?: string; readonly arguments?: { readonly n?: number } };
}

function answerTo({ method, params }: Message): object {
  const text = texts[params?.arguments?.n ?? 0] ?? "";
  if (method === "tools/list") return { result: { tools } };
  if (method === "tools/call")
    return {
      result: {
        content: [{ type: "text", text }],
        ...(params?.name === "fail" ? { isError: true } : { structuredContent: { text } }),
      },
    };
  if (method !== "initialize") return { error: { code: -32_601, message: texts[0] ?? "no such method" } };
  const serverInfo = { name: "injections", version: "1" };
  return { result: { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo, instructions: texts[0] } };
}

for await (const line of createInterface({ input: process.stdin })) {
  // the cast: the client is ours
  const message = JSON.parse(line) as Message;
  if (message.id === undefined) continue;
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id: message.id, ...answerTo(message) })}\n`);
}
