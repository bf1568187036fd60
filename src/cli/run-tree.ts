import { parseJson } from "../core/json.ts";
import type { AssistantPart, Message } from "../core/message.ts";
import type { RedactionCounts } from "../core/redact.ts";
import { removedBy } from "../core/removed-by.ts";
import { tokensOf } from "../core/usage.ts";
import type { ReadEvent } from "../engine/run-events.ts";
import { costText, countText, durationText } from "./figures.ts";
import { callText, observationText, refusalText, reportText } from "./observation.ts";
import { oneLine } from "./terminal.ts";

/** One durable unit of a run: what was asked, what came of it, what it cost. */
export interface TreeNode {
  readonly callId: string;
  readonly kind: "model" | "tool" | "step" | "child" | "wait" | "ask";
  readonly what: string;
  /** Empty while it is open. */
  readonly outcome: string;
  readonly figures: readonly string[];
  readonly isFailed: boolean;
  /** What was taken out of it before it was stored, by rule. */
  readonly removed: RedactionCounts;
  readonly childRunId: string | null;
  /** Calls that a model's answer asked for. */
  readonly calls: readonly TreeNode[];
}

type Draft = { -readonly [Key in keyof TreeNode]: TreeNode[Key] } & { calls: Draft[]; readonly startedAt: number };

const WIDTH = 200;

/** The calls of a run as a tree: tool calls hang under the model call that asked for them. Pure. */
export function runTree(events: Iterable<ReadEvent>): readonly TreeNode[] {
  const roots: Draft[] = [];
  const byId = new Map<string, Draft>();
  for (const event of events) {
    // what comes of a call is told at it: its further attempts, and what a person is asked about it
    const opened = "callId" in event && byId.has(event.callId) ? null : openedBy(event);
    if (opened !== null) {
      const { node, under } = opened;
      byId.set(node.callId, node);
      noteRemoved(node, event);
      (under === null ? roots : (byId.get(under)?.calls ?? roots)).push(node);
      continue;
    }
    if ("callId" in event) {
      const node = byId.get(event.callId);
      settle(node, event);
      noteRemoved(node, event);
    }
    if (event.type === "approval.decided")
      settle(byId.get(event.approvalId.slice(event.approvalId.lastIndexOf(":") + 1)), event);
  }
  return roots;
}

function openedBy(event: ReadEvent): { readonly node: Draft; readonly under: string | null } | null {
  const open = (kind: TreeNode["kind"], callId: string, what: string, childRunId: string | null = null): Draft => ({
    callId,
    kind,
    what,
    outcome: "",
    figures: [],
    isFailed: false,
    removed: {},
    childRunId,
    calls: [],
    startedAt: event.at,
  });
  switch (event.type) {
    case "model.called":
      return {
        node: open("model", event.callId, event.context === "main" ? event.route : `${event.route} (${event.context})`),
        under: null,
      };
    case "tool.called":
      return {
        node: open("tool", event.callId, `${event.tool} ${callText(event.input, WIDTH)}`),
        under: event.modelCallId ?? null,
      };
    case "step.called":
    case "step.started":
      return { node: open("step", event.callId, event.name), under: null };
    case "child.called":
      return { node: open("child", event.callId, event.runnable, event.childRunId), under: null };
    case "wait.started": {
      const { wait } = event;
      return {
        node: open("wait", event.callId, wait.kind === "signal" ? `signal ${wait.name}` : wait.kind),
        under: null,
      };
    }
    case "approval.asked":
      return { node: open("ask", event.callId, event.question), under: null };
    default:
      return null;
  }
}

function settle(node: Draft | undefined, event: ReadEvent): void {
  if (node === undefined) return;
  const took = (ms = event.at - node.startedAt): string => durationText(ms);
  switch (event.type) {
    case "model.answered": {
      node.outcome = answerText(event.message as unknown as Message);
      node.figures =
        event.person === undefined
          ? [countText(tokensOf(event.usage), "token"), costText(event.costNanoUsd), durationText(event.ms)]
          : [`by ${event.person.by}, in the agent's place`];
      return;
    }
    case "tool.returned":
      node.outcome = event.invalid === undefined ? observationText(event.output, WIDTH) : event.invalid.message;
      node.isFailed = event.invalid !== undefined;
      node.figures = [
        ...triesOf(event.attempt),
        ...(event.via === undefined ? [] : [event.via]),
        ...(event.costNanoUsd === undefined ? [] : [costText(event.costNanoUsd)]),
        took(event.ms),
      ];
      return;
    case "tool.failed":
    case "step.failed":
    case "model.failed":
    case "model.attempted":
      node.outcome = oneLine(`${event.error.code}: ${event.error.message}`, WIDTH);
      node.isFailed = true;
      return;
    case "tool.refused":
      node.outcome = oneLine(`${event.code}: ${refusalText(event.output)}`, WIDTH);
      node.isFailed = true;
      return;
    case "step.returned":
    case "wait.ended":
      node.outcome ||= "done";
      node.isFailed = false;
      node.figures = [took()];
      return;
    case "child.ended":
      node.outcome = event.status;
      node.isFailed = event.status !== "completed";
      node.figures = [countText(event.tokens, "token"), costText(event.costNanoUsd), took()];
      return;
    case "approval.asked":
      node.outcome = "waits for approval";
      return;
    case "approval.decided":
      node.outcome = `${event.decision} by ${event.by}`;
      return;
    case "effect.unknown":
      node.outcome = "unknown: nobody knows whether it happened";
      node.isFailed = true;
      return;
    default:
  }
}

function noteRemoved(node: Draft | undefined, event: ReadEvent): void {
  const removed = removedBy(event);
  if (node === undefined || removed === null) return;
  for (const [rule, n] of Object.entries(removed)) node.removed[rule] = (node.removed[rule] ?? 0) + n;
}

function triesOf(attempt: number): readonly string[] {
  return attempt > 1 ? [`attempt ${attempt}`] : [];
}

function answerText(message: Message): string {
  const parts: readonly AssistantPart[] = message.role === "assistant" ? message.content : [];
  const text = parts.map((part) => (part.type === "text" ? part.text : "")).join("");
  const json = text.startsWith("{") ? parseJson(text) : null;
  return oneLine(json?.ok === true ? reportText(json.value) : text, WIDTH);
}
