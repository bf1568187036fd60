import { z } from "zod";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import type { Schema } from "../core/schema.ts";

/** What a specialist hands back. `out_of_scope`: somebody else must do the task; `result` says who. */
export interface Report {
  readonly status: "done" | "out_of_scope";
  readonly result: JsonValue;
  /** What the result rests on, each with where it is from: file and line, address, query. */
  readonly evidence: readonly { readonly claim: string; readonly source: string }[];
  /** 0 to 1: how well the evidence carries the result, as the specialist sees it. */
  readonly confidence: number;
  readonly openQuestions: readonly string[];
}

const EVIDENCE_MAX = 100;

/** @param result schema of `result`; text where none is given */
export function reportSchema(result: z.ZodType = z.string()): Schema {
  return z.object({
    status: z.enum(["done", "out_of_scope"]).describe("out_of_scope where the task is not yours"),
    result: result.describe("The result of the task; of a task out of scope, who should do it."),
    evidence: z
      .array(z.object({ claim: z.string(), source: z.string().describe("file:line, address or query") }))
      .max(EVIDENCE_MAX)
      .describe("What the result rests on, with sources"),
    confidence: z.number().min(0).max(1).describe("How well the evidence carries the result"),
    openQuestions: z.array(z.string()).max(EVIDENCE_MAX).describe("What stays open"),
  });
}

/** A task as its specialist is handed it: nothing else of the run is seen. */
export interface Handed {
  readonly task: string;
  readonly context: string;
  readonly reports: readonly { readonly from: string; readonly by: string; readonly report: Report }[];
  /** How the attempt before this one ended; null for the first. */
  readonly before: string | null;
}

export function handedText({ task, context, reports, before }: Handed): string {
  const parts = [
    `Task: ${task}`,
    context === "" ? "" : `Context:\n${context}`,
    ...reports.map(({ from, by, report }) => `Report "${from}" by ${by}:\n${reportText(report)}`),
    before === null ? "" : `An earlier attempt at this task failed: ${before}\nDo it another way.`,
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function reportText({ result, evidence, confidence, openQuestions }: Report): string {
  const lines = [typeof result === "string" ? result : JSON.stringify(result, null, 2)];
  if (evidence.length > 0) lines.push("Evidence:", ...evidence.map(({ claim, source }) => `- ${claim} (${source})`));
  lines.push(`Confidence: ${confidence}`);
  if (openQuestions.length > 0) lines.push("Open questions:", ...openQuestions.map((question) => `- ${question}`));
  return lines.join("\n");
}

/** What a runnable came to, as a report: one that is none (an agent of the user's own) is its result. */
export function reportOf(value: JsonValue): Report {
  if (isJsonObject(value) && "result" in value && "confidence" in value) return value as unknown as Report;
  return { status: "done", result: value, evidence: [], confidence: 0, openQuestions: [] };
}
