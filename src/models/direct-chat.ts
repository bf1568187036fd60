import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { PawlError } from "../core/errors.ts";
import { parseJson, type JsonObject, type JsonValue } from "../core/json.ts";
import type { GenerateOptions, ModelRequest } from "../core/model-contract.ts";
import { ChatAnswer } from "./chat-answer.ts";
import { bodyTexts, plainFetch, type Fetch } from "./guarded-fetch.ts";
import type { Connection, DirectChat } from "./provider-driver.ts";
import { headerText } from "./wire-prompt.ts";

/** Over a connection; null where its options ask for the provider's package. */
export function chatOver(
  { baseUrl, apiKey, settings }: Connection,
  model: string,
  limit: DirectChat["limit"],
): DirectChat | null {
  if (settings.options !== undefined) return null;
  const key = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
  // in small letters, so that a header of the settings replaces the key's
  const headers = { ...key, ...Object.fromEntries(new Headers(settings.headers)) };
  return { url: `${baseUrl}/chat/completions`, headers, model, limit };
}

interface Direct {
  readonly endpoint: string;
  readonly at: DirectChat;
  readonly fetch: Fetch;
}

/**
 * One chat completion, sent as its caller wrote it but for the model, the key and the limit of output; what comes back is
 * read without the provider's package.
 * @param sent members of the caller's body
 */
export async function* directChat(
  { endpoint, at, fetch }: Direct,
  sent: JsonObject,
  request: ModelRequest,
  { signal, stream, requestId }: GenerateOptions,
): AsyncGenerator<LanguageModelV4StreamPart> {
  const response = await plainFetch(endpoint, fetch)(at.url, {
    method: "POST",
    headers: { "content-type": "application/json", "x-client-request-id": headerText(requestId), ...at.headers },
    body: JSON.stringify({
      ...sent,
      model: at.model,
      [at.limit]: request.params.maxOutputTokens,
      ...(stream && { stream, stream_options: { include_usage: true } }),
    }),
    signal,
  });
  if (!response.ok) throw await failureOf(response);
  const answer = new ChatAnswer(endpoint);
  try {
    if (stream) yield* streamed(endpoint, response, answer);
    else yield* answer.take(parsed(endpoint, await wholeText(endpoint, response)));
  } catch (error) {
    // it broke after it had begun, which is another thing than a host that cannot be reached
    throw PawlError.is(error) || signal.aborted ? error : new HttpFailure(response, "the answer broke off", error);
  }
  yield* answer.end();
}

async function wholeText(endpoint: string, response: Response): Promise<string> {
  const texts: string[] = [];
  for await (const text of bodyTexts(endpoint, "json", response)) texts.push(text);
  return texts.join("");
}

async function* streamed(
  endpoint: string,
  response: Response,
  answer: ChatAnswer,
): AsyncGenerator<LanguageModelV4StreamPart> {
  const events = new EventData();
  for await (const text of bodyTexts(endpoint, "event-stream", response))
    for (const data of events.take(text)) if (data !== "[DONE]") yield* answer.take(parsed(endpoint, data));
}

function parsed(endpoint: string, text: string): JsonValue {
  const read = parseJson(text);
  if (read.ok) return read.value;
  const shown = text.replaceAll(/\s+/g, " ").slice(0, 120);
  throw new PawlError("MODEL_BAD_RESPONSE", `"${endpoint}" answered with something that is not JSON: ${shown}`);
}

/** As the provider packages throw it. */
class HttpFailure extends Error {
  override readonly name = "AI_APICallError";
  readonly statusCode: number;
  readonly responseHeaders: { readonly [name: string]: string };
  readonly data: unknown;

  constructor({ status, headers }: Response, message: string, cause: unknown, data?: unknown) {
    super(message, { cause });
    this.statusCode = status;
    this.responseHeaders = Object.fromEntries(headers);
    this.data = data;
  }
}

async function failureOf(response: Response): Promise<HttpFailure> {
  const text = await response.text();
  const read = parseJson(text);
  const data = read.ok ? read.value : undefined;
  const error = (data as { readonly error?: { readonly message?: unknown } | null } | null | undefined)?.error;
  const message = typeof error?.message === "string" ? error.message : response.statusText;
  return new HttpFailure(response, message, undefined, data);
}

/** The `data` of server-sent events, cut anywhere. A line is put together once, however many pieces it comes in. */
class EventData {
  #line: string[] = [];
  #data: string[] = [];
  #endedInReturn = false;

  *take(text: string): Generator<string> {
    const lines = (this.#endedInReturn && text.startsWith("\n") ? text.slice(1) : text).split(/\r\n|\n|\r/);
    if (text !== "") this.#endedInReturn = text.endsWith("\r");
    const rest = lines.pop() ?? "";
    for (const end of lines) {
      this.#line.push(end);
      const line = this.#line.join("");
      this.#line = [];
      if (line === "" && this.#data.length > 0) {
        yield this.#data.join("\n");
        this.#data = [];
      } else if (line.startsWith("data:")) this.#data.push(line.slice(line[5] === " " ? 6 : 5));
    }
    if (rest !== "") this.#line.push(rest);
  }
}
