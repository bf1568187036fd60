import { toJson, type JsonValue } from "../../src/core/json.ts";
import type { ToolContext, ToolDefinition } from "../../src/core/tool-contract.ts";
import { toolContext } from "./tool-context.ts";

/** Calls a tool as the engine does: parse the arguments, execute, result as JSON. */
export async function callTool(
  tools: readonly ToolDefinition[],
  name: string,
  args: JsonValue,
  context: Partial<ToolContext> = {},
): Promise<JsonValue> {
  const found = tools.find((tool) => tool.name === name);
  if (found === undefined) throw new Error(`no tool "${name}"`);
  const parsed = found.parseInput(args);
  if (!parsed.ok) throw new Error(`arguments refused: ${JSON.stringify(parsed.issues)}`);
  const json = toJson(await found.execute(parsed.value, toolContext(context)));
  if (!json.ok) throw new Error(`not JSON at ${json.path}: ${json.found}`);
  return json.value;
}
