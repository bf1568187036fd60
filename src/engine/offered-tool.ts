import type { Runnable } from "../core/runnable.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import { durable } from "./durable-function.ts";

/**
 * A tool that may be called by itself: register it among the agents. Each call is a run, so grants, reviews, approvals,
 * budgets and records are those of any run; a grant names it as the agent. The gateway offers it to MCP clients with its
 * own arguments, where it is granted.
 */
export function offered(tool: ToolDefinition): Runnable {
  const { name, version, description, inputSchema } = tool;
  const made = durable({ name, version, description, tools: [tool], run: (ctx, input) => ctx.call(tool, input) });
  const parseInput: Runnable["parseInput"] = (value) => {
    const parsed = tool.parseInput(value);
    // what is recorded is what was given: the call parses it
    return parsed.ok ? { ok: true, value } : parsed;
  };
  return { ...made, inputSchema, parseInput, offers: tool };
}
