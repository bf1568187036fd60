import type { ErrorRecord } from "../core/errors.ts";
import { toJson, type JsonValue } from "../core/json.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";

type Checked = { readonly ok: true; readonly value: JsonValue } | { readonly ok: false; readonly error: ErrorRecord };

export function badResult(message: string): Checked & { readonly ok: false } {
  return { ok: false, error: { code: "TOOL_OUTPUT_INVALID", message: message.slice(0, 2_000) } };
}

/** A result as it may be recorded: JSON that fits its schema. */
export function checkedResult(tool: ToolDefinition, result: unknown): Checked {
  const json = toJson(result);
  if (!json.ok) return badResult(`${tool.name} returned ${json.found} at ${json.path}, which cannot be recorded.`);
  const parsed = tool.parseOutput(json.value);
  if (parsed.ok) return { ok: true, value: json.value };
  const issues = parsed.issues.map((issue) => `${issue.path || "(whole)"}: ${issue.message}`).join("; ");
  return badResult(`${tool.name} returned what breaks its output schema: ${issues}`);
}
