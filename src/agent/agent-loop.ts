import type { ErrorRecord } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { textOf, toolCallsOf, type ToolCallPart } from "../core/message.ts";
import type { ModelOutcome, TurnContext, TurnResult } from "../core/runnable.ts";
import { limits } from "../core/limits.ts";
import type { AgentCode, AgentDefinition } from "./definition.ts";
import { compact, firstMessages, overWindow } from "./context-window.ts";
import { concluded } from "./final-answer.ts";
import { memoOf, storedMemo, withHint, type Memo } from "./memo.ts";
import { assess } from "./progress.ts";
import { callTool, type CallContext } from "./tool-call.ts";

type Answered = ModelOutcome & { readonly status: "answered" };

/** One turn of an agent: query the model, act on what it asks for, observe, until a stop reason. */
export async function agentTurn(code: AgentCode, ctx: TurnContext, stored: JsonValue | null): Promise<TurnResult> {
  const definition = ctx.definition as unknown as AgentDefinition;
  const memo = memoOf(stored);
  const best = memo.best;
  if (ctx.run.turn >= (ctx.limits.turns ?? limits.turns)) return { type: "stop", stopReason: "max_turns", value: best };
  const progress = assess(ctx.state.recent);
  if (progress.level === "stop") {
    ctx.note({ type: "guard.flagged", rule: progress.rule, action: "stop", detail: progress.detail });
    return { type: "stop", stopReason: "no_progress", value: best, detail: progress.detail };
  }
  if (progress.level !== "none")
    ctx.note({ type: "guard.flagged", rule: progress.rule, action: progress.level, detail: progress.detail });

  const answer = await query(ctx, definition, progress.level === "none" ? memo : withHint(memo, progress.detail));
  if (answer.status === "failed") return stopped(answer.error, best);
  const calls = answer.finish === "length" ? [] : toolCallsOf(answer.message);
  const next = { ...memo, hint: null, best: textOf(answer.message).trim() || best };
  if (calls.length === 0) return concluded({ code, ctx, definition, memo: next, answer });
  return act({ ctx, definition, code, memo: next, forbidden: progress.forbidden }, answer, calls);
}

/** Asks the model: what happened since the last request, and a hint where there is one. Compacts when the window is full. */
async function query(ctx: TurnContext, definition: AgentDefinition, memo: Memo): Promise<ModelOutcome> {
  const isFirst = ctx.state.context.baseSeq === 0;
  if (!isFirst && overWindow(ctx, definition)) await compact(ctx, definition);
  const news = ctx.state.context.pending.map(({ seq }) => ({ seq }));
  const hint =
    memo.hint === null
      ? []
      : [
          {
            message: { role: "user", content: [{ type: "text", text: memo.hint }] } as const,
            label: { source: "trusted" } as const,
          },
        ];
  const add = [...(isFirst ? firstMessages(ctx) : []), ...news, ...hint];
  const base = {
    route: definition.model,
    context: "main",
    system: systemOf(definition),
    tools: definition.tools,
    params: paramsOf(definition),
  };
  const answer = await ctx.model({ ...base, add });
  if (answer.status === "answered" || answer.error.code !== "MODEL_CONTEXT_OVERFLOW") return answer;
  if (!(await compact(ctx, definition))) return answer;
  return ctx.model({ ...base, add: [] });
}

/** Runs every tool call of an answer, at once; each gets exactly one result. */
async function act(
  on: Omit<CallContext, "answer">,
  answer: Answered,
  calls: readonly ToolCallPart[],
): Promise<TurnResult> {
  const outcomes = await Promise.all(
    calls.map((call, index) => callTool({ ...on, answer: answer.callId }, call, index)),
  );
  const { grounding } = on.code;
  let grounds = on.memo.grounds;
  for (const [i, outcome] of outcomes.entries()) {
    const call = calls[i];
    if (call === undefined || outcome.status !== "returned" || grounding === null) continue;
    grounds = grounding.collect(grounds, { tool: call.tool, args: call.input, value: outcome.value });
  }
  return { type: "next", ...storedMemo({ ...on.memo, grounds, emptyAnswers: 0 }) };
}

function systemOf(definition: AgentDefinition): string {
  if (definition.outputSchema === null) return definition.instructions;
  return `${definition.instructions}\n\nYour final answer is one JSON value that fits this JSON Schema, and nothing else:\n${JSON.stringify(definition.outputSchema)}`;
}

function paramsOf(definition: AgentDefinition) {
  const { params, outputSchema, tools } = definition;
  // a schema for the answer would forbid tool calls with some providers: it is sent only where there are no tools
  return outputSchema === null || tools.length > 0 ? params : { ...params, outputSchema };
}

function stopped(error: ErrorRecord, best: JsonValue): TurnResult {
  const detail = error.message;
  if (error.code === "MODEL_CONTEXT_OVERFLOW")
    return { type: "stop", stopReason: "context_overflow", value: best, detail };
  if (error.code === "MODEL_REFUSED") return { type: "stop", stopReason: "refused", value: best, detail };
  return { type: "fail", error };
}
