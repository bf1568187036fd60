/** The client that the conformance suite drives: an McpServer of Pawl, as an agent would use it. */
import { ClientCredentialsProvider, PrivateKeyJwtProvider } from "@modelcontextprotocol/client";
import { McpOAuth, McpServer } from "pawl/mcp";
import { systemClock, systemEntropy } from "../../src/engine/system-clock.ts";
import type { ToolContext } from "../../src/core/tool-contract.ts";

const url = process.argv.at(-1) ?? "";
let kept: string | null = null;
const given = JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}") as {
  client_id?: string;
  client_secret?: string;
  private_key_pem?: string;
  signing_algorithm?: string;
};
const person = new McpOAuth({
  redirectUrl: "http://127.0.0.1:9/callback",
  clientMetadataUrl: "https://conformance-test.local/client-metadata.json",
  ...(given.client_id !== undefined && {
    client: { client_id: given.client_id, client_secret: given.client_secret ?? "" },
  }),
  tokens: {
    read: async () => kept,
    write: async (text) => {
      kept = text;
    },
  },
  // the suite's authorization server sends back at once
  authorize: async (place) =>
    new URL((await fetch(place, { redirect: "manual" })).headers.get("location") ?? "", place),
});
function authOf(): McpOAuth | ClientCredentialsProvider | PrivateKeyJwtProvider {
  const { client_id: clientId = "", client_secret: clientSecret = "" } = given;
  switch (process.env["MCP_CONFORMANCE_SCENARIO"]) {
    case "auth/client-credentials-basic":
      return new ClientCredentialsProvider({ clientId, clientSecret });
    case "auth/client-credentials-jwt": {
      const { private_key_pem: privateKey = "", signing_algorithm: algorithm = "ES256" } = given;
      return new PrivateKeyJwtProvider({ clientId, privateKey, algorithm });
    }
    default:
      return person;
  }
}

const server = new McpServer("suite", {
  url,
  auth: authOf(),
  onElicit: async () => ({ action: "accept", content: {} }),
});
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
