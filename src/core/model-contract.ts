import type { ErrorRecord } from "./errors.ts";
import type { FinishReason } from "./journal-event.ts";
import type { JsonObject } from "./json.ts";
import type { AssistantPart, Message } from "./message.ts";
import type { Price, Usage } from "./usage.ts";

/** A tool as a model is told of it. */
export interface ToolSpec {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
}

export interface ModelParams {
  /** Largest output in tokens: what the reservation is made for. */
  readonly maxOutputTokens: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly reasoning?: "low" | "medium" | "high";
  readonly toolChoice?: "auto" | "none" | "required" | { readonly tool: string };
  /** JSON Schema of the answer, for providers that constrain it. */
  readonly outputSchema?: JsonObject;
}

/** A whole request, provider-neutral. `messages` is a valid transcript. */
export interface ModelRequest {
  readonly system: string;
  readonly messages: readonly Message[];
  readonly tools: readonly ToolSpec[];
  readonly params: ModelParams;
}

/**
 * Parts of one attempt's stream. Deltas are for people's eyes and may be lost; `finish` is last, carries the whole
 * message, and is what the journal records. A stream that ends without `finish` is a broken stream.
 */
export type ModelPart =
  | { readonly type: "text.delta"; readonly text: string }
  | { readonly type: "reasoning.delta"; readonly text: string }
  | { readonly type: "tool-input.delta"; readonly index: number; readonly tool: string; readonly text: string }
  | {
      readonly type: "finish";
      readonly content: readonly AssistantPart[];
      readonly finish: FinishReason;
      /** null when the provider told none: the worst case is then charged. */
      readonly usage: Usage | null;
      /** The model that answered, as the provider names it. */
      readonly model: string;
    };

export interface GenerateOptions {
  readonly signal: AbortSignal;
  /** Same for every attempt of one call: for providers that deduplicate, and for logs. */
  readonly requestId: string;
  /** The caller wants deltas; without it an endpoint may answer in one piece, which is cheaper. */
  readonly stream: boolean;
  /** Bytes of a file part's blob, null where it is gone. Without it a request that holds a file is refused. */
  readonly readBlob?: (hash: string) => Promise<Uint8Array | null>;
}

/** One model address. One call of `generate` is one attempt: it never retries. */
export interface ModelEndpoint {
  /** `provider/model`, unique. */
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  /** null = unpriced */
  readonly price: Price | null;
  /** Tokens of prompt and output together; null = not known. */
  readonly contextTokens: number | null;
  /** Said to the user before the first answer, e.g. that no language model is behind it. */
  readonly notice?: string;
  /** @throws PawlError with a MODEL_ code: its `retry` says whether another attempt may help; `details.retryAfterMs` */
  generate(request: ModelRequest, options: GenerateOptions): AsyncIterable<ModelPart>;
  /** Estimated tokens of a request's prompt; the reservation adds a margin. */
  countTokens(request: ModelRequest): number;
}

export interface FailedAttempt {
  readonly attempt: number;
  readonly endpoint: string;
  readonly error: ErrorRecord;
  /** Since the first attempt of this call. */
  readonly elapsedMs: number;
}

export type NextAttempt =
  | { readonly type: "try"; readonly endpoint: ModelEndpoint; readonly waitMs: number }
  | { readonly type: "give-up"; readonly error: ErrorRecord };

/** Where models come from: turns a route into endpoints, attempt by attempt. */
export interface ModelSource {
  /**
   * The endpoint for the next attempt of a call on `route`, given the attempts that failed.
   * @param random in [0, 1): jitter and balancing come from the caller, so that a test can fix them
   */
  next(route: string, failed: readonly FailedAttempt[], random: number): NextAttempt;
  /** @throws MODEL_UNKNOWN, MODEL_KEY_MISSING: asked at definition and at start, before anything is spent */
  check(route: string): void;
}
