import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { JsonObject } from "../core/json.ts";
import type { ModelRequest } from "../core/model-contract.ts";
import type { Fetch } from "./guarded-fetch.ts";
import type { CallOptions, WireTraits } from "./wire-prompt.ts";

/** What a user may set for a provider. */
export interface ProviderSettings {
  /** Where the API is; a bare host gets the provider's usual path. */
  readonly baseUrl?: string;
  /** The key itself; by default it is read from the environment when it is first needed. */
  readonly apiKey?: string;
  readonly headers?: { readonly [name: string]: string };
  /** Options of the provider's package, sent with every request. */
  readonly options?: JsonObject;
  /** `openai` only: which of its two interfaces. Default `responses`. */
  readonly api?: "responses" | "chat";
  /** Tokens of prompt and output together that its models take, where the built-in table does not know them. */
  readonly contextTokens?: number;
  /** Replaces the global fetch, e.g. to go through a proxy. */
  readonly fetch?: Fetch;
}

/** Where and as whom a model is reached. */
export interface Connection {
  readonly baseUrl: string;
  /** null = none is set, and none is needed. */
  readonly apiKey: string | null;
  readonly settings: ProviderSettings;
}

/** Where an endpoint takes chat completions as a caller wrote them. */
export interface DirectChat {
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
  readonly model: string;
  /** What it calls the largest output. */
  readonly limit: "max_tokens" | "max_completion_tokens";
}

/** One provider: names of its variables, and the two places where it differs from the others. */
export interface ProviderDriver {
  /** Variables that may hold the key, the first that is set counts. */
  readonly keyVariables: readonly string[];
  readonly needsKey: boolean;
  readonly baseUrlVariable: string;
  /** null = the user must say where it is. */
  readonly baseUrl: string | null;
  /** Path that a bare host gets. */
  readonly basePath: string;
  readonly traits: Omit<WireTraits, "provider">;
  /** Tokens of this provider per token of OpenAI's tokenizer, on the safe side. */
  readonly tokenFactor: number;
  /** Where it takes chat completions as they stand; null where its options ask for the package. */
  chat?(connection: Connection, model: string): DirectChat | null;
  load(connection: Connection, model: string, fetch: Fetch): Promise<LanguageModelV4>;
  adapt(
    options: CallOptions,
    request: ModelRequest,
    place: { readonly model: string; readonly settings: ProviderSettings },
  ): CallOptions;
}
