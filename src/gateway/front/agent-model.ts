import type { FastifyRequest } from "fastify";
import { errorTable, type ErrorCode } from "../../core/error-table.ts";
import { PawlError } from "../../core/errors.ts";
import type { RunRef } from "../../core/id.ts";
import { isJsonObject, parseJson, type JsonValue } from "../../core/json.ts";
import { textOf, type Message } from "../../core/message.ts";
import { blobScopeOf } from "../../core/run-head.ts";
import type { StreamEvent } from "../../engine/run-events.ts";
import type { Run, RunResult } from "../../engine/run-handle.ts";
import { startRun, type RunStart } from "../../engine/start-run.ts";
import { Values } from "../../engine/values.ts";
import type { Admission } from "../admission.ts";
import type { Gateway } from "../gateway.ts";
import { bindStart } from "../idempotent-start.ts";
import { idempotencyKeyOf } from "../route-parts.ts";
import type { AnswerHead } from "./front-answer.ts";
import type { FrontPart } from "./front-call.ts";
import { wrongField } from "./front-fields.ts";
import type { FrontRequest } from "./front-request.ts";

interface AgentCall {
  readonly name: string;
  readonly asked: FrontRequest;
  readonly request: FastifyRequest;
  readonly signal: AbortSignal;
}
interface AgentParts {
  readonly gateway: Gateway;
  readonly admission: Admission;
  /** Where people find the gateway. */
  readonly origin: string;
}
interface AgentAnswer {
  readonly head: AnswerHead;
  readonly parts: AsyncGenerator<FrontPart>;
  readonly headers: { readonly [name: string]: string };
}

/**
 * `agent/NAME` as a model: a durable run, whose answer is given out as it comes. With an `Idempotency-Key` a repeat of the
 * request finds the same run and gets its whole answer; without one, each request is a run. Who goes away stops nothing.
 */
export async function answerByAgent(call: AgentCall, { gateway, admission, origin }: AgentParts): Promise<AgentAnswer> {
  const { asked, request, signal } = call;
  const { app, clock } = gateway;
  const { tenant, principal, roles } = request.caller;
  const runnable = app.registry.runnable(call.name);
  if (asked.request.tools.length > 0) throw wrongField("tools", "cannot be given to an agent: it has its own");
  if (asked.files.size > 0) throw wrongField("messages", "hold a file, which an agent does not take");
  const { history, input } = conversationOf(asked.request.system, asked.request.messages);
  const key = idempotencyKeyOf(request);
  const fresh = gateway.entropy.id();
  const thread = request.headers["x-pawl-thread-id"];
  const bound =
    key === null
      ? { runId: fresh, isRepeat: false }
      : await bindStart(app.store, { tenant, key, body: [runnable.name, input, history], runId: fresh });
  const release = bound.isRepeat ? () => undefined : await admission.admit(request.caller);
  try {
    const start = {
      input: runnable.parseInput(input).ok ? input : structured(input),
      principal,
      roles,
      tags: ["front"],
    };
    const ref = { tenant, runId: bound.runId };
    if (typeof thread === "string") await app.startWithHead(runnable, { ...start, ...ref, threadId: thread });
    else await startWithHistory(gateway, ref, { runnable, ...start, messageId: ref.runId }, history);
    return {
      head: { id: bound.runId, model: asked.model, createdAt: clock.nowMs() },
      parts: answerOf(app.run(ref.runId, tenant), { signal, reviews: `${origin}/reviews` }),
      headers: { "x-pawl-run-id": bound.runId, ...(bound.isRepeat && { "idempotency-replayed": "true" }) },
    };
  } finally {
    release();
  }
}

/** @throws INPUT_INVALID, MODEL_UNKNOWN, MODEL_KEY_MISSING */
async function startWithHistory(
  { app }: Gateway,
  ref: RunRef,
  start: Omit<RunStart, "ref">,
  history: readonly JsonValue[],
): Promise<void> {
  const { runnable, input } = start;
  for (const route of runnable.routes) app.deps.models.check(route);
  const parsed = runnable.parseInput(input);
  if (!parsed.ok) {
    const issues = parsed.issues.map((issue) => `${issue.path || "(whole)"}: ${issue.message}`).join("; ");
    throw new PawlError("INPUT_INVALID", `the input does not fit "${runnable.name}": ${issues}.`);
  }
  if (history.length === 0) {
    await startRun(app.deps, { ...start, ref });
    return;
  }
  const values = new Values(app.deps, ref, blobScopeOf(ref, undefined));
  await startRun(app.deps, { ...start, ref, contextRefs: [await values.put(history)] });
}

