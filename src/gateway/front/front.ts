import type { FastifyReply, FastifyRequest } from "fastify";
import { PawlError } from "../../core/errors.ts";
import { hashText } from "../../core/hash.ts";
import type { RunStarted } from "../../core/journal-event.ts";
import { isJsonObject, type JsonValue } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import { textOf } from "../../core/message.ts";
import { parseTraceparent } from "../../core/trace-ids.ts";
import { lightRunnable } from "../../engine/light-runnable.ts";
import { WorkerSession } from "../../engine/worker-session.ts";
import type { Admission } from "../admission.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import type { GatewayLog } from "../gateway-log.ts";
import { jsonOf } from "../json-body.ts";
import type { Metrics } from "../metrics.ts";
import type { RequestLimits } from "../rate-limit.ts";
import { answerByAgent } from "./agent-model.ts";
import { CallLog } from "./call-log.ts";
import { chatApi } from "./chat-api.ts";
import { Escrow } from "./escrow.ts";
import type { AnswerHead, Dialect, FrontAnswer } from "./front-answer.ts";
import type { FrontCall } from "./call-record.ts";
import { callModel, errorOf, type FrontPart } from "./front-call.ts";
import { frontErrorOf, sendFrontError } from "./front-error.ts";
import { wrongField } from "./front-fields.ts";
import type { FrontRequest } from "./front-request.ts";
import { messagesApi } from "./messages-api.ts";
import { frontModels } from "./model-list.ts";
import { responsesApi } from "./responses-api.ts";
import { SseAnswer } from "./sse-answer.ts";

export interface FrontParts {
  readonly gateway: Gateway;
  readonly admission: Admission;
  readonly requests: RequestLimits;
  readonly metrics: Metrics;
  readonly log: GatewayLog;
  readonly publicUrl: URL | null;
}

interface FrontRoute {
  readonly path: string;
  readonly dialect: Dialect;
  readonly summary: string;
  /** Tells how long a request is, in place of answering it. */
  readonly isCount?: true;
}
const routes: readonly FrontRoute[] = [
  { path: "/v1/chat/completions", dialect: chatApi, summary: "OpenAI's chat completions, over the model pool" },
  {
    path: "/v1/responses",
    dialect: responsesApi,
    summary: "OpenAI's responses, over the model pool; nothing is stored",
  },
  { path: "/v1/messages", dialect: messagesApi, summary: "Anthropic's messages, over the model pool" },
  {
    path: "/v1/messages/count_tokens",
    dialect: messagesApi,
    summary: "Tokens of a request of Anthropic's messages, as they are counted here before a call",
    isCount: true,
  },
];

/** The front for OpenAI's and Anthropic's clients: models of the pool, and agents as models. */
export class Front {
  readonly parts: FrontParts;
  readonly #escrow: Escrow;
  readonly #log: CallLog;
  #session: WorkerSession | null = null;
  #opening: Promise<WorkerSession> | null = null;
  #calls = 0;

