import { withoutFences } from "../core/fence.ts";
import type { JsonObject } from "../core/json.ts";
import type { AssistantPart } from "../core/message.ts";
import type { GenerateOptions, ModelEndpoint, ModelPart, ModelRequest } from "../core/model-contract.ts";
import { noUsage } from "../core/usage.ts";
import { nextMove } from "./offline-move.ts";
import type { Move } from "./offline-research.ts";

const NAME = "offline/extractive";
const NOTICE = `${NAME}: no language model, quotes only; set ANTHROPIC_API_KEY for a real one`;
const CHARS_PER_TOKEN = 4;
const CONTEXT_TOKENS = 1_000_000;
const DELTA_CHARS = 40;

/**
 * The model that is there when no key is: it searches, reads, quotes and cites by rules, invents nothing, and says so when
 * the documents hold no answer. Deterministic and without memory: equal requests get equal answers.
 */
export function offlineEndpoint(): ModelEndpoint {
  return {
    name: NAME,
    provider: "offline",
    model: "extractive",
    price: { inputUsd: 0, outputUsd: 0, source: "no provider", date: "2026-11-22" },
    contextTokens: CONTEXT_TOKENS,
    notice: NOTICE,
    generate,
    countTokens,
  };
}

function countTokens(request: ModelRequest): number {
  const content = request.messages.map((message) => message.content);
  return tokensIn(request.system) + tokensIn(JSON.stringify(content)) + tokensIn(JSON.stringify(request.tools));
}

function tokensIn(text: string): number {
  return Math.ceil(text.length / CHARS_PER_TOKEN);
}

async function* generate(request: ModelRequest, options: GenerateOptions): AsyncGenerator<ModelPart> {
  options.signal.throwIfAborted();
  const { move, isCut } = fit(nextMove(withoutFences(request)), request.params.maxOutputTokens);
  if (options.stream) {
    for (const part of deltasOf(move)) {
      options.signal.throwIfAborted();
      yield part;
    }
  }
  const content = contentOf(move);
  const usage = { ...noUsage, inputTokens: countTokens(request), outputTokens: tokensIn(JSON.stringify(content)) };
  const finish = isCut ? "length" : move.calls.length > 0 ? "tool-calls" : "stop";
  yield { type: "finish", content, finish, usage, model: "extractive" };
}

/** An answer over the limit is cut; calls that do not fit are not made. */
function fit(move: Move, tokensMax: number): { readonly move: Move; readonly isCut: boolean } {
  const overhead = tokensIn(JSON.stringify(contentOf({ ...move, text: "" })));
  const isCut = overhead + tokensIn(move.text) > tokensMax;
  if (!isCut) return { move, isCut };
  return { move: { text: move.text.slice(0, Math.max(1, (tokensMax - 10) * CHARS_PER_TOKEN)), calls: [] }, isCut };
}

function contentOf({ text, calls }: Move): readonly AssistantPart[] {
  const said: readonly AssistantPart[] = text === "" ? [] : [{ type: "text", text }];
  // the engine gives the calls their ids
  return [
    ...said,
    ...calls.map(({ tool, input }, i) => ({ type: "tool-call" as const, callId: String(i), tool, input })),
  ];
}

function* deltasOf({ text, calls }: Move): Generator<ModelPart> {
  for (let i = 0; i < text.length; i += DELTA_CHARS) yield { type: "text.delta", text: text.slice(i, i + DELTA_CHARS) };
  for (const [index, { tool, input }] of calls.entries()) {
    yield { type: "tool-input.delta", index, tool, text: JSON.stringify(input satisfies JsonObject) };
  }
}
