import type { Message, ToolCallPart } from "../../src/core/message.ts";
import { userText } from "../../src/core/message.ts";
import type {
  GenerateOptions,
  ModelEndpoint,
  ModelParams,
  ModelPart,
  ModelRequest,
  ToolSpec,
} from "../../src/core/model-contract.ts";
import { modelSource, type ModelSourceOptions } from "../../src/models/model-source.ts";
import type { Environment } from "../../src/models/provider-endpoint.ts";
import { startWireServer, type WireScript, type WireServer } from "../../src/testing/wire-server.ts";

/** One route per interface that the adapters speak. */
export const routes = {
  responses: "openai/gpt-6.1-sol",
  chat: "openai-compatible/qwen",
  messages: "anthropic/claude-sonnet-5-5",
  google: "google/gemini-4-argon",
  direct: "openai-compatible/qwen",
} as const;
export type Interface = keyof typeof routes;
export const interfaces: readonly Exclude<Interface, "direct">[] = ["responses", "chat", "messages", "google"];
/** With the one that does without a provider's package: a chat completion sent as its caller wrote it. */
export const wires: readonly Interface[] = [...interfaces, "direct"];

export function optionsFor(which: Interface, stream: boolean): GenerateOptions {
  const chat = { messages: [{ role: "user", content: "How is the weather?" }] };
  return generateOptions(stream, which === "direct" ? { chat } : {});
}

/** Not real, but in the form of one: a test looks for it in messages. */
export const KEY = "sk-test-5up3rs3cr3tKEY0123456789";

export const env: Environment = {
  OPENAI_API_KEY: KEY,
  ANTHROPIC_API_KEY: KEY,
  GOOGLE_GENERATIVE_AI_API_KEY: KEY,
  OPENAI_COMPATIBLE_API_KEY: KEY,
};

export function wired(server: Pick<WireServer, "baseUrl">, options: ModelSourceOptions = {}): ModelSourceOptions {
  const names = ["openai", "openai-compatible", "anthropic", "google"] as const;
  const providers = Object.fromEntries(
    names.map((name) => [name, { baseUrl: server.baseUrl(name), ...options.providers?.[name] }]),
  );
  return { env, ...options, providers: { ...options.providers, ...providers } };
}

export function endpointOf(route: string, options: ModelSourceOptions): ModelEndpoint {
  const next = modelSource(options).next(route, [], 0);
  if (next.type === "give-up") throw new Error(`${next.error.code}: ${next.error.message}`);
  return next.endpoint;
}

/** A wire server for the time of one call. */
export async function withServer<T>(script: WireScript, use: (server: WireServer) => Promise<T>): Promise<T> {
  const server = await startWireServer(script);
  try {
    return await use(server);
  } finally {
    await server.close();
  }
}

export const weatherTool: ToolSpec = {
  name: "get_weather",
  description: "Weather of a city.",
  inputSchema: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};

export function requestOf(
  messages: readonly Message[] = [userText("How is the weather?")],
  params: Partial<ModelParams> = {},
): ModelRequest {
  return { system: "Be brief.", messages, tools: [weatherTool], params: { maxOutputTokens: 1_000, ...params } };
}

export type Finish = Extract<ModelPart, { readonly type: "finish" }>;
export interface Answer {
  readonly finish: Finish;
  readonly deltas: readonly Exclude<ModelPart, Finish>[];
}

export async function collect(parts: AsyncIterable<ModelPart>): Promise<Answer> {
  const deltas: Exclude<ModelPart, Finish>[] = [];
  let finish: Finish | undefined;
  for await (const part of parts) {
    if (finish !== undefined) throw new Error("a part came after finish");
    if (part.type === "finish") finish = part;
    else deltas.push(part);
  }
  if (finish === undefined) throw new Error("no finish came");
  return { finish, deltas };
}

export function generateOptions(stream: boolean, options: Partial<GenerateOptions> = {}): GenerateOptions {
  return { signal: new AbortController().signal, requestId: "run-1:c1", stream, ...options };
}

/** Asks one interface of a server once. */
export function ask(
  server: WireServer,
  which: Interface,
  stream: boolean,
  given: { readonly request?: ModelRequest; readonly options?: ModelSourceOptions } = {},
): Promise<Answer> {
  const endpoint = endpointOf(routes[which], wired(server, given.options));
  return collect(endpoint.generate(given.request ?? requestOf(), optionsFor(which, stream)));
}

export function callsOf(answer: Answer): readonly ToolCallPart[] {
  return answer.finish.content.filter((part) => part.type === "tool-call");
}

export function textOf(answer: Answer): string {
  return answer.finish.content.map((part) => (part.type === "text" ? part.text : "")).join("");
}
