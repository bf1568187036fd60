import type { ErrorRecord } from "./errors.ts";
import type { FinishReason } from "./model-event.ts";
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
      /** The endpoint that answered, where it is not the one that was asked: the other one of a hedged call. */
      readonly by?: ModelEndpoint;
      /** What else was asked for this answer and is billed with it. */
      readonly beside?: readonly BesideBill[];
    };

/** An endpoint that was asked beside another for one answer, and lost. */
export interface BesideBill {
  readonly endpoint: ModelEndpoint;
  readonly error: ErrorRecord;
}

export interface GenerateOptions {
  readonly signal: AbortSignal;
  /** Same for every attempt of one call: for providers that deduplicate, and for logs. */
  readonly requestId: string;
  /** The caller wants deltas; without it an endpoint may answer in one piece, which is cheaper. */
  readonly stream: boolean;
  /** Whose call it is: a pool shares its queues fairly between tenants. */
  readonly tenant?: string;
  /** The reservation holds the endpoint's `beside` too, so it may be asked. Absent = no. */
  readonly mayHedge?: boolean;
  /** Bytes of a file part's blob, null where it is gone. Without it a request that holds a file is refused. */
  readonly readBlob?: (hash: string) => Promise<Uint8Array | null>;
  /** The same request as an OpenAI chat completion: an endpoint that speaks that API is sent it as it stands. */
  readonly chat?: JsonObject;
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
  /** The other endpoint of a hedged call: a call that may be billed by both reserves for both. */
  readonly beside?: ModelEndpoint;
  /** An equal request of the same tenant is answered by what this model answered, at temperature 0. */
  readonly cache?: ResponseCache;
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

export interface ResponseCache {
  readonly ttlMs: number;
  /** Also where the temperature is not 0: an answer is then one of many that it could be. */
  readonly anyTemperature?: boolean;
}

/** What a source may know of a call beside its route. */
export interface CallHint {
  readonly tenant?: string;
  /** Equal for calls whose prompts begin alike: they go to one endpoint, whose provider has the prefix cached. */
  readonly affinity?: string;
}

/** What an endpoint of a source can take now, as this process sees it. */
export interface EndpointStatus {
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly baseUrl: string;
  readonly weight: number;
  /** `starting` after a recovery takes little; `half-open` one probe at a time; `open` nothing. */
  readonly health: "closed" | "starting" | "half-open" | "open";
  /** Why it cannot be used at all, e.g. a key that is not set; null where it can. */
  readonly problem: string | null;
  readonly inFlight: number;
  readonly queued: number;
  /** Until the first part, averaged; null before the first answer. */
  readonly latencyMs: number | null;
  /** Of the last 128 answers, until the first part; null before the first. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  /** Share of the last attempts that failed. */
  readonly failureShare: number;
  /** Attempts since the process began: those that were answered, and those that failed by code. */
  readonly answered: number;
  readonly errors: { readonly [code: string]: number };
  /** In force: as configured, or stricter where the provider said so. null = none is known. */
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  /** The provider told one of the limits that are in force. */
  readonly isLimitLearnt: boolean;
  readonly price: Price | null;
}

export interface RouteStatus {
  readonly name: string;
  readonly endpoints: readonly string[];
  readonly fallbacks: readonly string[];
  readonly isHedged: boolean;
}

export interface SourceStatus {
  readonly endpoints: readonly EndpointStatus[];
  readonly routes: readonly RouteStatus[];
}

/** Where models come from: turns a route into endpoints, attempt by attempt. */
export interface ModelSource {
  /**
   * The endpoint for the next attempt of a call on `route`, given the attempts that failed.
   * @param random in [0, 1): jitter and balancing come from the caller, so that a test can fix them
   */
  next(route: string, failed: readonly FailedAttempt[], random: number, hint?: CallHint): NextAttempt;
  /** @throws MODEL_UNKNOWN, MODEL_KEY_MISSING: asked at definition and at start, before anything is spent */
  check(route: string): void;
  /** What a call on this route would cost, null = unpriced or no such route. Without it savings are not known. */
  priceOf?(route: string): Price | null;
  /** What there is and how it is; only a source with endpoints of its own, such as a pool, can say. */
  status?(): SourceStatus;
}

const bills = new WeakMap<object, readonly BesideBill[]>();

/** Tells with an error what else was asked for the answer that did not come. */
export function withBills<E extends Error>(error: E, beside: readonly BesideBill[]): E {
  if (beside.length > 0) bills.set(error, beside);
  return error;
}

export function billsOf(error: unknown): readonly BesideBill[] {
  return typeof error === "object" && error !== null ? (bills.get(error) ?? []) : [];
}
