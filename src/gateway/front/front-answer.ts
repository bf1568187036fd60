import type { FinishReason } from "../../core/model-event.ts";
import type { JsonObject } from "../../core/json.ts";
import type { AssistantPart } from "../../core/message.ts";
import type { Usage } from "../../core/usage.ts";
import type { FrontRequest } from "./front-request.ts";

/** What every answer says of itself, known before its first word. */
export interface AnswerHead {
  readonly id: string;
  readonly model: string;
  readonly createdAt: number;
}
/** A whole answer, whichever API it goes out by. The ids of its calls are `callIdOf(id, index)`. */
export interface FrontAnswer extends AnswerHead {
  readonly content: readonly AssistantPart[];
  readonly finish: FinishReason;
  readonly usage: Usage;
}
/** What went wrong, in words for the caller. */
export interface FrontError {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
}

/** Writes one answer as events of one API, in order: begin, any number of pieces, then end or error. */
export interface AnswerWriter {
  begin(): string;
  text(piece: string): string;
  reasoning(piece: string): string;
  /** @param index of the call among the calls of the answer */
  call(index: number, tool: string, piece: string): string;
  /** Says what no piece said, then that it is whole. */
  end(answer: FrontAnswer): string;
  error(error: FrontError): string;
}

/** One API that the front speaks. */
export interface Dialect {
  readonly name: "chat" | "responses" | "messages";
  /** @throws REQUEST_INVALID with `details.param` */
  parse(body: JsonObject): FrontRequest;
  whole(answer: FrontAnswer): JsonObject;
  writer(head: AnswerHead, asked: FrontRequest): AnswerWriter;
  errorBody(error: FrontError): JsonObject;
}

/** Ids are made here: a provider's may be empty, or the same again. */
export function callIdOf(answerId: string, index: number): string {
  return `call_${answerId}_${index}`;
}

export function textOfAnswer({ content }: Pick<FrontAnswer, "content">): string {
  return content.map((part) => (part.type === "text" ? part.text : "")).join("");
}

type Call = AssistantPart & { readonly type: "tool-call" };

export function callsOf({ content }: Pick<FrontAnswer, "content">): readonly Call[] {
  return content.filter((part) => part.type === "tool-call");
}

/** An event of a stream. */
export function sse(data: JsonObject, event?: string): string {
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;
}
