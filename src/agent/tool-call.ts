import { approversFor } from "../core/approver-rules.ts";
import { PawlError } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import { isJsonObject, parseJson, toJson, type JsonValue } from "../core/json.ts";
import type { ToolCallPart } from "../core/message.ts";
import { nearest } from "../core/nearest.ts";
import type { Verdict } from "../core/policy.ts";
import { isTurnTool, type ToolCallSpec, type ToolOutcome, type TurnContext, type TurnWork } from "../core/runnable.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import { authorVerdict } from "../engine/confidence-gate.ts";
import { breakerOf } from "./breaker.ts";
import type { AgentTurn } from "./definition.ts";
import { shownResult } from "./guard.ts";
import { planItemsOf, planTool } from "./plan.ts";
import { callKey } from "./progress.ts";

/** A call as it was carried out: under the tool's own name, with the arguments that were meant. */
export interface Called {
  readonly tool: string;
  readonly args: JsonValue;
  readonly outcome: ToolOutcome;
  /** Set where its work was done in the turn. */
  readonly work: TurnWork | null;
}

type Prepared =
  | { readonly tool: ToolDefinition; readonly args: JsonValue; readonly verdict: Verdict | Promise<Verdict> }
  | { readonly refusal: { readonly code: string; readonly shown: string } };

/**
 * One call of a model's answer: prepared (or refused with what the model needs to know), executed, finished.
 * @param calls all of the answer; `index` is the one to do
 */
export async function callTool(
  on: AgentTurn,
  modelCallId: string,
  calls: readonly ToolCallPart[],
  index: number,
): Promise<Called> {
  const call = calls[index];
  if (call === undefined) throw new PawlError("INTERNAL", `an answer has no call ${index}.`);
  const prepared = prepare(on, call, calls.slice(0, index));
  const place = { modelCallId, index };
  if ("refusal" in prepared) {
    const outcome = await on.ctx.tool({ ...place, ...refusedSpec(call), refusal: prepared.refusal });
    return { tool: call.tool, args: decoded(call.input), outcome, work: null };
  }
  const { tool, args } = prepared;
  const verdict = prepared.verdict instanceof Promise ? await prepared.verdict : prepared.verdict;
  const work = isTurnTool(tool) ? await tool.inTurn(on.ctx, args) : null;
  const outcome = await on.ctx.tool({
    ...place,
    tool,
    args,
    verdict,
    show: (result) => shownResult(tool, result),
    ...(work !== null && doneOf(work)),
    ...(verdict.decision === "ask" && { ask: askOf(on.ctx, tool, args, verdict) }),
  });
  finish(on, tool, args, outcome);
  return { tool: tool.name, args, outcome, work };
}

function prepare(on: AgentTurn, call: ToolCallPart, earlier: readonly ToolCallPart[]): Prepared {
  const { ctx, definition } = on;
  const names = definition.tools.map((tool) => tool.name);
  const name = names.includes(call.tool) ? call.tool : unambiguous(call.tool, names);
  if (name === null) return refused("TOOL_UNKNOWN", unknownTool(call.tool, names));
  const tool = ctx.toolOf(name);
  if (tool === null) throw missingCode(on, name);
  if (call.malformed === true) return refused("TOOL_INPUT_INVALID", malformed(tool, call.input));
  const args = decoded(call.input);
  const parsed = tool.parseInput(args);
  if (!parsed.ok) {
    const issues = parsed.issues.map((issue) => `- ${issue.path || "(whole)"}: ${issue.message}`).join("\n");
    const shown = `The arguments of ${name} do not fit its schema:\n${issues}\nCorrect them and call again.`;
    return refused("TOOL_INPUT_INVALID", shown);
  }
  if (on.forbidden.length > 0 && on.forbidden.includes(callKey(name, hashJson(args)))) {
    const shown = `Refused: you called ${name} with these arguments again and again. The result will not change.`;
    return refused("TOOL_REFUSED", shown);
  }
  const breaker = breakerOf(ctx.state.recent, name, ctx.run.turn);
  if (breaker === "resting" || (breaker === "trying" && earlier.some((other) => other.tool === call.tool))) {
    return refused(
      "TOOL_BREAKER_OPEN",
      `${name} failed too often and rests. Use another way, or try it once in a few turns.`,
    );
  }
  const unfounded = faultOf(on, { tool: name, args });
  if (unfounded !== null) return refused("TOOL_REFUSED", unfounded);
  return { tool, args, verdict: authorVerdict(ctx, tool, { input: parsed.value, args }) };
}

/**
 * What is wrong with an answer that a call would carry out, in words for the model; null where nothing is. Like a final
 * answer it is sent back once in a run.
 */
export function faultOf(
  { code, memo }: AgentTurn,
  call: { readonly tool: string; readonly args: JsonValue },
): string | null {
  const answer = memo.sentBack ? null : (code.grounding?.answerIn?.(call) ?? null);
  if (answer === null) return null;
  const verdict = code.grounding?.check(answer, memo.grounds);
  return verdict === undefined || verdict.ok ? null : verdict.feedback;
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

const SHOWN_CHARS = 200;

function unknownTool(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  const hint = near === null ? "" : ` Did you mean "${near}"?`;
  return `There is no tool "${shortened(name, 64)}". There is: ${names.join(", ") || "none"}.${hint}`;
}

function malformed({ name, inputSchema }: ToolDefinition, input: JsonValue): string {
  const members = Object.keys(isJsonObject(inputSchema["properties"] ?? null) ? (inputSchema["properties"] ?? {}) : {});
  const text = typeof input === "string" ? input : JSON.stringify(input);
  return `The arguments of ${name} are not JSON: ${shortened(text, SHOWN_CHARS)}\nSend one JSON object with ${members.join(", ") || "no members"}.`;
}

function shortened(text: string, charsMax: number): string {
  return text.length > charsMax ? `${text.slice(0, charsMax).toWellFormed()}…` : text.toWellFormed();
}

/** The run goes on by the tools it was started with: a worker without their code must leave it to another. */
function missingCode({ ctx }: AgentTurn, name: string): PawlError {
  const version = ctx.state.started.pins.tools?.[name] ?? "?";
  return new PawlError(
    "RUNNABLE_MISSING",
    `run "${ctx.run.runId}" was started with tool ${name}@${version}, and this worker has no such code. Deploy it beside the new version, then unblock the run.`,
  );
}

/** Arguments that were encoded twice: a text that holds a JSON object. Anything else stays as it is. */
function decoded(input: JsonValue): JsonValue {
  if (typeof input !== "string") return input;
  const parsed = parseJson(input);
  const json = parsed.ok ? toJson(parsed.value) : parsed;
  return json.ok && isJsonObject(json.value) ? json.value : input;
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

function doneOf(work: TurnWork): Pick<ToolCallSpec, "done" | "refusal"> {
  return work.ok ? { done: { value: work.value } } : { refusal: { code: work.code, shown: work.message } };
}

function askOf(ctx: TurnContext, tool: ToolDefinition, args: JsonValue, verdict: Verdict) {
  const why = verdict.reason === undefined ? "" : ` (${verdict.reason})`;
  return { question: `Allow ${tool.name}?${why}`, ...approversFor(tool, args, ctx.run.tenant) };
}

function finish(on: AgentTurn, tool: ToolDefinition, args: JsonValue, outcome: ToolOutcome): void {
  if (tool !== planTool || outcome.status !== "returned") return;
  const items = planItemsOf(args);
  if (items !== null) on.ctx.note({ type: "plan.updated", items });
}
