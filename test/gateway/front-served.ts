import type { ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { Pawl, type Budget, type Runnable } from "pawl";
import { gateway, spendHooks, type GatewayLimits, type GatewayServer } from "pawl/gateway";
import { pool, type EndpointOptions, type PoolOptions } from "pawl/models";
import { startWireServer, type WireScript, type WireServer } from "pawl/testing";
import type { Store } from "../../src/core/store-contract.ts";
import { memoryStore } from "../../src/testing.ts";
import type { ShiftingClock } from "./shifting-clock.ts";

export interface FrontServed {
  readonly url: string;
  readonly key: string;
  readonly app: Pawl;
  readonly server: GatewayServer;
  /** The provider behind it. */
  readonly upstream: WireServer;
  /** Every answer that the gateway has begun. */
  readonly answers: readonly ServerResponse[];
  readonly post: (path: string, body: unknown, more?: PostOptions) => Promise<Response>;
}
export interface PostOptions {
  readonly headers?: { readonly [name: string]: string };
  readonly signal?: AbortSignal;
}
export interface FrontOptions {
  readonly script: WireScript;
  readonly limits?: GatewayLimits;
  readonly pool?: Partial<PoolOptions>;
  readonly endpoint?: Partial<EndpointOptions>;
  readonly agents?: readonly Runnable[];
  readonly store?: Store;
  readonly clock?: ShiftingClock;
  readonly budgets?: readonly Budget[];
  /** null = nobody knows it. */
  readonly price?: null | { readonly inputUsd: number; readonly outputUsd: number };
}

/** So that a provider that says nothing is given up soon. */
export const deadlines = { headersMs: 300, firstTokenMs: 300, idleMs: 300 };

/** The name of the route that every test asks for. */
export const model = "small";

/** A gateway with its front over a pool of one endpoint, which is a local server that speaks as a provider does. */
export async function frontServed(t: TestContext, options: FrontOptions): Promise<FrontServed> {
  const upstream = await startWireServer(options.script);
  const endpoint: EndpointOptions = {
    name: "up",
    provider: "up",
    model: "up-1",
    at: { baseUrl: upstream.baseUrl("openai-compatible"), key: { env: "UP_KEY" } },
    ...(options.price !== null && {
      price: { inputUsd: 1, outputUsd: 2, source: "test", date: "2026-11-22", ...options.price },
    }),
    ...options.endpoint,
  };
  const models = pool({
    endpoints: [endpoint],
    routes: { [model]: { endpoints: ["up"] } },
    bounds: { retry: { baseMs: 0, capMs: 0 }, deadlines },
    on: { env: { UP_KEY: "sk-upstream-secret" } },
    ...options.pool,
  });
  const none = { requestsPerS: null, startsPerMinute: null, concurrentRuns: null };
  const limits = { key: none, tenant: none, addressRequestsPerS: null, ...options.limits };
  const app = new Pawl({
    store: options.store ?? memoryStore(),
    ...(options.clock && { clock: options.clock }),
    agents: options.agents ?? [],
    models,
    hooks: spendHooks(limits),
    budgets: options.budgets ?? [],
  });
  const server = gateway({ app, limits });
  const answers: ServerResponse[] = [];
  server.app.addHook("onRequest", async (_request, reply) => {
    answers.push(reply.raw);
  });
  const url = await server.listen();
  t.after(async () => {
    await server.close();
    await app.close(0);
    await upstream.close();
  });
  const { key } = await server.gateway.keys.create("acme", {
    name: "test",
    roles: ["run"],
    createdBy: "test",
    principal: "ada",
  });
  const post = (path: string, body: unknown, { headers = {}, signal }: PostOptions = {}): Promise<Response> =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });
  return { url, key, app, server, upstream, answers, post };
}

export const chat = "/v1/chat/completions";

export interface Told {
  readonly status: number;
  readonly text: string;
  readonly code: string | null;
  readonly headers: Headers;
}

export async function tell(served: FrontServed, body: object, path: string = chat): Promise<Told> {
  const answer = await served.post(path, body);
  const text = await answer.text();
  return { status: answer.status, text, code: answer.headers.get("x-pawl-error"), headers: answer.headers };
}

/** The text of a streamed chat, its error, and whether it said that it was whole. */
export function readStream(text: string): {
  readonly said: string;
  readonly error: string | null;
  readonly isWhole: boolean;
} {
  const lines = text.split("\n").filter((line) => line.startsWith("data: "));
  const events = lines.filter((line) => line !== "data: [DONE]").map((line) => JSON.parse(line.slice(6)) as Chunk);
  const said = events.map((event) => event.choices?.[0]?.delta.content ?? "").join("");
  const error = events.find((event) => event.error !== undefined)?.error?.code ?? null;
  return { said, error, isWhole: lines.at(-1) === "data: [DONE]" };
}
interface Chunk {
  readonly choices?: readonly { readonly delta: { readonly content?: string } }[];
  readonly error?: { readonly code: string };
}
