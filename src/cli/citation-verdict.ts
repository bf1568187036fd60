import type { JsonValue } from "../core/json.ts";
import type { Run } from "../engine/run-handle.ts";
import { checkCitations, collectReads, noReads } from "../tools.ts";
import { countText } from "./figures.ts";
import { paint } from "./terminal.ts";

/** Says of an answer whether its sources were really read: a reading of the run's journal. */
export async function citationVerdict(run: Run, answer: string): Promise<string | null> {
  let reads = noReads;
  for await (const event of run.events()) {
    if (event.type === "tool.returned" && isReading(event.tool)) reads = collectReads(reads, event.output);
  }
  const { citations, uncited } = checkCitations(answer, reads);
  const unread = citations.filter(({ wasRead }) => !wasRead);
  if (citations.length === 0 && uncited.length === 0) return null;
  if (unread.length === 0 && uncited.length === 0) {
    return paint("green", `✓ ${countText(citations.length, "citation")}, every line was read`);
  }
  const problems = [
    ...(unread.length === 0
      ? []
      : [
          `${unread.length} of ${countText(citations.length, "citation")} never read (${unread.map(({ text }) => text).join(", ")})`,
        ]),
    ...(uncited.length === 0 ? [] : [`${countText(uncited.length, "claim")} without a source`]),
  ];
  return paint("yellow", `✗ ${problems.join("; ")}`);
}

function isReading(tool: string): boolean {
  return tool === "search_docs" || tool === "read_document";
}

/** The text of a report that somebody is asked to save; null for another call. */
export function reportContent(tool: string | null, input: JsonValue): string | null {
  if (tool !== "save_report" || typeof input !== "object" || input === null || !("content" in input)) return null;
  return typeof input.content === "string" ? input.content : null;
}
