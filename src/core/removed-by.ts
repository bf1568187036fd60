import type { JournalEvent } from "./journal-event.ts";
import type { RedactionCounts } from "./redact.ts";

/** What was removed from an event before it was stored: from its texts, and from the values that it names. */
export function removedBy(event: JournalEvent): RedactionCounts {
  const counts: RedactionCounts = {};
  const values: readonly unknown[] = Object.values(event);
  const refs = values.flatMap((value): readonly unknown[] => (Array.isArray(value) ? value : [value]));
  const added = refs.map((one) => (isObject(one) && isObject(one["message"]) ? one["message"] : one));
  for (const one of [event, ...added]) {
    const found = isObject(one) ? one["redacted"] : undefined;
    if (isObject(found))
      for (const [rule, n] of Object.entries(found))
        counts[rule] = (counts[rule] ?? 0) + (typeof n === "number" ? n : 0);
  }
  return counts;
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null;
}
