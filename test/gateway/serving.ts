import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { agent, durable, Pawl, tool, type PawlOptions, type Runnable } from "pawl";
import { gateway, type GatewayServer, type IssuedKey, type Role } from "pawl/gateway";
import { sqlite } from "pawl/sqlite";
import { scriptedModel, type ScriptedModel, type ScriptedTurn } from "pawl/testing";
import { z } from "zod";
import type { TraceIndex } from "../../src/core/trace-contract.ts";
import { freshFolder } from "../stores/folders.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed body; a text where it is none. */
  readonly body: unknown;
}

export interface Served {
  readonly app: Pawl;
  readonly server: GatewayServer;
  readonly url: string;
  readonly models: ScriptedModel;
  /** Keys with every role: of the tenant `acme`, and of the tenant `globex`. */
  readonly key: string;
  readonly otherKey: string;
  readonly keyFor: (tenant: string, roles: readonly Role[]) => Promise<IssuedKey>;
  readonly ask: (method: string, path: string, options?: AskOptions) => Promise<Answer>;
  /** What the effects of the tools were, in order. */
  readonly done: readonly string[];
}
export interface AskOptions {
  readonly body?: unknown;
  readonly key?: string | null;
  readonly headers?: { readonly [name: string]: string };
}

/** Agents that show everything the API is about: text, an approval, an effect that gets lost, a wait. */
export function demoAgents(done: string[]): readonly Runnable[] {
  const refund = tool({
    name: "refund",
    version: "1",
    description: "Refund one charge.",
    inputSchema: z.object({ invoiceId: z.string(), amountUsd: z.number().positive() }),
    effect: "idempotent",
    approval: true,
    execute: (input) => {
      done.push(`refund ${input.invoiceId} ${input.amountUsd}`);
      return { refunded: input.amountUsd };
    },
  });
  const letter = tool({
    name: "send_letter",
    version: "1",
    description: "Send a letter.",
    inputSchema: z.object({ to: z.string() }),
    effect: "once",
    execute: ({ to }) => {
      done.push(`letter ${to}`);
      throw new Error("the post office does not answer");
    },
  });
  const writer = agent({
    name: "writer",
    model: "test/writer",
    instructions: "Write.",
    samples: ["Write a line."],
    limits: { turns: 5, costUsd: 1 },
  });
  const billing = agent({ name: "billing", model: "test/billing", instructions: "Settle.", tools: [refund] });
  const post = agent({ name: "post", model: "test/post", instructions: "Send.", tools: [letter] });
  const waiter = durable({
    name: "waiter",
    version: "1",
    input: z.object({ name: z.string() }),
    run: async (ctx, input) => ctx.waitForSignal(input.name),
  });
  return [writer, billing, post, waiter];
}

const scripts: { readonly [route: string]: readonly ScriptedTurn[] } = {
  "test/writer": [{ text: "A line, written." }],
  "test/billing": [
    { toolCalls: [{ tool: "refund", input: { invoiceId: "INV-7", amountUsd: 80 } }] },
    { text: "Refunded." },
  ],
  "test/post": [{ toolCalls: [{ tool: "send_letter", input: { to: "Ada" } }] }, { text: "Sent." }],
};

export interface ServeOptions {
  readonly traces?: (store: Pawl["store"], folder: string) => TraceIndex;
  readonly agents?: (done: string[]) => readonly Runnable[];
  readonly models?: ScriptedModel;
  readonly budgets?: PawlOptions["budgets"];
}

/** A gateway on a free port of this machine, over a database file, until the test ends. */
export async function serve(t: TestContext, options: ServeOptions = {}): Promise<Served> {
  const folder = freshFolder();
  const done: string[] = [];
  const models = options.models ?? scriptedModel(scripts);
  const store = sqlite(join(folder.path, "pawl.db"));
  const app = new Pawl({ store, agents: (options.agents ?? demoAgents)(done), models, budgets: options.budgets ?? [] });
  await app.open();
  const traces = options.traces?.(store, folder.path);
  await traces?.open();
  const none = { requestsPerS: null, startsPerMinute: null, concurrentRuns: null };
  const server = gateway({
    app,
    ...(traces && { traces }),
    limits: { key: none, tenant: none, addressRequestsPerS: null },
  });
  const url = await server.listen();
  t.after(async () => {
    await server.close();
    await traces?.close();
    await app.close(0);
    folder.remove();
  });
  const keyFor = (tenant: string, roles: readonly Role[]): Promise<IssuedKey> =>
    server.gateway.keys.create(tenant, { name: "test", roles, createdBy: "test", principal: `${tenant}-user` });
  const { key } = await keyFor("acme", ["admin"]);
  const { key: otherKey } = await keyFor("globex", ["admin"]);
  return { app, server, url, models, key, otherKey, keyFor, done, ask: (...given) => ask(url, key, ...given) };
}

async function ask(
  url: string,
  ownKey: string,
  method: string,
  path: string,
  { body, key = ownKey, headers = {} }: AskOptions = {},
): Promise<Answer> {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      ...(key !== null && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  return { status: response.status, headers: response.headers, body: isJson ? (JSON.parse(text) as unknown) : text };
}

/** The body of an answer that must have this status. */
export function bodyOf<T>(answer: Answer, status = 200): T {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  return answer.body as T;
}

/** The answer must be a problem document with this code. */
export function refused(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
  assert.equal((answer.body as { readonly code: string }).code, code);
}
