import type { Effect } from "../core/effect.ts";
import type { RunRef } from "../core/id.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { ToolCalled } from "../core/tool-event.ts";
import type { Ref } from "../core/label.ts";
import { isJsonObject, utf8Bytes, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import type { HeadWait } from "../core/run-waits.ts";
import type { StepCalled, StepStarted } from "../core/step-event.ts";
import type { OpenAsk } from "../core/store-contract.ts";
import { batchAt, openApproval } from "./approval-journal.ts";
import type { ApprovalClaim, ApprovalClaims } from "./approval-claims.ts";
import type { EngineDeps } from "./deps.ts";

/** One line of a tenant's review queue, with what a person needs to choose from it. */
export interface ReviewEntry extends OpenAsk {
  /** null for an unknown effect, which `runId`, `callId` and `seq` name. */
  readonly approvalId: string | null;
  readonly callId: string;
  readonly question: string;
  /** null for a plain question, and for a step. */
  readonly tool: string | null;
  readonly version: string | null;
  readonly effect: Effect | null;
  /** The recorded arguments; null for none, and for what is over limits.reviewInputBytes: see `get`. */
  readonly input: JsonValue;
  /** The arguments in at most 200 characters, "" for none. */
  readonly summary: string;
  readonly askedAt: number;
  /** Runnable, title, principal and thread of the run that asks. */
  readonly agent: string;
  readonly title: string;
  readonly principal: string;
  readonly threadId: string | null;
  /** Who looks at it just now. */
  readonly claim: ApprovalClaim | null;
}

type About = Pick<
  ReviewEntry,
  "approvalId" | "question" | "tool" | "version" | "effect" | "input" | "summary" | "askedAt"
>;

/** An open ask as a queue shows it; null where it was answered since the index was read. Reads one or two batches. */
export async function reviewEntry(
  deps: Pick<EngineDeps, "store">,
  tenant: string,
  ask: OpenAsk,
  claims: ApprovalClaims,
): Promise<ReviewEntry | null> {
  const ref = { tenant, runId: ask.runId };
  const head = await deps.store.readHead(ref);
  const wait = head?.waits.find(({ key, kind }) => key === ask.key && kind === ask.kind);
  if (head === null || wait === undefined) return null;
  const about = await (ask.kind === "approval" ? approvalAbout(deps, ref, wait) : unknownAbout(deps, ref, wait));
  if (about === null) return null;
  return {
    ...ask,
    ...about,
    seq: wait.seq,
    callId: ask.key.slice(ask.key.lastIndexOf(":") + 1),
    ...identityOf(head),
    claim: ask.kind === "approval" ? await claims.of(ask.key) : null,
  };
}

export function identityOf(head: RunHead): Pick<ReviewEntry, "agent" | "title" | "principal" | "threadId"> {
  const { runnable, title, principal, threadId } = head;
  return { agent: runnable, title, principal, threadId };
}

async function approvalAbout(deps: Pick<EngineDeps, "store">, ref: RunRef, wait: HeadWait): Promise<About | null> {
  const found = await openApproval(deps.store, ref, wait);
  if (found === null) return null;
  const { asked, called, at } = found;
  return { approvalId: wait.key, question: asked.question, ...callAbout(called), askedAt: at };
}

async function unknownAbout(deps: Pick<EngineDeps, "store">, ref: RunRef, wait: HeadWait): Promise<About | null> {
  const batch = await batchAt(deps.store, ref, wait.seq);
  const unknown = batch?.events[wait.seq - batch.firstSeq];
  if (batch === null || unknown?.type !== "effect.unknown" || unknown.callId !== wait.key) return null;
  const { callSeq, reason } = unknown;
  const origin = callSeq === undefined ? null : await batchAt(deps.store, ref, callSeq);
  const intent = origin?.events[(callSeq ?? 0) - origin.firstSeq];
  const question = `Did ${nameOf(intent)} happen? (${reason})`;
  return {
    approvalId: null,
    question,
    ...callAbout(intent?.type === "tool.called" ? intent : null),
    ...(isStep(intent) && { effect: intent.effect }),
    askedAt: batch.at,
  };
}

function nameOf(intent: JournalEvent | undefined): string {
  if (intent?.type === "tool.called") return intent.tool;
  return isStep(intent) ? `step "${intent.name}"` : "the call";
}

function isStep(intent: JournalEvent | undefined): intent is StepCalled | StepStarted {
  return intent?.type === "step.called" || intent?.type === "step.started";
}

function callAbout(called: ToolCalled | null): Pick<About, "tool" | "version" | "effect" | "input" | "summary"> {
  if (called === null) return { tool: null, version: null, effect: null, input: null, summary: "" };
  const { tool, version, effect, argsRef } = called;
  return { tool, version, effect, ...inputAbout(argsRef) };
}

function inputAbout(ref: Ref): { readonly input: JsonValue; readonly summary: string } {
  if ("blob" in ref) return { input: null, summary: `(${ref.bytes} bytes)` };
  const text = JSON.stringify(ref.inline);
  const isShort = text.length <= limits.reviewInputBytes && utf8Bytes(text) <= limits.reviewInputBytes;
  return { input: isShort ? ref.inline : null, summary: summaryOf(ref.inline) };
}

/** `key: value, key: value`: what a list has room for. */
function summaryOf(input: JsonValue): string {
  const text = isJsonObject(input)
    ? Object.entries(input)
        .map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
        .join(", ")
    : JSON.stringify(input);
  const max = limits.reviewSummaryChars;
  return (text.length > max ? `${text.slice(0, max - 1)}…` : text).toWellFormed();
}