/** The last message is the input; what was said before it, the agent's conversation so far. */
function conversationOf(
  system: string,
  messages: readonly Message[],
): { readonly input: string; readonly history: readonly JsonValue[] } {
  const last = messages.at(-1);
  if (last?.role !== "user") throw wrongField("messages", "must end with a message of the user, for an agent");
  const told = messages.slice(0, -1).filter(({ role }) => role !== "tool");
  const texts = told.map((message): Message => {
    const content = [{ type: "text" as const, text: textOf(message) }];
    return message.role === "assistant" ? { role: "assistant", content } : { role: "user", content };
  });
  const first: readonly Message[] = system === "" ? [] : [{ role: "user", content: [{ type: "text", text: system }] }];
  const history = [...first, ...texts].filter((message) => textOf(message) !== "");
  return { input: textOf(last), history: history as unknown as readonly JsonValue[] };
}

/** An agent whose input is no text gets it as JSON. */
function structured(input: string): JsonValue {
  const parsed = parseJson(input);
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : input;
}

interface Reading {
  /** Of the call whose text is given out: what was, and the delta that comes next. */
  callId: string;
  attempt: number;
  next: number;
  said: string;
  /** Of the calls before. */
  before: string;
}

async function* answerOf(
  run: Run,
  { signal, reviews }: { readonly signal: AbortSignal; readonly reviews: string },
): AsyncGenerator<FrontPart> {
  const reading: Reading = { callId: "", attempt: 0, next: 0, said: "", before: "" };
  for await (const event of run.stream({ signal, untilParked: true })) {
    const text = pieceOf(reading, event);
    if (text !== "") yield { type: "text.delta", text };
  }
  signal.throwIfAborted();
  const result = await run.result({ signal });
  const all = reading.before + reading.said;
  const rest = endingOf(result, all, reviews);
  if (rest !== "") yield { type: "text.delta", text: rest };
  yield {
    type: "finish",
    content: [{ type: "text", text: all + rest }],
    finish: result.status === "stopped" ? "length" : "stop",
    usage: result.usage,
    model: "agent",
    attempts: 1,
    endpoint: "agent",
  };
}

/**
 * Text that is sure: live text is only given out from its first piece on, without a gap; what the journal records goes
 * before it, and says the rest. @throws STREAM_CUT  another attempt said something else than what was given out
 */
function pieceOf(reading: Reading, event: StreamEvent): string {
  if (event.type === "text.delta" || event.type === "reasoning.delta" || event.type === "tool-input.delta") {
    const isNext = event.callId === reading.callId && event.attempt === reading.attempt && event.i === reading.next;
    const isFirst = event.i === 0 && reading.said === "" && event.callId !== reading.callId;
    if (!isNext && !isFirst) return "";
    if (isFirst) Object.assign(reading, { callId: event.callId, attempt: event.attempt });
    reading.next = event.i + 1;
    if (event.type !== "text.delta") return "";
    return said(reading, event.text);
  }
  if (event.type !== "model.answered" || event.context !== "main") return "";
  const text = textOf(event.message as unknown as Message);
  const known = event.callId === reading.callId ? reading.said : "";
  if (!text.startsWith(known) || (known === "" && reading.said !== ""))
    throw new PawlError(
      "STREAM_CUT",
      "the model was asked again and said something else than what was given out. Ask again with the same Idempotency-Key for the whole answer.",
    );
  const rest = said(reading, text.slice(known.length));
  Object.assign(reading, { before: reading.before + reading.said, said: "", callId: event.callId, next: -1 });
  return rest;
}

/** Answers of different turns are paragraphs. */
function said(reading: Reading, text: string): string {
  if (text === "") return "";
  const gap = reading.said === "" && reading.before !== "" ? "\n\n" : "";
  reading.before += gap;
  reading.said += text;
  return gap + text;
}

/** What the answer still needs: the output where it is not what was said, or where the run waits for a person. */
function endingOf(result: RunResult, said: string, reviews: string): string {
  const gap = said === "" ? "" : "\n\n";
  switch (result.status) {
    case "completed":
    case "stopped": {
      const output =
        typeof result.output === "string" ? result.output : result.output === null ? "" : JSON.stringify(result.output);
      const isSaid = said.trimEnd().endsWith(output.trimEnd()) || isSameJson(said, result.output);
      const text = isSaid ? "" : gap + output;
      return result.status === "stopped" ? `${text}\n\n(The agent was stopped: ${result.stopReason}.)` : text;
    }
    case "awaiting_approval":
      return `${gap}(The agent waits for a person: ${reviews}. Ask again with the same Idempotency-Key for the rest of its answer. Run ${result.runId}.)`;
    case "awaiting_budget":
    case "paused":
      return `${gap}(The agent is ${result.status}. Ask again with the same Idempotency-Key when it goes on. Run ${result.runId}.)`;
    case "failed":
    case "blocked":
      throw new PawlError(codeOf(result.error.code), `run "${result.runId}": ${result.error.message}`);
    case "cancelled":
      throw new PawlError("CANCELLED", `run "${result.runId}" was cancelled: ${result.reason}`);
  }
}

function isSameJson(said: string, output: JsonValue): boolean {
  const parsed = parseJson(said);
  return parsed.ok && JSON.stringify(parsed.value) === JSON.stringify(output);
}

function codeOf(code: string): ErrorCode {
  return Object.hasOwn(errorTable, code) ? (code as ErrorCode) : "INTERNAL";
}
