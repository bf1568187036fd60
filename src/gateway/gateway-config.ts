import type { Redactor } from "../core/redact.ts";
import type { GatewayLimits } from "./gateway-limits.ts";
import type { JwtOptions } from "./jwt.ts";

/** Where `pawl up` sends closed spans. */
export interface OtlpConfig {
  /** Base of an OTLP/HTTP receiver, such as http://127.0.0.1:4318, or its address that ends with /v1/traces. */
  readonly url: string;
  /** Sent with each request; secrets come from the environment. */
  readonly headers?: { readonly [name: string]: string };
  /** Export what was said, too: prompts, answers, arguments, results. Default false. */
  readonly content?: boolean;
  /** Of every string that leaves: `redactor([...secretRules, ...personalRules])` of pawl/traces. Default: secretRules. */
  readonly redact?: Redactor;
}

/** What `pawl.config.ts` may export as `gateway`, for `pawl up`: the options of the gateway that an operator sets. */
export interface GatewayConfig {
  /** The day's tokens and cost hold in every command that executes runs of the configuration. */
  readonly limits?: GatewayLimits;
  readonly jwt?: JwtOptions;
  readonly publicUrl?: string;
  readonly hosts?: readonly string[];
  readonly proxies?: readonly string[];
  readonly otlp?: OtlpConfig;
}
