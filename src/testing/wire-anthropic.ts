import {
  defaultWireUsage,
  event,
  finishOf,
  piecesOf,
  type WireEvent,
  type WireFinish,
  type WireFormat,
  type WireReply,
} from "./wire-reply.ts";

const stopReason: { readonly [finish in WireFinish]: string } = {
  stop: "end_turn",
  "tool-calls": "tool_use",
  length: "max_tokens",
  "content-filter": "refusal",
  unknown: "moon_phase",
};

const errorTypes: { readonly [status: number]: string } = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  529: "overloaded_error",
};

/** Anthropic's Messages. */
export const messagesFormat: WireFormat = {
  name: "messages",
  matches: (path) => path.endsWith("/messages"),
  isStream: (_path, body) => body["stream"] === true,
  modelOf: (_path, body) => String(body["model"]),
  encode: (reply, model) => ({ document: messageDocument(reply, model), events: messageEvents(reply, model) }),
  errorBody: ({ status, message = "The request failed.", code }) => ({
    type: "error",
    error: { type: code ?? errorTypes[status] ?? "api_error", message },
    request_id: "req_1",
  }),
};

function usageOf(reply: WireReply): { readonly input: object; readonly output: number } {
  const { input, output, cached = 0, cacheWrite = 0 } = reply.usage ?? defaultWireUsage;
  const fresh = input - cached - cacheWrite;
  return {
    input: { input_tokens: fresh, cache_read_input_tokens: cached, cache_creation_input_tokens: cacheWrite },
    output,
  };
}

/** Anthropic always sends usage; where a test leaves it out, zeros stand for it. */
function usageFields(reply: WireReply): { readonly start: object; readonly end: object } {
  if (reply.usage === null) return { start: { input_tokens: 0, output_tokens: 0 }, end: { output_tokens: 0 } };
  const { input, output } = usageOf(reply);
  return { start: { ...input, output_tokens: 1 }, end: { output_tokens: output } };
}

type Block = { readonly type: string; readonly [key: string]: unknown };

function blocksOf(reply: WireReply): readonly Block[] {
  const blocks: Block[] = [];
  if (reply.reasoning !== undefined) {
    blocks.push({ type: "thinking", thinking: reply.reasoning, signature: reply.reasoningSecret ?? "sig" });
  }
  if (reply.text !== undefined) blocks.push({ type: "text", text: reply.text });
  for (const [i, call] of (reply.toolCalls ?? []).entries()) {
    const named = call.name === null ? {} : { name: call.name };
    blocks.push({ type: "tool_use", id: call.id ?? `toolu_${i}`, ...named, input: call.arguments });
  }
  return blocks;
}

function messageDocument(reply: WireReply, model: string): unknown {
  const usage = usageFields(reply);
  const content = blocksOf(reply).map((block) =>
    block.type === "tool_use" ? { ...block, input: objectOf(String(block["input"])) } : block,
  );
  return {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model,
    content,
    stop_reason: stopReason[finishOf(reply)],
    stop_sequence: null,
    usage: { ...usage.start, ...usage.end },
  };
}

/** In one piece the interface has arguments as a value; text that is none goes as a string. */
function objectOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function messageEvents(reply: WireReply, model: string): readonly WireEvent[] {
  const usage = usageFields(reply);
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
  };
  const events: WireEvent[] = [
    event({ type: "message_start", message: { ...message, usage: usage.start } }, "message_start"),
    event({ type: "ping" }, "ping"),
  ];
  for (const [index, block] of blocksOf(reply).entries()) events.push(...blockEvents(block, index));
  if (reply.streamError !== undefined) {
    const { message: text, code } = reply.streamError;
    return [...events, event({ type: "error", error: { type: code, message: text } }, "error")];
  }
  const delta = { stop_reason: stopReason[finishOf(reply)], stop_sequence: null };
  events.push(event({ type: "message_delta", delta, usage: usage.end }, "message_delta"));
  events.push(event({ type: "message_stop" }, "message_stop"));
  return events;
}

function blockEvents(block: Block, index: number): readonly WireEvent[] {
  const start = (content: object): WireEvent =>
    event({ type: "content_block_start", index, content_block: content }, "content_block_start");
  const delta = (fields: object): WireEvent =>
    event({ type: "content_block_delta", index, delta: fields }, "content_block_delta");
  const stop = event({ type: "content_block_stop", index }, "content_block_stop");
  switch (block.type) {
    case "thinking":
      return [
        start({ type: "thinking", thinking: "", signature: "" }),
        ...piecesOf(String(block["thinking"])).map((thinking) => delta({ type: "thinking_delta", thinking })),
        delta({ type: "signature_delta", signature: block["signature"] }),
        stop,
      ];
    case "text":
      return [
        start({ type: "text", text: "" }),
        ...piecesOf(String(block["text"])).map((text) => delta({ type: "text_delta", text })),
        stop,
      ];
    default: {
      const { input, ...rest } = block;
      return [
        start({ ...rest, input: {} }),
        ...piecesOf(String(input)).map((partial_json) => delta({ type: "input_json_delta", partial_json })),
        stop,
      ];
    }
  }
}
