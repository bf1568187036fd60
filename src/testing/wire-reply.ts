/** A tool call as it goes over the wire: the arguments are text, so that they can be wrong. */
export interface WireToolCall {
  readonly id?: string;
  /** null leaves the name out. */
  readonly name: string | null;
  readonly arguments: string;
}

export interface WireUsage {
  readonly input: number;
  readonly cached?: number;
  readonly cacheWrite?: number;
  readonly output: number;
  readonly reasoning?: number;
}

export type WireFinish = "stop" | "tool-calls" | "length" | "content-filter" | "unknown";

/** Something wrong with the transport or the form of an answer that is otherwise right. */
export type WireFault =
  /** Every byte in a write of its own. */
  | { readonly type: "split-bytes" }
  /** All events in one write. */
  | { readonly type: "one-write" }
  | { readonly type: "crlf" }
  | { readonly type: "comments" }
  | { readonly type: "bom" }
  /** The connection breaks after so many bytes of the body. */
  | { readonly type: "cut"; readonly afterBytes: number }
  /** The body ends there, as if it were whole. */
  | { readonly type: "end"; readonly afterBytes: number }
  /** Accepts the request and never answers. */
  | { readonly type: "no-reply" }
  /** Answers so many bytes, then nothing more, with the connection open. */
  | { readonly type: "silent"; readonly afterBytes: number }
  | { readonly type: "html" }
  | { readonly type: "empty" }
  /** An answer of another kind than was asked for, and so named: JSON for a stream, text for JSON. */
  | { readonly type: "wrong-type" }
  | { readonly type: "invalid-utf8" }
  /** Without end: the first delta that says "again", over and over. */
  | { readonly type: "endless" }
  /** A small body that unpacks to so many bytes. */
  | { readonly type: "gzip-bomb"; readonly bytes: number }
  | { readonly type: "no-done" }
  | { readonly type: "tool-index"; readonly index: "missing" | "duplicate" };

/** One answer of a wire server: what a model says, or the error a provider answers instead. */
export interface WireReply {
  readonly text?: string;
  readonly reasoning?: string;
  /** Signature or encrypted form of the reasoning, to be replayed. */
  readonly reasoningSecret?: string;
  readonly toolCalls?: readonly WireToolCall[];
  /** Default: tool-calls where there are any, else stop. */
  readonly finish?: WireFinish;
  /** null leaves it out. Default: 100 in, 20 out. */
  readonly usage?: WireUsage | null;
  /** The model that answers; default the one that was asked for. */
  readonly model?: string;
  /** An HTTP error: the provider's error body with this status. */
  readonly error?: {
    readonly status: number;
    readonly message?: string;
    readonly code?: string;
    readonly headers?: { readonly [name: string]: string };
    /** Sent instead of the provider's own form. */
    readonly body?: string;
  };
  /** An error inside a stream that began with 200. */
  readonly streamError?: { readonly message: string; readonly code: string };
  readonly fault?: WireFault;
}

/** One server-sent event. */
export interface WireEvent {
  readonly event?: string;
  readonly data: string;
}

/** An answer in both forms a provider has for it. */
export interface Encoded {
  readonly document: unknown;
  readonly events: readonly WireEvent[];
}

/** How one interface of one provider puts a reply. */
export interface WireFormat {
  readonly name: "chat" | "responses" | "messages" | "google";
  /** True for the paths that this interface is asked on. */
  matches(path: string): boolean;
  isStream(path: string, body: { readonly [key: string]: unknown }): boolean;
  modelOf(path: string, body: { readonly [key: string]: unknown }): string;
  encode(reply: WireReply, model: string, body: { readonly [key: string]: unknown }): Encoded;
  errorBody(error: NonNullable<WireReply["error"]>): unknown;
}

export const defaultWireUsage: WireUsage = { input: 100, output: 20 };

export function finishOf(reply: WireReply): WireFinish {
  return reply.finish ?? ((reply.toolCalls?.length ?? 0) > 0 ? "tool-calls" : "stop");
}

/** A text as a model streams it: a few characters at a time. */
export function piecesOf(text: string): readonly string[] {
  return text.match(/[\s\S]{1,6}/gu) ?? [];
}

export function event(data: object, name?: string): WireEvent {
  return name === undefined ? { data: JSON.stringify(data) } : { event: name, data: JSON.stringify(data) };
}
