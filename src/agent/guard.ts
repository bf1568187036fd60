import type { ErrorRecord } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import type { Label } from "../core/label.ts";
import { resultLabel } from "../core/provenance.ts";
import { sanitise, sanitiseJson, type Findings } from "../core/sanitise.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";

interface Outcome {
  readonly ok: boolean;
  readonly value: JsonValue;
  readonly error?: ErrorRecord;
}

/** What the model sees of a tool's outcome: without hidden characters, cut to size with a mark. The raw result stays whole. */
export function shownResult(
  tool: ToolDefinition,
  outcome: Outcome,
): { readonly value: JsonValue; readonly label: Label } {
  const label = resultLabel(tool, outcome);
  const told = (findings: Findings): Label =>
    Object.keys(findings).length === 0 ? label : { ...label, cleaned: findings };
  if (!outcome.ok) {
    const { text, findings } = sanitise(outcome.error?.message ?? JSON.stringify(outcome.value));
    return { value: `Error: ${cut(text, tool.shownCharsMax)}`, label: told(findings) };
  }
  const { value: clean, findings } = sanitiseJson(outcome.value);
  const text = typeof clean === "string" ? clean : JSON.stringify(clean);
  return { value: text.length <= tool.shownCharsMax ? clean : cut(text, tool.shownCharsMax), label: told(findings) };
}

function cut(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  return `${text.slice(0, charsMax).toWellFormed()}\n[cut: ${text.length - charsMax} of ${text.length} characters are not shown]`;
}
