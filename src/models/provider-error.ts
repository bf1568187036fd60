import { retryAfterMs } from "../core/backoff.ts";
import type { ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import { isJsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";

/** What an error message may say about the endpoint; `secrets` are what it must never say. */
export interface ErrorScene {
  /** `provider/model` */
  readonly endpoint: string;
  /** Environment variable or option that holds the key. */
  readonly keyName: string;
  readonly baseUrl: string;
  readonly secrets: readonly string[];
  readonly nowMs: number;
}

/** What can be read off anything that a provider package throws or streams as an error. */
interface Seen {
  readonly name: string;
  readonly status: number | null;
  readonly message: string;
  /** Codes and types of the provider and of the network, joined: what the rules look at. */
  readonly codes: string;
  readonly headers: { readonly [name: string]: string | undefined };
  readonly data: unknown;
}

const SAID_CHARS_MAX = 200;
const CHAIN_MAX = 6;

/** Turns whatever a provider package threw, or sent as an error in a stream, into one PawlError with a MODEL_ code. */
export function modelErrorOf(thrown: unknown, scene: ErrorScene): PawlError {
  const chain = chainOf(thrown);
  const own = chain.find((error) => PawlError.is(error));
  if (own !== undefined) return own;
  const seen = see(chain);
  const code = codeOf(seen);
  const wait = code === "MODEL_RATE_LIMITED" || code === "MODEL_UNAVAILABLE" ? waitOf(seen, scene.nowMs) : undefined;
  return new PawlError(code, messageOf(code, seen, scene), {
    details: {
      endpoint: scene.endpoint,
      ...(seen.status === null ? {} : { status: seen.status }),
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
    },
  });
}

/** An error, then its causes: outermost first, never more than a few. */
function chainOf(thrown: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  let current = thrown;
  while (current !== undefined && current !== null && chain.length < CHAIN_MAX && !chain.includes(current)) {
    chain.push(current);
    current = typeof current === "object" && "cause" in current ? current.cause : undefined;
  }
  return chain;
}

function see(chain: readonly unknown[]): Seen {
  const codes: string[] = [];
  let status: number | null = null;
  let name = "";
  let message = "";
  let headers: Seen["headers"] = {};
  let data: unknown;
  for (const error of chain) {
    if (typeof error === "string") message ||= error;
    if (typeof error !== "object" || error === null) continue;
    const fields = error as { readonly [name: string]: unknown };
    status ??= numberOf(fields["statusCode"]) ?? numberOf(fields["status"]);
    name ||= textOf(fields["name"]);
    message ||= textOf(fields["message"]);
    data ??= fields["data"];
    if (isJsonObject(fields["responseHeaders"])) headers = fields["responseHeaders"] as Seen["headers"];
    codes.push(textOf(fields["name"]), textOf(fields["code"]), textOf(fields["type"]), ...codesIn(fields["data"]));
    status ??= httpStatus(fields["code"]);
  }
  return { name, status, message, codes: codes.filter((code) => code !== "").join(" "), headers, data };
}

function codesIn(data: unknown): readonly string[] {
  if (!isJsonObject(data)) return [];
  const error = isJsonObject(data["error"]) ? data["error"] : data;
  return [textOf(error["code"]), textOf(error["type"]), textOf(error["status"])];
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isInteger(value) ? value : null;
}

function httpStatus(code: unknown): number | null {
  const value = Number(code);
  return Number.isInteger(value) && value >= 400 && value <= 599 ? value : null;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

/** How providers say that a prompt is too long; each phrase is one provider's or one open server's. */
const OVERFLOW = new RegExp(
  [
    "context_length_exceeded",
    "maximum context length",
    "context (window|length|size)",
    "prompt is too long",
    "input is too long",
    "input length .*exceed",
    "input token count .*exceed",
    "exceeds? the (maximum|available|model).*(tokens|context|length)",
    "too many (input )?tokens",
    "n_ctx",
    "max_model_len",
    "exceed_context_size",
    "request_too_large",
    "reduce the length",
  ].join("|"),
  "i",
);
const REFUSED =
  /content[_ ]?filter|content[_ ]policy|content management policy|responsible ?ai|prohibited_content|blocked by|safety (system|filter|settings)|flagged/i;
const QUOTA =
  /insufficient_quota|exceeded your current quota|credit balance|billing|payment required|insufficient (funds|credits?|balance)/i;
const BAD_KEY = /api[ _-]?key not valid|api_key_invalid|invalid[ _]api[ _]key|incorrect api key|invalid x-api-key/i;
const NO_MODEL =
  /model_not_found|model .{0,80}(not found|does not exist|not exist|is not supported|unknown)|no such model|unknown model|invalid model/i;
const TIMED_OUT = /UND_ERR_(HEADERS|BODY|CONNECT)_TIMEOUT|ETIMEDOUT|TimeoutError|deadline_exceeded|gateway_timeout/i;
const NOT_OURS = /AI_UnsupportedFunctionalityError|AI_InvalidArgumentError|AI_InvalidPromptError|AI_NoSuchModelError/;
const NOT_PROTOCOL =
  /AI_(InvalidResponseDataError|TypeValidationError|JSONParseError|EmptyResponseBodyError|NoContentGeneratedError)/;
const NETWORK =
  /ECONN|ENOTFOUND|EAI_AGAIN|EPIPE|ENETUNREACH|EHOSTUNREACH|UND_ERR|CERT|SSL|SOCKET|terminated|fetch failed/i;

function codeOf(seen: Seen): ErrorCode {
  const said = `${seen.codes} ${seen.message}`;
  if (seen.status !== null && seen.status >= 400) return codeOfStatus(seen.status, said);
  if (TIMED_OUT.test(said)) return "MODEL_TIMED_OUT";
  if (seen.status !== null) return NETWORK.test(said) ? "MODEL_BROKEN_STREAM" : "MODEL_BAD_RESPONSE";
  if (/AI_LoadAPIKeyError/.test(said)) return "MODEL_KEY_MISSING";
  if (NOT_OURS.test(said)) return "MODEL_REQUEST_INVALID";
  if (/ended without a finish reason/.test(seen.message)) return "MODEL_BROKEN_STREAM";
  if (NOT_PROTOCOL.test(said)) return "MODEL_BAD_RESPONSE";
  if (/overloaded|server_error|api_error|unavailable|internal/i.test(seen.codes)) return "MODEL_UNAVAILABLE";
  if (/rate_limit/i.test(seen.codes)) return QUOTA.test(said) ? "MODEL_QUOTA_EXHAUSTED" : "MODEL_RATE_LIMITED";
  if (OVERFLOW.test(said)) return "MODEL_CONTEXT_OVERFLOW";
  if (REFUSED.test(said)) return "MODEL_REFUSED";
  if (/AI_APICallError/.test(seen.name) || NETWORK.test(said)) return "MODEL_UNAVAILABLE";
  return "MODEL_BAD_RESPONSE";
}

function codeOfStatus(status: number, said: string): ErrorCode {
  if (status === 401 || status === 403) return REFUSED.test(said) ? "MODEL_REFUSED" : "MODEL_UNAUTHORIZED";
  if (status === 402) return "MODEL_QUOTA_EXHAUSTED";
  if (status === 404) return "MODEL_NOT_FOUND";
  if (status === 408 || status === 504) return "MODEL_TIMED_OUT";
  if (status === 413) return "MODEL_CONTEXT_OVERFLOW";
  if (status === 429) return QUOTA.test(said) ? "MODEL_QUOTA_EXHAUSTED" : "MODEL_RATE_LIMITED";
  if (status === 409 || status === 425 || status === 499 || status >= 500) return "MODEL_UNAVAILABLE";
  if (BAD_KEY.test(said)) return "MODEL_UNAUTHORIZED";
  if (QUOTA.test(said)) return "MODEL_QUOTA_EXHAUSTED";
  if (OVERFLOW.test(said)) return "MODEL_CONTEXT_OVERFLOW";
  if (REFUSED.test(said)) return "MODEL_REFUSED";
  if (NO_MODEL.test(said)) return "MODEL_NOT_FOUND";
  return "MODEL_REQUEST_INVALID";
}

/** null = the provider named no time; what it named is capped, so that ten years are a minute. */
function waitOf(seen: Seen, nowMs: number): number | null {
  const headers = Object.fromEntries(Object.entries(seen.headers).map(([name, value]) => [name.toLowerCase(), value]));
  return retryAfterMs(headers, nowMs, limits.modelRetryAfterMs) ?? googleDelayMs(seen.data);
}

/** Google names the time in the body: `details: [{ "@type": "…RetryInfo", "retryDelay": "17s" }]`. */
function googleDelayMs(data: unknown): number | null {
  const error = isJsonObject(data) && isJsonObject(data["error"]) ? data["error"] : data;
  const details: unknown = isJsonObject(error) ? error["details"] : undefined;
  if (!Array.isArray(details)) return null;
  for (const detail of details as readonly unknown[]) {
    const seconds = isJsonObject(detail) ? /^(\d+(?:\.\d+)?)s$/.exec(textOf(detail["retryDelay"]))?.[1] : undefined;
    if (seconds !== undefined) return Math.min(limits.modelRetryAfterMs, Math.round(Number(seconds) * 1000));
  }
  return null;
}

function messageOf(code: ErrorCode, seen: Seen, scene: ErrorScene): string {
  const status = seen.status === null ? "" : ` (HTTP ${seen.status})`;
  const said = redacted(seen.message, scene.secrets);
  const quote = said === "" ? "" : `: ${said}`;
  const name = `"${scene.endpoint}"`;
  switch (code) {
    case "MODEL_UNAUTHORIZED":
      // A provider's text on a wrong key may show parts of the key.
      return `${name} refused the key in ${scene.keyName}${status}. Check that it is set, valid and allowed to use this model.`;
    case "MODEL_NOT_FOUND":
      return `${name} is not known at ${scene.baseUrl}${status}${quote}. Check the model's name and the base URL.`;
    case "MODEL_QUOTA_EXHAUSTED":
      return `the account behind ${scene.keyName} has no credit or quota left for ${name}${status}${quote}.`;
    case "MODEL_UNAVAILABLE":
      return `${name} cannot be reached or failed${status} at ${scene.baseUrl}${quote}`;
    default:
      return `${name}: ${phrases[code] ?? "failed"}${status}${quote}`;
  }
}

const phrases: { readonly [code in ErrorCode]?: string } = {
  MODEL_RATE_LIMITED: "refused the call for its rate limit",
  MODEL_TIMED_OUT: "passed a deadline",
  MODEL_CONTEXT_OVERFLOW: "the prompt is larger than the model takes",
  MODEL_REFUSED: "refused the content",
  MODEL_REQUEST_INVALID: "refused the request",
  MODEL_BROKEN_STREAM: "broke off its answer",
  MODEL_BAD_RESPONSE: "answered what its protocol does not know",
  MODEL_KEY_MISSING: "has no key",
};

/** Keys as providers write them, and bearer tokens: a provider's message may echo what it was sent. */
const KEY_LIKE = /\b(sk|pk|rk|gsk|xai|key|AIza)[-_A-Za-z0-9]{12,}|Bearer\s+\S+/g;

/** At most 200 characters of a provider's own words: one line, no secrets, no control characters. */
export function redacted(text: string, secrets: readonly string[]): string {
  let out = text.slice(0, 4 * SAID_CHARS_MAX).toWellFormed();
  for (const secret of secrets) if (secret.length >= 4) out = out.replaceAll(secret, "[key]");
  out = out
    .replaceAll(KEY_LIKE, "[key]")
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .trim();
  return out.length > SAID_CHARS_MAX ? `${out.slice(0, SAID_CHARS_MAX)}…` : out;
}
