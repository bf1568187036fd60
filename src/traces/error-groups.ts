import type { ErrorRecord } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import type { Span } from "../core/trace-contract.ts";
import type { TracedRun } from "./span-fold.ts";

/** One failure as a member of its group: `id` is the same for the same failure in every run. */
export interface Failure {
  readonly id: string;
  readonly title: string;
  readonly code: string;
  /** What failed and in whose run: `tool pay in clerk`. */
  readonly place: string;
}

const READ_CHARS = 500;
const TITLE_CHARS = 160;

/** A turn, an attempt and a child that failed are the failure of what is below or above them, told again. */
const repeated: readonly Span["kind"][] = ["turn", "attempt", "child"];
/** Refusals that are faults of the model or the tool; the others are somebody's decision. */
const faults: readonly string[] = ["TOOL_UNKNOWN", "TOOL_INPUT_INVALID", "TOOL_BREAKER_OPEN"];

/** The failure that a span stands for; null for one that did not fail. */
export function failureOf(span: Span, run: Pick<TracedRun, "runnable">): Failure | null {
  const error = errorOf(span);
  if (error === null || repeated.includes(span.kind)) return null;
  const place = span.kind === "run" ? `run of ${run.runnable}` : `${span.kind} ${span.name} in ${run.runnable}`;
  const { code } = error;
  const text = normalised(error.message);
  const title = `${code} · ${text}`.slice(0, TITLE_CHARS).toWellFormed();
  return { id: hashJson(["failure", place, code, text]).slice(0, 16), title, code, place };
}

function errorOf(span: Span): ErrorRecord | null {
  const { status, error, detail } = span;
  if (status === "unknown") return { code: "EFFECT_UNKNOWN", message: textIn(detail["unknownBecause"]) };
  if (status === "refused") return error !== null && faults.includes(error.code) ? error : null;
  if (status !== "error") return null;
  const reason = textIn(detail["stopReason"]);
  return error ?? { code: reason === "" ? "FAILED" : "STOPPED", message: reason === "" ? "it failed" : reason };
}

function textIn(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** In this order: what holds a number or a slash of its own goes before numbers and paths do. */
const replacements: readonly (readonly [RegExp, string])[] = [
  [/"[^"]{0,200}"|`[^`]{0,200}`|(?<!\w)'[^']{0,200}'/g, "…"],
  [/\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s"'<>)]+/gi, "<url>"],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, "<id>"],
  [/\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?[\d.]*(?:Z|[+-]\d{2}:?\d{2})?/g, "<time>"],
  [/(?<![\w])(?:[A-Za-z]:)?(?:[\\/][\w.@~+-]+){2,}(?::\d+){0,2}/g, "<path>"],
  [/\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b/gi, "<hex>"],
  // ids: a word with digits in it
  [/\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{4,}\b/g, "<id>"],
  [/[-+]?\d+(?:[.,:]\d+)*/g, "#"],
];

/** The first line of a message without what differs from run to run: ids, numbers, times, paths, what is quoted. */
export function normalised(message: string): string {
  const line = message.slice(0, READ_CHARS).trim().split("\n", 1)[0] ?? "";
  const text = replacements.reduce((rest, [pattern, mark]) => rest.replace(pattern, mark), line);
  return text.replaceAll(/\s+/g, " ").trim();
}
