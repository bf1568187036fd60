import type { JsonValue } from "./json.ts";
import type { RedactionCounts } from "./redact.ts";
import type { Findings } from "./sanitise.ts";

/**
 * Where a value came from and who may see it. A value without a label counts as untrusted (failing closed).
 * `origin` names the source (`prompt`, `developer`, `tool:<callId>`, `model`); `audience` limits who may receive it.
 */
export interface Label {
  readonly source: "trusted" | "untrusted";
  readonly origin?: string;
  /** Of a value made from several: where its parts came from. */
  readonly origins?: readonly string[];
  readonly audience?: "public" | "tenant" | "confidential";
  /** What was taken out of it or made harmless before a model saw it, by kind. */
  readonly cleaned?: Findings;
}

export const trustedPrompt: Label = { source: "trusted", origin: "prompt" };

const audienceOrder = ["public", "tenant", "confidential"] as const;

const ORIGINS_MAX = 32;

/** The label of a value made from several: untrusted if any is, the narrowest audience of all, every origin up to a bound. */
export function joinLabels(labels: readonly (Label | undefined)[]): Label {
  const source = labels.length > 0 && labels.every((label) => label?.source === "trusted") ? "trusted" : "untrusted";
  const level = Math.max(-1, ...labels.map((label) => (label?.audience ? audienceOrder.indexOf(label.audience) : -1)));
  const audience = audienceOrder[level];
  const all = labels.flatMap((label) => [
    ...(label?.origins ?? []),
    ...(label?.origin === undefined ? [] : [label.origin]),
  ]);
  const origins = [...new Set(all)].toSorted().slice(0, ORIGINS_MAX);
  return { source, ...(audience !== undefined && { audience }), ...(origins.length > 0 && { origins }) };
}

/** Something that a run has read, however often: `tool:<name>`, `run:<runnable>`, `signal:<name>`, `input`, `thread`, `message`. */
export interface ReadSource {
  readonly from: string;
  /** The first call that brought it; null where no call did. */
  readonly callId: string | null;
  readonly times: number;
  readonly isUntrusted: boolean;
}

/** Recorded with an answer. */
export interface AnswerNotes {
  /** What the run had read; absent = nothing beside what it was asked. */
  readonly sources?: readonly ReadSource[];
  /** Places that the answer links to and nobody named, of a run that had read untrusted data. */
  readonly strangeLinks?: readonly string[];
}

/** A value in the journal: inline up to 16 KiB, else the hash of a blob. No label = untrusted. */
export type Ref = ({ readonly inline: JsonValue } | { readonly blob: string; readonly bytes: number }) & {
  readonly label?: Label;
  /** What was removed before the value was stored, by rule; absent = nothing. */
  readonly redacted?: RedactionCounts;
};
