import {
  defaultWireUsage,
  event,
  finishOf,
  piecesOf,
  type Encoded,
  type WireEvent,
  type WireFinish,
  type WireFormat,
  type WireReply,
  type WireToolCall,
} from "./wire-reply.ts";

const CREATED = 1_763_769_600;

const chatFinish: { readonly [finish in WireFinish]: string } = {
  stop: "stop",
  "tool-calls": "tool_calls",
  length: "length",
  "content-filter": "content_filter",
  unknown: "eos_reached",
};

function openaiError(error: NonNullable<WireReply["error"]>): unknown {
  const { message = "The request failed.", code = null } = error;
  return {
    error: { message, type: error.status === 429 ? "rate_limit_error" : "invalid_request_error", param: null, code },
  };
}

/** Chat completions, as OpenAI and everything compatible with it speak it. */
export const chatFormat: WireFormat = {
  name: "chat",
  matches: (path) => path.endsWith("/chat/completions"),
  isStream: (_path, body) => body["stream"] === true,
  modelOf: (_path, body) => String(body["model"]),
  encode: (reply, model, body) => ({ document: chatDocument(reply, model), events: chatEvents(reply, model, body) }),
  errorBody: openaiError,
};

function chatUsage(reply: WireReply): object | null {
  if (reply.usage === null) return null;
  const { input, output, cached = 0, reasoning = 0 } = reply.usage ?? defaultWireUsage;
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}

function chatCall(call: WireToolCall, index: number): object {
  const name = call.name === null ? {} : { name: call.name };
  return { id: call.id ?? `call_${index}`, type: "function", function: { ...name, arguments: call.arguments } };
}

function chatDocument(reply: WireReply, model: string): unknown {
  const calls = reply.toolCalls ?? [];
  const message = {
    role: "assistant",
    content: reply.text ?? null,
    ...(reply.reasoning === undefined ? {} : { reasoning_content: reply.reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(chatCall) }),
  };
  const usage = chatUsage(reply);
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: CREATED,
    model,
    choices: [{ index: 0, message, finish_reason: chatFinish[finishOf(reply)] }],
    ...(usage === null ? {} : { usage }),
  };
}

function chatEvents(reply: WireReply, model: string, body: { readonly [key: string]: unknown }): readonly WireEvent[] {
  const base = { id: "chatcmpl-1", object: "chat.completion.chunk", created: CREATED, model };
  const chunk = (delta: object, finish: string | null = null): WireEvent =>
    event({ ...base, choices: [{ index: 0, delta, finish_reason: finish }] });
  const events: WireEvent[] = [chunk({ role: "assistant", content: "" })];
  for (const piece of piecesOf(reply.reasoning ?? "")) events.push(chunk({ reasoning_content: piece }));
  for (const piece of piecesOf(reply.text ?? "")) events.push(chunk({ content: piece }));
  for (const [i, call] of (reply.toolCalls ?? []).entries())
    events.push(...chatCallEvents(call, i, reply).map((delta) => chunk(delta)));
  if (reply.streamError !== undefined)
    return [...events, event({ error: { ...reply.streamError, type: "server_error" } })];
  events.push(chunk({}, chatFinish[finishOf(reply)]));
  const usage = chatUsage(reply);
  const options = body["stream_options"] as { readonly include_usage?: boolean } | undefined;
  if (usage !== null && options?.include_usage === true) events.push(event({ ...base, choices: [], usage }));
  return reply.fault?.type === "no-done" ? events : [...events, { data: "[DONE]" }];
}

function chatCallEvents(call: WireToolCall, position: number, reply: WireReply): readonly object[] {
  const fault = reply.fault?.type === "tool-index" ? reply.fault.index : null;
  const index = fault === "missing" ? {} : { index: fault === "duplicate" ? 0 : position };
  const name = call.name === null ? {} : { name: call.name };
  const start = { ...index, id: call.id ?? `call_${position}`, type: "function", function: { ...name, arguments: "" } };
  const pieces = piecesOf(call.arguments).map((piece) => ({ ...index, function: { arguments: piece } }));
  return [start, ...pieces].map((delta) => ({ tool_calls: [delta] }));
}

/** The Responses interface of OpenAI. */
export const responsesFormat: WireFormat = {
  name: "responses",
  matches: (path) => path.endsWith("/responses"),
  isStream: (_path, body) => body["stream"] === true,
  modelOf: (_path, body) => String(body["model"]),
  encode: (reply, model) => encodeResponse(reply, model),
  errorBody: openaiError,
};

