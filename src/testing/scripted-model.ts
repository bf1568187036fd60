import { sleep, type Clock } from "../core/clock.ts";
import type { ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import type { FinishReason } from "../core/model-event.ts";
import type { JsonValue } from "../core/json.ts";
import type { AssistantPart } from "../core/message.ts";
import type { GenerateOptions, ModelEndpoint, ModelPart, ModelRequest, ModelSource } from "../core/model-contract.ts";
import type { Price, Usage } from "../core/usage.ts";
import { noProviderPrice } from "../models/price-table.ts";
import { decideRetry, defaultRetry, type RetryBounds } from "../models/retry.ts";

/** One answer of a scripted model, or the error it fails with instead. */
export interface ScriptedTurn {
  readonly text?: string;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ScriptedCall[];
  /** Default: tool-calls where there are any, else stop. */
  readonly finish?: FinishReason;
  /** null = the provider tells none. Default: a quarter of the characters of prompt and answer. */
  readonly usage?: Usage | null;
  /** Waited before the answer, on the option `clock`. */
  readonly delayMs?: number;
  readonly error?: { readonly code: ErrorCode; readonly message?: string; readonly retryAfterMs?: number };
}
export type ScriptedCall =
  | { readonly tool: string; readonly input: JsonValue }
  /** Arguments that do not parse, as the model wrote them. */
  | { readonly tool: string; readonly malformed: string };

/** A request as the model saw it. */
export interface SeenRequest {
  readonly route: string;
  readonly request: ModelRequest;
  readonly stream: boolean;
  readonly requestId: string;
}

/** What a script is told beside the request. */
export interface ScriptContext {
  readonly route: string;
  /** Answers this conversation already holds: 0 for its first. */
  readonly turn: number;
  /** Attempts of this call before this one (same `requestId`). A restarted process starts at 0 again. */
  readonly repeat: number;
}

/**
 * A list answers by the answers a conversation already holds, not by a counter, so a resumed run gets what the killed
 * one would have got. Turns with `error` are the first attempts of the answer that follows them. A function is given the
 * request, and gives equal requests equal answers.
 */
export type Script =
  | readonly ScriptedTurn[]
  | ((request: ModelRequest, context: ScriptContext) => ScriptedTurn | Promise<ScriptedTurn>);

export interface ScriptedModelOptions {
  /** For `delayMs`. */
  readonly clock?: Clock;
  /** Default: no waits between attempts, otherwise as a real source. */
  readonly retry?: Partial<RetryBounds>;
  /** Default: nothing, from "no provider". null = unpriced. */
  readonly price?: Price | null;
  readonly contextTokens?: number;
  /** Characters of a delta. */
  readonly deltaChars?: number;
}

export interface ScriptedModel extends ModelSource {
  /** Every request, in the order of arrival. */
  readonly requests: readonly SeenRequest[];
}

/**
 * A model that says what a test wrote down: streamed, with usage, deterministic.
 * @param script one for every route, or one for each route by its name
 * @throws MODEL_UNKNOWN for a route without a script; MODEL_REQUEST_INVALID where a list has no turn left
 */
export function scriptedModel(
  script: Script | { readonly [route: string]: Script },
  options: ScriptedModelOptions = {},
): ScriptedModel {
  const requests: SeenRequest[] = [];
  const repeats = new Map<string, number>();
  const scriptFor = (route: string): Script => {
    if (typeof script === "function" || isList(script)) return script;
    const found = Object.hasOwn(script, route) ? script[route] : undefined;
    if (found !== undefined) return found;
    const routes = Object.keys(script).join(", ");
    throw new PawlError("MODEL_UNKNOWN", `the scripted model has no script for "${route}". It has: ${routes}.`);
  };
  const retry = { ...defaultRetry, baseMs: 0, ...options.retry };
  return {
    requests,
    check: (route) => void scriptFor(route),
    priceOf: () => (options.price === undefined ? noProviderPrice : options.price),
    next(route, failed, random) {
      const decision = decideRetry(failed, random, retry);
      if (decision.type === "give-up") return decision;
      const endpoint = scriptedEndpoint({ route, script: scriptFor(route), options, requests, repeats });
      return { type: "try", endpoint, waitMs: decision.waitMs };
    },
  };
}

function isList(script: Script | { readonly [route: string]: Script }): script is readonly ScriptedTurn[] {
  return Array.isArray(script);
}

interface Stage {
  readonly route: string;
  readonly script: Script;
  readonly options: ScriptedModelOptions;
  readonly requests: SeenRequest[];
  readonly repeats: Map<string, number>;
}

function scriptedEndpoint(stage: Stage): ModelEndpoint {
  const { route, options } = stage;
  const slash = route.indexOf("/");
  return {
    name: route,
    provider: slash < 0 ? "scripted" : route.slice(0, slash),
    model: slash < 0 ? route : route.slice(slash + 1),
    price: options.price === undefined ? noProviderPrice : options.price,
    contextTokens: options.contextTokens ?? null,
    countTokens: tokensOfRequest,
    generate: (request, given) => play(stage, request, given),
  };
}

async function* play(stage: Stage, request: ModelRequest, given: GenerateOptions): AsyncGenerator<ModelPart> {
  const { route, options } = stage;
  stage.requests.push({ route, request, stream: given.stream, requestId: given.requestId });
  const repeat = stage.repeats.get(given.requestId) ?? 0;
  stage.repeats.set(given.requestId, repeat + 1);
  const context = { route, turn: request.messages.filter((message) => message.role === "assistant").length, repeat };
  const turn =
    typeof stage.script === "function" ? await stage.script(request, context) : turnOf(stage.script, context);
  if (turn.delayMs !== undefined) await delay(options.clock, turn.delayMs, given.signal);
  given.signal.throwIfAborted();
  if (turn.error !== undefined) throw errorOf(turn.error, route);
  const content = contentOf(turn);
  if (given.stream) yield* deltasOf(content, options.deltaChars ?? 16);
  yield {
    type: "finish",
    content,
    finish: turn.finish ?? (content.some((part) => part.type === "tool-call") ? "tool-calls" : "stop"),
    usage: turn.usage === undefined ? usageOf(request, content) : turn.usage,
    model: route,
  };
}

/** The errors and the answer of one turn of the conversation, then the one for this attempt; the answer stays the last. */
function turnOf(list: readonly ScriptedTurn[], { route, turn, repeat }: ScriptContext): ScriptedTurn {
  const groups: ScriptedTurn[][] = [[]];
  for (const one of list) {
    groups.at(-1)?.push(one);
    if (one.error === undefined) groups.push([]);
  }
  const group = groups[turn] ?? [];
  const found = group[Math.min(repeat, group.length - 1)];
  if (found !== undefined) return found;
  const answers = list.filter((one) => one.error === undefined).length;
  throw new PawlError(
    "MODEL_REQUEST_INVALID",
    `the script of "${route}" has ${answers} answers, and the conversation asks for number ${turn + 1}. Add a turn.`,
  );
}

function delay(clock: Clock | undefined, delayMs: number, signal: AbortSignal): Promise<void> {
  if (clock !== undefined) return sleep(clock, delayMs, signal);
  throw new PawlError("OPTION_INVALID", "a scripted turn with delayMs needs the option clock.");
}

function errorOf(error: NonNullable<ScriptedTurn["error"]>, route: string): PawlError {
  const { code, message = `"${route}" failed as its script says.`, retryAfterMs } = error;
  return new PawlError(code, message, retryAfterMs === undefined ? {} : { details: { retryAfterMs } });
}

function contentOf(turn: ScriptedTurn): readonly AssistantPart[] {
  const content: AssistantPart[] = [];
  if (turn.reasoning !== undefined) content.push({ type: "reasoning", text: turn.reasoning });
  if (turn.text !== undefined && turn.text !== "") content.push({ type: "text", text: turn.text });
  for (const [index, call] of (turn.toolCalls ?? []).entries()) {
    const base = { type: "tool-call", callId: String(index), tool: call.tool } as const;
    content.push(
      "malformed" in call ? { ...base, input: call.malformed, malformed: true } : { ...base, input: call.input },
    );
  }
  return content;
}

function* deltasOf(content: readonly AssistantPart[], chars: number): Generator<ModelPart> {
  let index = 0;
  for (const part of content) {
    if (part.type === "tool-call") {
      const text = typeof part.input === "string" ? part.input : JSON.stringify(part.input);
      yield { type: "tool-input.delta", index: index++, tool: part.tool, text };
    } else if (part.type !== "file") {
      const type = part.type === "text" ? "text.delta" : "reasoning.delta";
      for (let i = 0; i < part.text.length; i += chars) yield { type, text: part.text.slice(i, i + chars) };
    }
  }
}

/** Four characters a token, so that a test can work it out. Parts are measured once: a conversation only grows. */
function tokensIn(value: object): number {
  const known = tokensByPart.get(value);
  if (known !== undefined) return known;
  const tokens = Math.ceil(JSON.stringify(value).length / 4);
  tokensByPart.set(value, tokens);
  return tokens;
}

const tokensByPart = new WeakMap<object, number>();

function tokensOfRequest(request: ModelRequest): number {
  let tokens = Math.ceil(request.system.length / 4);
  for (const tool of request.tools) tokens += tokensIn(tool);
  for (const message of request.messages) for (const part of message.content) tokens += tokensIn(part);
  return tokens;
}

function usageOf(request: ModelRequest, content: readonly AssistantPart[]): Usage {
  const outputTokens = content.reduce((sum, part) => sum + tokensIn(part), 0);
  return {
    inputTokens: tokensOfRequest(request),
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: Math.min(outputTokens, request.params.maxOutputTokens),
    reasoningTokens: 0,
  };
}
