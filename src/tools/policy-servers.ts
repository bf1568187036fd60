import { PawlError } from "../core/errors.ts";
import type { Policy, PolicyCall } from "../core/guard-rules.ts";
import { isJsonObject, parseJson, type JsonObject, type JsonValue } from "../core/json.ts";
import type { Verdict } from "../core/policy.ts";

export interface PolicyServerOptions {
  /** Of OPA a rule's document, `http://127.0.0.1:8181/v1/data/pawl/verdict`; of Cedar `http://127.0.0.1:8180/v1/is_authorized`. */
  readonly url: string;
  /** Default 2,000; an answer that comes later refuses the call. */
  readonly timeLimitMs?: number;
  /** Sent with each question, for a server that asks who asks. */
  readonly headers?: Readonly<Record<string, string>>;
}

const TIME_LIMIT_MS = 2_000;
/** The runtime waits five seconds for a policy. */
const TIME_LIMIT_MS_MAX = 4_500;
const ANSWER_BYTES_MAX = 64 * 1_024;
const RULES_MAX = 16;
const RULE_CHARS = 200;

/**
 * Asks Open Policy Agent about every call: POST `{ input: call }` to its data API. Its rule says true (allow), false (refuse),
 * `"allow" | "ask" | "refuse"`, or `{ decision, reason?, rules? }`. Undefined, an error, silence: the call is refused.
 * @throws OPTION_INVALID
 */
export function opa(options: PolicyServerOptions): Policy {
  const ask = asking("opa", options);
  return async (call) => {
    const answer = await ask({ input: call as unknown as JsonObject });
    if (typeof answer === "string") return failed("opa", answer);
    return opaVerdict(answer["result"]) ?? failed("opa", "its result is no verdict");
  };
}

/**
 * Asks a Cedar server (cedar-agent) whether `Principal::"<principal>"` may do `Action::"<tool>"` on `Agent::"<agent>"`, with
 * `context` { approved, tainted, tenant, args }. Denied, it is asked again with `approved` true: what is permitted then waits
 * for a person. A policy that failed, an error, silence: the call is refused.
 * @throws OPTION_INVALID
 */
export function cedar(options: PolicyServerOptions): Policy {
  const ask = asking("cedar", options);
  return async (call) => {
    const found = cedarAnswer(await ask(cedarRequest(call, false)));
    if (typeof found === "string") return failed("cedar", found);
    if (found.isAllowed) return { decision: "allow", rules: found.rules };
    const approved = cedarAnswer(await ask(cedarRequest(call, true)));
    if (typeof approved === "string") return failed("cedar", approved);
    if (!approved.isAllowed) return { decision: "refuse", rules: found.rules, reason: "no policy permits it" };
    return { decision: "ask", rules: approved.rules, reason: "it is permitted where a person approves" };
  };
}

function failed(server: string, why: string): Verdict {
  return { decision: "refuse", rules: [`${server}.failed`], reason: `${server}: ${why}, so the call is refused` };
}

function opaVerdict(result: JsonValue | undefined): Verdict | null {
  if (typeof result === "boolean") return { decision: result ? "allow" : "refuse", rules: ["opa"] };
  const said: JsonObject | null = isJsonObject(result) ? result : { decision: result ?? null };
  const { decision, reason, rules } = said;
  if (decision !== "allow" && decision !== "ask" && decision !== "refuse") return null;
  const why = typeof reason === "string" ? { reason: reason.slice(0, RULE_CHARS).toWellFormed() } : {};
  return { decision, rules: rulesOf("opa", rules), ...why };
}

function cedarRequest(call: PolicyCall, approved: boolean): JsonObject {
  const { principal, tool, runnable, tenant, isTainted, args } = call;
  return {
    principal: `Principal::${JSON.stringify(principal)}`,
    action: `Action::${JSON.stringify(tool)}`,
    resource: `Agent::${JSON.stringify(runnable)}`,
    context: { approved, tainted: isTainted, tenant, args: cedarValue(args) ?? {} },
  };
}

/** Cedar has neither null nor fractions: the one is left out, the other is a text. */
function cedarValue(value: JsonValue): JsonValue {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : String(value);
  if (Array.isArray(value)) return value.filter((item) => item !== null).map((item: JsonValue) => cedarValue(item));
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(members.map(([name, member]) => [name, cedarValue(member)]));
}

interface CedarAnswer {
  readonly isAllowed: boolean;
  readonly rules: readonly string[];
}

function cedarAnswer(answer: JsonObject | string): CedarAnswer | string {
  if (typeof answer === "string") return answer;
  const { decision, diagnostics } = answer;
  const { errors, reason } = isJsonObject(diagnostics) ? diagnostics : {};
  // a `forbid` that failed forbids nothing: an Allow beside errors says little
  if (Array.isArray(errors) && errors.length > 0) return "a policy failed";
  if (decision !== "Allow" && decision !== "Deny") return "its answer is no verdict";
  return { isAllowed: decision === "Allow", rules: rulesOf("cedar", reason) };
}

function rulesOf(server: string, given: JsonValue | undefined): readonly string[] {
  const names = Array.isArray(given) ? given.filter((name) => typeof name === "string") : [];
  if (names.length === 0) return [server];
  return names.slice(0, RULES_MAX).map((name: string) => `${server}:${name.slice(0, RULE_CHARS).toWellFormed()}`);
}

/** A text is why there is no answer. */
type Ask = (body: JsonObject) => Promise<JsonObject | string>;

function asking(server: string, { url, timeLimitMs = TIME_LIMIT_MS, headers = {} }: PolicyServerOptions): Ask {
  const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  if (!isHttp)
    throw new PawlError("OPTION_INVALID", `${server}({ url }) is "${url.slice(0, 60)}". Give an http(s) URL.`);
  if (!Number.isInteger(timeLimitMs) || timeLimitMs < 1 || timeLimitMs > TIME_LIMIT_MS_MAX)
    throw new PawlError(
      "OPTION_INVALID",
      `${server}({ timeLimitMs }) is ${timeLimitMs}. It is a whole number from 1 to ${TIME_LIMIT_MS_MAX}.`,
    );
  return async (body) => {
    try {
      const response = await fetch(url, {
        method: "POST",
        redirect: "error",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeLimitMs),
      });
      const text = await bounded(response);
      if (!response.ok) return `it answered with status ${response.status}`;
      const parsed = text === null ? null : parseJson(text);
      return parsed?.ok === true && isJsonObject(parsed.value) ? parsed.value : "its answer is no verdict";
    } catch (error) {
      const isLate = error instanceof Error && error.name === "TimeoutError";
      return isLate ? `it did not answer in ${timeLimitMs} ms` : "it cannot be reached";
    }
  };
}

/** null = too long for a verdict. */
async function bounded(response: Response): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > ANSWER_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}
