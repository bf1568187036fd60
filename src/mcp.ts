export type { McpAddress, McpPlace, McpProcess, OnElicit } from "./tools/mcp-connection.ts";
export { mcp, McpServer, type McpServerOptions } from "./tools/mcp-server.ts";
