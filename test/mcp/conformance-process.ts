/** The client that the conformance suite drives: an McpServer of Pawl, as an agent would use it. */
import { McpServer } from "pawl/mcp";
import { systemClock, systemEntropy } from "../../src/engine/system-clock.ts";
import type { ToolContext } from "../../src/core/tool-contract.ts";

const url = process.argv.at(-1) ?? "";
const server = new McpServer("suite", { url, onElicit: async () => ({ action: "accept", content: {} }) });
await server.load({ clock: systemClock, entropy: systemEntropy });
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
// the cast: what an MCP tool does not use is left out
const ctx = { signal: AbortSignal.timeout(20_000), deadlineMs: 20_000, traceparent } as unknown as ToolContext;
for (const tool of server.tools) {
  const properties = (tool.inputSchema["properties"] ?? {}) as object;
  const input = Object.fromEntries(Object.keys(properties).map((name, i) => [name, i + 1]));
  console.log(tool.name, await tool.execute(input, ctx));
}
await server.close();