  constructor(parts: FrontParts) {
    this.parts = parts;
    const { app, clock, entropy } = parts.gateway;
    const session = async (): Promise<string> => (await this.#openSession()).id;
    const { store, build, redaction } = app.deps;
    this.#escrow = new Escrow({ store, clock, entropy, session });
    const onLost = (calls: number, error: unknown): void => {
      for (let i = 0; i < calls; i++) parts.metrics.count("pawl_refusals_total", { code: "CALL_LOG_LOST" });
      parts.log({ level: "warn", event: "front.log-lost", error });
    };
    this.#log = new CallLog({ store, clock, entropy, build, redaction, session, onLost });
  }

  register(app: GatewayApp): void {
    for (const { path, dialect, summary, isCount } of routes) {
      void app.register((scope, _options, done) => {
        takeLargeJson(scope);
        scope.setErrorHandler((error, request, reply) => this.#refuse(dialect, error, request, reply));
        scope.post(
          path,
          {
            bodyLimit: limits.frontBodyBytes,
            config: { role: "run", bodyBytes: limits.frontBodyBytes },
            schema: { operationId: isCount ? "front_count_tokens" : `front_${dialect.name}`, tags: ["front"], summary },
          },
          (request, reply) => (isCount ? this.#count(request) : this.#answer(dialect, request, reply)),
        );
        done();
      });
    }
    void app.register((scope, _options, done) => {
      scope.setErrorHandler((error, request, reply) => this.#refuse(chatApi, error, request, reply));
      frontModels(scope, this.parts.gateway);
      done();
    });
  }

  /** Settles and writes what is left. Called when no request is served any more, before the store closes. */
  async close(): Promise<void> {
    await this.#escrow.close();
    await this.#log.flush();
    await this.#session?.close();
  }

  #refuse(dialect: Dialect, error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const { metrics, requests, log } = this.parts;
    if (PawlError.is(error)) metrics.count("pawl_refusals_total", { code: error.code });
    if (PawlError.is(error, "AUTH_INVALID")) requests.punishAddress(request);
    sendFrontError({ log, dialect }, error, request, reply);
  }

  async #answer(dialect: Dialect, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { gateway } = this.parts;
    if (gateway.draining.aborted)
      throw new PawlError("DRAINING", "this process is shutting down. Try again in a moment.", {
        details: { retryAfterMs: 2_000 },
      });
    if (this.#calls >= limits.frontCalls)
      throw new PawlError("OVERLOADED", `${limits.frontCalls} calls are under way here. Try again in a moment.`, {
        details: { retryAfterMs: 1_000 },
      });
    if (!isJsonObject(request.body)) throw noObject();
    const asked = dialect.parse(request.body);
    const cut = new AbortController();
    const onClose = (): void => cut.abort(new PawlError("CANCELLED", "the caller went away."));
    reply.raw.once("close", onClose);
    if (reply.raw.destroyed) onClose();
    const release = asked.isStream
      ? gateway.streams.open(request.caller, (why) =>
          cut.abort(new PawlError("STREAM_CUT", `the answer was ended here: ${why}.`)),
        )
      : () => undefined;
    this.#calls++;
    try {
      const going = { dialect, asked, request, reply, signal: cut.signal };
      if (asked.model.startsWith(AGENT)) return await this.#byAgent(going);
      return await this.#byModel(going);
    } finally {
      this.#calls--;
      release();
      reply.raw.off("close", onClose);
    }
  }

  /** By the endpoint that would be asked now. Nothing is sent anywhere. */
  async #count({ body, caller }: FastifyRequest): Promise<{ readonly input_tokens: number }> {
    if (!isJsonObject(body)) throw noObject();
    const { model, request } = messagesApi.parse({ ...body, max_tokens: 1 });
    if (model.startsWith(AGENT)) throw wrongField("model", "names an agent, whose prompt is its own");
    const { models, entropy } = this.parts.gateway.app.deps;
    const next = models.next(model, [], entropy.random(), { tenant: caller.tenant, affinity: "" });
    if (next.type === "give-up") throw errorOf(next.error);
    return { input_tokens: next.endpoint.countTokens(request) };
  }

  async #byModel(going: Going): Promise<unknown> {
    const { asked, signal } = going;
    const { deps } = this.parts.gateway.app;
    deps.models.check(asked.model);
    const id = deps.entropy.id();
    const call: FrontCall = { id, asked, signal, started: startedOf(id, going) };
    const head = { id, model: asked.model, createdAt: deps.clock.nowMs() };
    const parts = callModel(call, { deps, escrow: this.#escrow, log: this.#log });
    return this.#send(going, head, parts, { "x-pawl-call-id": id });
  }

  async #byAgent(going: Going): Promise<unknown> {
    const { asked, request, signal } = going;
    const { gateway, admission, publicUrl } = this.parts;
    const given = { name: asked.model.slice(AGENT.length), asked, request, signal };
    const origin = publicUrl?.origin ?? `http://${request.headers.host ?? ""}`;
    const { head, parts, headers } = await answerByAgent(given, { gateway, admission, origin });
    return this.#send(going, head, parts, headers);
  }

  /** The answer in one piece, or as events: those begin with the first part, so what fails before it has a status. */
  async #send(
    { dialect, asked, request, reply }: Going,
    head: AnswerHead,
    parts: AsyncGenerator<FrontPart>,
    headers: { readonly [name: string]: string },
  ): Promise<unknown> {
    if (!asked.isStream) {
      for await (const part of parts) {
        if (part.type !== "finish") continue;
        void reply.headers({ ...headers, ...attemptHeaders(part) }).header("cache-control", "no-store");
        return reply
          .header("content-type", "application/json; charset=utf-8")
          .serializer((payload: unknown) => JSON.stringify(payload))
          .send(dialect.whole(answerOf(head, part)));
      }
      throw new PawlError("MODEL_BROKEN_STREAM", "the answer ended without its end.");
    }
    const first = await parts.next();
    if (first.done === true) throw new PawlError("MODEL_BROKEN_STREAM", "the answer ended without a word.");
    reply.hijack();
    const out = new SseAnswer(reply.raw, this.parts.gateway.clock, { ...plainHeaders(reply), ...headers });
    const writer = dialect.writer(head, asked);
    try {
      await out.write(writer.begin() + textOfPart(writer, head, first.value));
      // sent with the beginning, where the first part is all there is
      if (first.value.type !== "finish")
        for await (const part of parts) await out.write(textOfPart(writer, head, part));
      out.end("");
    } catch (error) {
      out.end(writer.error(frontErrorOf(this.parts.log, error, request)));
    } finally {
      await parts.return(undefined);
    }
    return reply;
  }

  /** Under which this process' escrow and log stand: others see by it whether it lives. */
  async #openSession(): Promise<WorkerSession> {
    if (this.#session !== null && !this.#session.dead.aborted) return this.#session;
    const { clock, entropy, app } = this.parts.gateway;
    this.#opening ??= WorkerSession.open(app.store, clock, entropy.id(), `front-${process.pid}`)
      .then((session) => {
        this.#session = session;
        return session;
      })
      .finally(() => {
        this.#opening = null;
      });
    return this.#opening;
  }
}

function noObject(): PawlError {
  return new PawlError("BODY_INVALID", "the body is not a JSON object.");
}

const AGENT = "agent/";

interface Going {
  readonly dialect: Dialect;
  readonly asked: FrontRequest;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly signal: AbortSignal;
}

function textOfPart(writer: ReturnType<Dialect["writer"]>, head: AnswerHead, part: FrontPart): string {
  switch (part.type) {
    case "text.delta":
      return writer.text(part.text);
    case "reasoning.delta":
      return writer.reasoning(part.text);
    case "tool-input.delta":
      return writer.call(part.index, part.tool, part.text);
    case "finish":
      return writer.end(answerOf(head, part));
  }
}

function answerOf(head: AnswerHead, part: FrontPart & { readonly type: "finish" }): FrontAnswer {
  return { ...head, content: part.content, finish: part.finish, usage: part.usage };
}

function attemptHeaders({ endpoint, attempts }: FrontPart & { readonly type: "finish" }) {
  return { "x-pawl-endpoint": endpoint, "x-pawl-attempts": String(attempts) };
}

/** Set so far; for an answer that goes out without Fastify. */
export function plainHeaders(reply: FastifyReply): { readonly [name: string]: string } {
  return Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]));
}

