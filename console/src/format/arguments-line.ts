import type { JsonValue } from "../api/types.ts";
import { oneLine } from "./visible-text.ts";

/** Arguments in a line: names and values without JSON's quotes. */
export function argumentsLine(input: JsonValue): string {
  if (input === null || typeof input !== "object" || Array.isArray(input))
    return oneLine(JSON.stringify(input) ?? "", 160);
  const parts = Object.entries(input).map(([key, value]) => {
    const isList = Array.isArray(value) && value.some((one) => typeof one === "object");
    const text = isList
      ? `${value.length} ${value.length === 1 ? "item" : "items"}`
      : typeof value === "string"
        ? value
        : JSON.stringify(value);
    return `${key}: ${(text ?? "").slice(0, 120)}`;
  });
  return oneLine(parts.join(", "), 200);
}
