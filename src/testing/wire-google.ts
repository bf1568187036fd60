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

const finishReason: { readonly [finish in WireFinish]: string } = {
  stop: "STOP",
  "tool-calls": "STOP",
  length: "MAX_TOKENS",
  "content-filter": "SAFETY",
  unknown: "MOON_PHASE",
};

const statusNames: { readonly [status: number]: string } = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
  503: "UNAVAILABLE",
};

/** Google's generateContent. */
export const googleFormat: WireFormat = {
  name: "google",
  matches: (path) => /:(generateContent|streamGenerateContent)/.test(path),
  isStream: (path) => path.includes(":streamGenerateContent"),
  modelOf: (path) => /models\/([^:]+):/.exec(path)?.[1] ?? "unknown",
  encode: (reply, model) => ({ document: googleDocument(reply, model), events: googleEvents(reply, model) }),
  errorBody: ({ status, message = "The request failed." }) => ({
    error: { code: status, message, status: statusNames[status] ?? "INTERNAL" },
  }),
};

function usageOf(reply: WireReply): object | null {
  if (reply.usage === null) return null;
  const { input, output, cached = 0, reasoning = 0 } = reply.usage ?? defaultWireUsage;
  return {
    promptTokenCount: input,
    cachedContentTokenCount: cached,
    candidatesTokenCount: output - reasoning,
    thoughtsTokenCount: reasoning,
    totalTokenCount: input + output,
  };
}

type Part = { readonly [key: string]: unknown };

/** Arguments are an object on this wire; where they are not, the model says that it failed to write them. */
function callPart(name: string | null, text: string, signature: string | undefined): Part | null {
  try {
    const args: unknown = JSON.parse(text === "" ? "{}" : text);
    const named = name === null ? {} : { name };
    const signed = signature === undefined ? {} : { thoughtSignature: signature };
    return { functionCall: { ...named, args }, ...signed };
  } catch {
    return null;
  }
}

function partsOf(reply: WireReply): { readonly parts: readonly Part[]; readonly isBroken: boolean } {
  const parts: Part[] = [];
  if (reply.reasoning !== undefined) parts.push({ text: reply.reasoning, thought: true });
  if (reply.text !== undefined) parts.push({ text: reply.text });
  let isBroken = false;
  for (const [i, call] of (reply.toolCalls ?? []).entries()) {
    const part = callPart(call.name, call.arguments, i === 0 ? reply.reasoningSecret : undefined);
    if (part === null) isBroken = true;
    else parts.push(part);
  }
  return { parts, isBroken };
}

function googleDocument(reply: WireReply, model: string): unknown {
  const { parts, isBroken } = partsOf(reply);
  const usage = usageOf(reply);
  const reason = isBroken ? "MALFORMED_FUNCTION_CALL" : finishReason[finishOf(reply)];
  return {
    responseId: "resp-1",
    modelVersion: model,
    candidates: [{ index: 0, content: { role: "model", parts }, finishReason: reason }],
    ...(usage === null ? {} : { usageMetadata: usage }),
  };
}

function googleEvents(reply: WireReply, model: string): readonly WireEvent[] {
  const base = { responseId: "resp-1", modelVersion: model };
  const usage = usageOf(reply);
  const { parts, isBroken } = partsOf(reply);
  const chunk = (part: Part): WireEvent =>
    event({ ...base, candidates: [{ index: 0, content: { role: "model", parts: [part] } }] });
  const events = parts.flatMap((part) => {
    const { text, ...rest } = part;
    return typeof text === "string" ? piecesOf(text).map((piece) => chunk({ ...rest, text: piece })) : [chunk(part)];
  });
  if (reply.streamError !== undefined) {
    const { message, code } = reply.streamError;
    return [...events, event({ error: { code: 503, message, status: code } })];
  }
  const reason = isBroken ? "MALFORMED_FUNCTION_CALL" : finishReason[finishOf(reply)];
  const last = {
    ...base,
    candidates: [{ index: 0, content: { role: "model", parts: [{ text: "" }] }, finishReason: reason }],
  };
  return [...events, event({ ...last, ...(usage === null ? {} : { usageMetadata: usage }) })];
}