function responsesUsage(reply: WireReply): object | null {
  if (reply.usage === null) return null;
  const { input, output, cached = 0, reasoning = 0 } = reply.usage ?? defaultWireUsage;
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}

function responseItems(reply: WireReply): readonly { readonly [key: string]: unknown }[] {
  const items: { readonly [key: string]: unknown }[] = [];
  if (reply.reasoning !== undefined) {
    const summary = [{ type: "summary_text", text: reply.reasoning }];
    items.push({ type: "reasoning", id: "rs_1", summary, encrypted_content: reply.reasoningSecret ?? null });
  }
  if (reply.text !== undefined) {
    const content = [{ type: "output_text", text: reply.text, annotations: [], logprobs: [] }];
    items.push({ type: "message", id: "msg_1", role: "assistant", status: "completed", content });
  }
  for (const [i, call] of (reply.toolCalls ?? []).entries()) {
    const { id = `call_${i}`, name } = call;
    const named = name === null ? {} : { name };
    items.push({
      type: "function_call",
      id: `fc_${i}`,
      call_id: id,
      ...named,
      arguments: call.arguments,
      status: "completed",
    });
  }
  return items;
}

const incompleteReason: { readonly [finish in WireFinish]?: string } = {
  length: "max_output_tokens",
  "content-filter": "content_filter",
  unknown: "moon_phase",
};

function encodeResponse(reply: WireReply, model: string): Encoded {
  const items = responseItems(reply);
  const reason = incompleteReason[finishOf(reply)];
  const response = {
    id: "resp_1",
    object: "response",
    created_at: CREATED,
    model,
    status: reason === undefined ? "completed" : "incomplete",
    error: null,
    incomplete_details: reason === undefined ? null : { reason },
    output: items,
    usage: responsesUsage(reply),
  };
  const open = { ...response, status: "in_progress", output: [], usage: null };
  let number = 0;
  const typed = (type: string, fields: object): WireEvent =>
    event({ type, sequence_number: number++, ...fields }, type);
  const events = [typed("response.created", { response: open }), typed("response.in_progress", { response: open })];
  for (const [i, item] of items.entries()) events.push(...itemEvents(item, i, typed));
  if (reply.streamError !== undefined) {
    events.push(typed("error", { error: { type: "server_error", param: null, ...reply.streamError } }));
    return { document: response, events };
  }
  events.push(typed(reason === undefined ? "response.completed" : "response.incomplete", { response }));
  return { document: response, events };
}

type Typed = (type: string, fields: object) => WireEvent;

function itemEvents(item: { readonly [key: string]: unknown }, index: number, typed: Typed): readonly WireEvent[] {
  const place = { item_id: item["id"], output_index: index };
  const added = (fields: object): WireEvent =>
    typed("response.output_item.added", { output_index: index, item: { ...item, ...fields } });
  const done = typed("response.output_item.done", { output_index: index, item });
  switch (item["type"]) {
    case "reasoning": {
      const text = (item["summary"] as readonly { readonly text: string }[])[0]?.text ?? "";
      const part = { ...place, summary_index: 0 };
      return [
        added({ summary: [], encrypted_content: null }),
        typed("response.reasoning_summary_part.added", { ...part, part: { type: "summary_text", text: "" } }),
        ...piecesOf(text).map((delta) => typed("response.reasoning_summary_text.delta", { ...part, delta })),
        typed("response.reasoning_summary_part.done", { ...part, part: { type: "summary_text", text } }),
        done,
      ];
    }
    case "message": {
      const text = (item["content"] as readonly { readonly text: string }[])[0]?.text ?? "";
      const part = { ...place, content_index: 0 };
      return [
        added({ content: [], status: "in_progress" }),
        typed("response.content_part.added", { ...part, part: { type: "output_text", text: "", annotations: [] } }),
        ...piecesOf(text).map((delta) => typed("response.output_text.delta", { ...part, delta, logprobs: [] })),
        typed("response.output_text.done", { ...part, text, logprobs: [] }),
        typed("response.content_part.done", { ...part, part: { type: "output_text", text, annotations: [] } }),
        done,
      ];
    }
    default: {
      const text = String(item["arguments"]);
      return [
        added({ arguments: "", status: "in_progress" }),
        ...piecesOf(text).map((delta) => typed("response.function_call_arguments.delta", { ...place, delta })),
        typed("response.function_call_arguments.done", { ...place, arguments: text }),
        done,
      ];
    }
  }
}
