import type { ArgumentOrigin } from "../core/guard-rules.ts";
import { columns, oneLine, paint } from "./terminal.ts";

const AROUND_CHARS = 400;
const VALUE_CHARS = 80;

const named = {
  prompt: "named by a person",
  developer: "named by the developer",
  fixed: "one of the tool's own words",
  model: "named by nobody",
} as const;

/** For who decides: each argument that says where, to whom or how much, and where its value came from. */
export function originLines(origins: readonly ArgumentOrigin[], indent = "  "): readonly string[] {
  return origins.flatMap(({ path, value, origin }) => {
    const what = `${oneLine(path, VALUE_CHARS)} = ${paint("bold", oneLine(String(value), VALUE_CHARS))}`;
    if (origin.source === "trusted")
      return [`${indent}${what}: a trusted field of ${oneLine(origin.tool, VALUE_CHARS)}`];
    if (origin.source !== "untrusted") return [`${indent}${what}: ${named[origin.source]}`];
    const found = [origin, ...(origin.also ?? [])].map(({ tool, callId }) => `${tool} (call ${callId})`);
    const around = oneLine(origin.around, Math.min(AROUND_CHARS, 4 * columns()));
    return [
      `${indent}${what}`,
      `${indent}${paint("yellow", oneLine(`from what ${found.join(", then ")} gave`, AROUND_CHARS))}, beside these words:`,
      `${indent}${paint("dim", `“… ${around} …”`)}`,
    ];
  });
}
