import { hashJson } from "../core/hash.ts";
import { isJsonObject, parseJson, type JsonValue } from "../core/json.ts";
import type { ToolCallPart } from "../core/message.ts";
import { strictest, type Verdict } from "../core/policy.ts";
import type { ToolCallSpec, ToolOutcome, TurnContext } from "../core/runnable.ts";
import type { RecentCall } from "../core/run-state.ts";
import { nearest } from "../core/nearest.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import type { AgentCode, AgentDefinition } from "./definition.ts";
import { shownResult } from "./guard.ts";
import type { Memo } from "./memo.ts";
import { planItemsOf, planTool } from "./plan.ts";
import { callKey } from "./progress.ts";

export interface CallContext {
  readonly ctx: TurnContext;
  readonly definition: AgentDefinition;
  readonly code: AgentCode;
  readonly memo: Memo;
  /** Calls that loop detection refuses, as `tool argsHash`. */
  readonly forbidden: readonly string[];
  /** The model call that asked. */
  readonly answer: string;
}

type Prepared =
  | { readonly tool: ToolDefinition; readonly args: JsonValue; readonly verdict: Verdict }
  | { readonly refusal: { readonly code: string; readonly shown: string } };

/** One call of a model's answer: prepared (or refused with what the model needs to know), executed, finished. */
export async function callTool(on: CallContext, call: ToolCallPart, index: number): Promise<ToolOutcome> {
  const prepared = prepare(on, call);
  const place = { modelCallId: on.answer, index };
  if ("refusal" in prepared) return on.ctx.tool({ ...place, ...refusedSpec(call), refusal: prepared.refusal });
  const { tool, args, verdict } = prepared;
  const outcome = await on.ctx.tool({
    ...place,
    tool,
    args,
    verdict,
    show: (result) => shownResult(tool, result),
    ...(verdict.decision === "ask" && { ask: askOf(tool, verdict) }),
  });
  finish(on, tool, args, outcome);
  return outcome;
}

function prepare(on: CallContext, call: ToolCallPart): Prepared {
  const { ctx, definition } = on;
  const names = definition.tools.map((tool) => tool.name);
  const name = names.includes(call.tool) ? call.tool : unambiguous(call.tool, names);
  const tool = name === null ? null : ctx.toolOf(name);
  if (tool === null) return refused("TOOL_UNKNOWN", unknownTool(call.tool, names));
  if (call.malformed === true)
    return refused(
      "TOOL_INPUT_INVALID",
      `The arguments of ${tool.name} are not JSON. Send one JSON object that fits its schema.`,
    );
  const args = decoded(call.input);
  const parsed = tool.parseInput(args);
  if (!parsed.ok) {
    const issues = parsed.issues.map((issue) => `- ${issue.path || "(whole)"}: ${issue.message}`).join("\n");
    return refused(
      "TOOL_INPUT_INVALID",
      `The arguments of ${tool.name} do not fit its schema:\n${issues}\nCorrect them and call again.`,
    );
  }
  if (on.forbidden.includes(callKey(tool.name, hashJson(args)))) {
    return refused(
      "TOOL_REFUSED",
      `Refused: you called ${tool.name} with these arguments again and again. The result will not change.`,
    );
  }
  if (isResting(ctx.state.recent, tool.name)) {
    return refused(
      "TOOL_BREAKER_OPEN",
      `${tool.name} failed too often and rests. Use another way, or try it again later.`,
    );
  }
  return { tool, args, verdict: strictest([tool.approval(parsed.value)]) };
}

function refused(code: string, shown: string): Prepared {
  return { refusal: { code, shown } };
}

/** A name that differs in case or surrounding space only. */
function unambiguous(name: string, names: readonly string[]): string | null {
  const wanted = name.trim().toLowerCase();
  const same = names.filter((candidate) => candidate.toLowerCase() === wanted);
  return same.length === 1 ? (same[0] ?? null) : null;
}

function unknownTool(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  const hint = near === null ? "" : ` Did you mean "${near}"?`;
  return `There is no tool "${name.slice(0, 64)}". There is: ${names.join(", ") || "none"}.${hint}`;
}

/** Arguments that were encoded twice: a text that holds a JSON object. Anything else stays as it is. */
function decoded(input: JsonValue): JsonValue {
  if (typeof input !== "string") return input;
  const parsed = parseJson(input);
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : input;
}

/** A call that cannot run is recorded under the name that the model used, and answered. */
function refusedSpec(call: ToolCallPart): Omit<ToolCallSpec, "refusal"> {
  const name = call.tool.slice(0, 64).toWellFormed();
  return {
    tool: { name, version: "0", effect: "pure" },
    args: call.input,
    verdict: { decision: "refuse", rules: ["prepare"] },
    show: ({ value }) => ({ value }),
  };
}

function askOf(tool: ToolDefinition, verdict: Verdict) {
  const why = verdict.reason === undefined ? "" : ` (${verdict.reason})`;
  return { question: `Allow ${tool.name}?${why}` };
}

const BREAKER_ERRORS = 5;
const BREAKER_REFUSALS = 2;

/** A tool whose last five tries failed rests for two calls; then one may try again. */
function isResting(recent: readonly RecentCall[], tool: string): boolean {
  const own = recent.filter((call) => call.tool === tool).toReversed();
  const tried = own.filter((call) => call.outcome !== "refused").slice(0, BREAKER_ERRORS);
  const isBroken = tried.length === BREAKER_ERRORS && tried.every((call) => call.outcome === "error");
  const sinceLastTry = own.findIndex((call) => call.outcome !== "refused");
  return isBroken && sinceLastTry < BREAKER_REFUSALS;
}

function finish(on: CallContext, tool: ToolDefinition, args: JsonValue, outcome: ToolOutcome): void {
  if (tool !== planTool || outcome.status !== "returned") return;
  const items = planItemsOf(args);
  if (items !== null) on.ctx.note({ type: "plan.updated", items });
}
