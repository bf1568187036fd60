import type { JournalEvent } from "./journal-event.ts";
import type { RedactionCounts } from "./redact.ts";

/** What was removed from an event before it was stored, from its texts and from the values that it names; null = nothing. */
export function removedBy(event: JournalEvent): RedactionCounts | null {
  let counts: RedactionCounts | null = null;
  const add = (found: unknown): void => {
    if (!isObject(found)) return;
    counts ??= {};
    for (const [rule, n] of Object.entries(found)) counts[rule] = (counts[rule] ?? 0) + (typeof n === "number" ? n : 0);
  };
  add(Reflect.get(event, "redacted"));
  for (const value of Object.values(event) as readonly unknown[]) {
    if (!isObject(value)) continue;
    add(value["redacted"]);
    if (Array.isArray(value)) for (const one of value as readonly unknown[]) addRef(one, add);
  }
  return counts;
}

/** Of a list of refs, or of a prompt's messages. */
function addRef(one: unknown, add: (found: unknown) => void): void {
  if (!isObject(one)) return;
  add(one["redacted"]);
  if (isObject(one["message"])) add(one["message"]["redacted"]);
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null;
}
