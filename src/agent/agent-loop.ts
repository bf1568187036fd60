import type { ErrorRecord } from "../core/errors.ts";
import { answerWithout, fenceOf, withFenceRule } from "../core/fence.ts";
import type { RunStarted } from "../core/journal-event.ts";
import type { FinishReason } from "../core/model-event.ts";
import type { JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { toolCallsOf, userText, type ToolCallPart } from "../core/message.ts";
import type { ContextEntry } from "../core/run-context.ts";
import type { ModelOutcome, PromptDraft, TurnContext, TurnResult } from "../core/runnable.ts";
import { bestAnswer } from "./best-answer.ts";
import { compact, firstMessages } from "./context-window.ts";
import type { AgentCode, AgentDefinition, AgentTurn, Answer } from "./definition.ts";
import { concluded, ended } from "./final-answer.ts";
import { memoOf, storedMemo, withHint } from "./memo.ts";
import { fixIntent } from "./intent.ts";
import { assess } from "./progress.ts";
import { callTool, faultOf } from "./tool-call.ts";

/** One turn of an agent: query the model, act on what it asks for, observe, until a stop reason. */
export async function agentTurn(code: AgentCode, ctx: TurnContext, stored: JsonValue | null): Promise<TurnResult> {
  const definition = ctx.definition as unknown as AgentDefinition;
  const value = bestAnswer(ctx.state);
  const turnsMax = ctx.limits.turns ?? limits.turns;
  if (ctx.run.turn >= turnsMax)
    return {
      type: "stop",
      stopReason: "max_turns",
      value,
      detail: `no final answer within ${turnsMax} ${turnsMax === 1 ? "turn" : "turns"}`,
    };

  const { level, rule, detail, forbidden } = assess(ctx.state.recent);
  if (level !== "none") ctx.note({ type: "guard.flagged", rule, action: level, detail });
  if (level === "stop") return { type: "stop", stopReason: "no_progress", value, detail };

  const memo = level === "none" ? memoOf(stored) : withHint(memoOf(stored), detail);
  const on: AgentTurn = { ctx, code, definition, memo, forbidden };
  await fixIntent(on);
  const isSmaller = await compact(on);
  if (memo.overflowed && !isSmaller) return { type: "stop", stopReason: "context_overflow", value, detail: nothingOld };
  const outcome = await query(on);
  if (outcome.status === "failed") return failed(on, outcome.error);
  const answer = { ...outcome, message: answerWithout(fenceOf(ctx.state.started), outcome.message) };
  const calls = isWhole(answer.finish) ? toolCallsOf(answer.message) : [];
  const next = { ...on, memo: { ...memo, hint: null, overflowed: false } };
  return calls.length === 0 ? concluded(next, answer) : act(next, answer, calls);
}

const nothingOld =
  "the conversation is larger than the model's window, and nothing in it is old enough to be compacted";

/** Asks the model: what happened since its last request, and a hint where there is one. */
function query({ ctx, definition, memo }: AgentTurn): Promise<ModelOutcome> {
  const isFirst = ctx.state.context.baseSeq === 0;
  // what a person said while the model answered comes after its answer and the results of its calls
  const { pending } = ctx.state.context;
  const [said, done] = [pending.filter(isMessage), pending.filter((entry) => !isMessage(entry))];
  const news = [...done, ...said].map(({ seq }) => ({ seq }));
  const hint: readonly PromptDraft[] =
    memo.hint === null ? [] : [{ message: userText(memo.hint), label: { source: "trusted" } }];
  const { hashes } = ctx.state.started.pins;
  return ctx.model({
    route: definition.model,
    context: "main",
    system: systemOf(definition, ctx.state.started),
    // what a quarantined tool says of itself is not for a model
    tools: definition.tools.filter(({ name }) => hashes === undefined || Object.hasOwn(hashes, name)),
    params: paramsOf(definition),
    add: [...(isFirst ? firstMessages(ctx) : []), ...news, ...hint],
  });
}

/** Runs every tool call of an answer, at once; each gets exactly one result. */
async function act(on: AgentTurn, answer: Answer, calls: readonly ToolCallPart[]): Promise<TurnResult> {
  const taken = calls.slice(0, limits.callsPerAnswer);
  const done = await Promise.all(taken.map((_, index) => callTool(on, answer.callId, taken, index)));
  const { grounding } = on.code;
  let { grounds } = on.memo;
  for (const { tool, args, outcome } of grounding === null ? [] : done)
    if (outcome.status === "returned")
      grounds = grounding?.collect(grounds, { tool, args, value: outcome.value }) ?? null;
  const sentBack = on.memo.sentBack || done.some((called) => faultOf(on, called) !== null);
  const memo = { ...on.memo, grounds, sentBack, emptyAnswers: 0, repairs: 0 };
  const over = done.flatMap(({ work }) => (work?.ok === true && work.end !== undefined ? [work.end] : []))[0];
  if (over !== undefined) return ended({ ...on, memo }, over.value);
  if (taken.length === calls.length) return { type: "next", ...storedMemo(memo) };
  const tooMany = `You asked for ${calls.length} calls at once. Only the first ${taken.length} were carried out: ask for the others again, in smaller groups.`;
  return { type: "next", ...storedMemo(withHint(memo, tooMany)) };
}

/** Calls of an answer that was cut, filtered or broken off may be half of what was meant: none of them is carried out. */
function isWhole(finish: FinishReason): boolean {
  return finish !== "length" && finish !== "content-filter" && finish !== "error";
}

function failed({ ctx, memo }: AgentTurn, error: ErrorRecord): TurnResult {
  const stop = { type: "stop", value: bestAnswer(ctx.state), detail: error.message } as const;
  if (error.code === "MODEL_REFUSED") return { ...stop, stopReason: "refused" };
  if (error.code !== "MODEL_CONTEXT_OVERFLOW") return { type: "fail", error };
  if (memo.overflowed) return { ...stop, stopReason: "context_overflow" };
  return { type: "next", ...storedMemo({ ...memo, overflowed: true }) };
}

function isMessage({ source }: ContextEntry): boolean {
  return source.kind === "message";
}

function systemOf(definition: AgentDefinition, started: RunStarted): string {
  const { instructions, tools, outputSchema } = definition;
  const all = tools.length === 0 ? instructions : withFenceRule(instructions, started);
  if (outputSchema === null) return all;
  return `${all}\n\nYour final answer is one JSON value that fits this JSON Schema, and nothing else:\n${JSON.stringify(outputSchema)}`;
}

function paramsOf(definition: AgentDefinition) {
  const { params, outputSchema, tools } = definition;
  // a schema for the answer would forbid tool calls with some providers: it is sent only where there are no tools
  return outputSchema === null || tools.length > 0 ? params : { ...params, outputSchema };
}
