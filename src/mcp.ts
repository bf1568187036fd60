export { sealedFile } from "./stores/sealed-file.ts";
export type { McpAddress, McpPlace, McpProcess, OnElicit } from "./tools/mcp-connection.ts";
export { McpOAuth, type McpOAuthOptions, type TokenShelf } from "./tools/mcp-oauth.ts";
export { mcp, McpServer, type McpServerOptions } from "./tools/mcp-server.ts";
