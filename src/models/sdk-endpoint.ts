import type { LanguageModelV4, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import type { Clock } from "../core/clock.ts";
import type { GenerateOptions, ModelEndpoint, ModelPart, ModelRequest } from "../core/model-contract.ts";
import type { Price } from "../core/usage.ts";
import { abortReason } from "./deadlines.ts";
import { directChat } from "./direct-chat.ts";
import { guardedFetch, type Expected, type Fetch } from "./guarded-fetch.ts";
import type { DirectChat } from "./provider-driver.ts";
import { modelErrorOf, type ErrorScene } from "./provider-error.ts";
import { countTokensOf } from "./token-count.ts";
import { partsOfResult, WireAnswer } from "./wire-answer.ts";
import { callOptionsOf, type CallOptions, type WireTraits } from "./wire-prompt.ts";

/** One model of one provider, reached through its package. */
export interface SdkModel {
  /** Unique; usually `provider/model`. */
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly baseUrl: string;
  /** Name of the variable or option that holds the key, for messages. */
  readonly keyName: string;
  /** What no message may contain; a key is added once it was read. */
  readonly secrets: readonly string[];
  readonly price: Price | null;
  readonly contextTokens: number | null;
  readonly traits: WireTraits;
  /** Tokens of this provider per token that the tokenizer counts. */
  readonly tokenFactor: number;
  readonly fetch: Fetch;
  readonly clock: Clock;
  /** Rises when the key must be read again. */
  keyAge(): number;
  /** Loads the package with the key of the moment; called once for each kind of answer, and again after a refused key. */
  load(fetch: Fetch): Promise<LanguageModelV4>;
  /** Where it takes chat completions as they stand, with the key of the moment; null where it takes none. */
  chat(): Promise<DirectChat | null>;
  /** Options of this provider for this request, over the general ones. */
  adapt(options: CallOptions, request: ModelRequest): CallOptions;
}

/** An endpoint over a model of a provider package. One `generate` is one attempt: the packages' calls never retry. */
export function sdkEndpoint(sdk: SdkModel): ModelEndpoint {
  const { name } = sdk;
  const loaded = new Map<Expected, Promise<LanguageModelV4>>();
  let chat: Promise<DirectChat | null> | null = null;
  let keyAge = sdk.keyAge();
  const forget = (): void => {
    loaded.clear();
    chat = null;
  };
  const checkKey = (): void => {
    if (keyAge !== sdk.keyAge()) forget();
    keyAge = sdk.keyAge();
  };
  const modelFor = (expected: Expected): Promise<LanguageModelV4> => {
    checkKey();
    const known = loaded.get(expected);
    if (known !== undefined) return known;
    const loading = sdk.load(guardedFetch(name, expected, sdk.fetch));
    loaded.set(expected, loading);
    loading.catch(() => loaded.delete(expected));
    return loading;
  };
  const chatFor = (): Promise<DirectChat | null> => {
    checkKey();
    if (chat !== null) return chat;
    const connecting = sdk.chat();
    chat = connecting;
    connecting.catch(() => (chat = null));
    return connecting;
  };
  return {
    name,
    provider: sdk.provider,
    model: sdk.model,
    price: sdk.price,
    contextTokens: sdk.contextTokens,
    countTokens: (request) => Math.ceil(countTokensOf(request) * sdk.tokenFactor),
    generate: (request, options) => attempt({ sdk, name, modelFor, chatFor, forget }, request, options),
  };
}

interface Attempt {
  readonly sdk: SdkModel;
  readonly name: string;
  readonly modelFor: (expected: Expected) => Promise<LanguageModelV4>;
  readonly chatFor: () => Promise<DirectChat | null>;
  /** The key may have been changed since it was read. */
  readonly forget: () => void;
}

async function* attempt(
  { sdk, name, modelFor, chatFor, forget }: Attempt,
  request: ModelRequest,
  options: GenerateOptions,
): AsyncGenerator<ModelPart> {
  const answer = new WireAnswer(name, sdk.traits, sdk.model);
  try {
    const at = options.chat === undefined ? null : await chatFor();
    if (at !== null && options.chat !== undefined) {
      for await (const part of directChat({ endpoint: name, at, fetch: sdk.fetch }, options.chat, request, options)) {
        const delta = partOf(part, answer);
        if (delta !== null && options.stream) yield delta;
      }
    } else {
      const call = sdk.adapt(await callOptionsOf(request, sdk.traits, options), request);
      const model = await modelFor(options.stream ? "event-stream" : "json");
      if (options.stream) yield* streamed(model, call, answer);
      else for (const part of partsOfResult(await model.doGenerate(call))) answer.take(part);
    }
    yield answer.finish();
  } catch (error) {
    if (options.signal.aborted) throw abortReason(options.signal, name);
    const failure = modelErrorOf(error, sceneOf(sdk, name));
    if (failure.code === "MODEL_UNAUTHORIZED") forget();
    throw failure;
  }
}

async function* streamed(model: LanguageModelV4, call: CallOptions, answer: WireAnswer): AsyncGenerator<ModelPart> {
  const { stream } = await model.doStream(call);
  const reader = stream.getReader();
  try {
    for (;;) {
      // One read after the other is what a stream is.
      const { done, value } = await reader.read();
      if (done) return;
      const delta = partOf(value, answer);
      if (delta !== null) yield delta;
    }
  } finally {
    // Also on an early return: the connection is given back.
    reader.cancel().catch(() => undefined);
  }
}

/** An error that came as a part of the stream is thrown, as it stands: the caller says what it means. */
function partOf(part: LanguageModelV4StreamPart, answer: WireAnswer): ModelPart | null {
  if (part.type !== "error") return answer.take(part);
  throw part.error;
}

function sceneOf(sdk: SdkModel, name: string): ErrorScene {
  return {
    endpoint: name,
    keyName: sdk.keyName,
    baseUrl: shownUrl(sdk.baseUrl),
    secrets: sdk.secrets,
    nowMs: sdk.clock.nowMs(),
  };
}

/** A base URL without what may be secret in it. */
export function shownUrl(url: string): string {
  if (!URL.canParse(url)) return "an invalid URL";
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