/** A call as the first event of its log, and as budgets see it. */
function startedOf(id: string, { dialect, asked, request }: Going): RunStarted {
  const { tenant, principal, keyId } = request.caller;
  const { messages } = asked.request;
  const last = messages.at(-1);
  const text = last === undefined ? "" : textOf(last);
  const title = `${asked.model}: ${text.slice(0, 200).replaceAll(/\s+/g, " ")}`.slice(0, 120).toWellFormed();
  const input: JsonValue = { api: dialect.name, model: asked.model, messages: messages.length };
  const traceparent = request.headers["traceparent"];
  const isTraced =
    typeof traceparent === "string" && traceparent.length <= 200 && parseTraceparent(traceparent) !== null;
  return {
    type: "run.started",
    runnable: lightRunnable.name,
    version: lightRunnable.version,
    lane: lightRunnable.lane,
    tenant,
    principal,
    inputRef: { inline: input },
    inputHash: hashText(JSON.stringify(input)),
    limits: {},
    pins: { route: asked.model },
    seed: 0,
    rootRunId: id,
    ...(isTraced && { traceparent }),
    tags: ["front", dialect.name, ...(keyId === null ? [] : [`key:${keyId}`])],
    title,
  };
}

/** As everywhere, but a file in base64 may be long. */
function takeLargeJson(scope: GatewayApp): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser(
    "application/json",
    { parseAs: "buffer", bodyLimit: limits.frontBodyBytes },
    async (_request: FastifyRequest, body: Buffer) => jsonOf(body, limits.frontBodyBytes),
  );
}
