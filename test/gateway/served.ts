import { connect } from "node:net";
import { after, before, type TestContext } from "node:test";
import { z } from "zod";
import { agent } from "../../src/agent/agent.ts";
import { isJsonObject, type JsonValue } from "../../src/core/json.ts";
import type { Runnable } from "../../src/core/runnable.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { systemEntropy } from "../../src/engine/system-clock.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import type { PawlOptions } from "../../src/engine/pawl-options.ts";
import {
  gateway,
  type IssuedKey,
  type GatewayLogLine,
  type GatewayOptions,
  type GatewayServer,
  type Role,
} from "../../src/gateway.ts";
import { memoryStore, scriptedModel } from "../../src/testing.ts";
import { tool } from "../../src/tools/tool.ts";
import { ShiftingClock } from "./shifting-clock.ts";

/** One route as the gateway registered it. */
export interface Route {
  readonly method: string;
  readonly url: string;
  readonly role: string;
  readonly isStart: boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; null where it is none. */
  readonly json: JsonValue;
  /** `code` of a problem document. */
  readonly code: string | null;
}

export interface Call {
  readonly key?: string | null;
  readonly body?: unknown;
  readonly raw?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: { readonly [name: string]: string };
}

export interface ServedOptions extends Partial<Omit<GatewayOptions, "app">> {
  readonly store?: Store;
  readonly clock?: ShiftingClock;
  readonly hooks?: PawlOptions["hooks"];
  readonly reviewLinks?: PawlOptions["reviewLinks"];
  readonly agents?: readonly Runnable[];
  readonly worker?: boolean;
}

/** What the payer paid: the only effect that a request can have here. */
export const paid: string[] = [];

/** Answers at once. */
export const greeter: Runnable = agent({ name: "greeter", model: "test/greeter", instructions: "Greet.", tools: [] });
/** Asks a person before it pays. */
export const payer: Runnable = agent({
  name: "payer",
  model: "test/payer",
  instructions: "Pay.",
  tools: [
    tool({
      name: "pay",
      version: "1",
      description: "Pay an invoice.",
      inputSchema: z.object({ invoice: z.string() }),
      effect: "idempotent",
      approval: true,
      execute: async ({ invoice }) => {
        paid.push(invoice);
        return { paid: invoice };
      },
    }),
  ],
});

/** A gateway with its worker on a free port of 127.0.0.1, without limits unless the test sets some. */
export class Served {
  readonly clock: ShiftingClock;
  readonly app: Pawl;
  readonly server: GatewayServer;
  readonly routes: Route[] = [];
  readonly log: GatewayLogLine[] = [];
  url = "";
  #opened: Promise<this> | null = null;

  constructor(options: ServedOptions = {}) {
    const { store, clock, hooks, reviewLinks, agents, worker, ...rest } = options;
    this.clock = clock ?? new ShiftingClock();
    this.app = new Pawl({
      store: store ?? memoryStore({ clock: this.clock }),
      agents: agents ?? [greeter, payer],
      models: scriptedModel(
        {
          "test/greeter": () => ({ text: "Hello." }),
          "test/payer": [{ toolCalls: [{ tool: "pay", input: { invoice: "INV-7" } }] }, { text: "Paid." }],
        },
        { clock: this.clock },
      ),
      clock: this.clock,
      entropy: systemEntropy,
      worker: worker ?? true,
      ...(hooks && { hooks }),
      ...(reviewLinks && { reviewLinks }),
    });
    const noLimits = {
      requestsPerS: null,
      startsPerMinute: null,
      concurrentRuns: null,
      tokensPerDay: null,
      costUsdPerDay: null,
    };
    this.server = gateway({
      limits: { key: noLimits, tenant: noLimits, addressRequestsPerS: null },
      onLog: (line) => this.log.push(line),
      ...rest,
      app: this.app,
    });
    this.server.app.addHook("onRoute", ({ method, url, config }) => {
      this.routes.push({
        method: String(method),
        url,
        role: config?.role ?? "none",
        isStart: config?.isStart === true,
      });
    });
  }

  /** May be called any number of times. */
  open(): Promise<this> {
    this.#opened ??= this.server.listen().then((url) => {
      this.url = url;
      return this;
    });
    return this.#opened;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  async key(
    tenant: string,
    roles: readonly Role[],
    more: { readonly expiresAt?: number; readonly principal?: string } = {},
  ): Promise<IssuedKey> {
    return this.server.gateway.keys.create(tenant, { name: "test", roles, createdBy: "test", ...more });
  }

  async call(method: string, path: string, { key, body, raw, headers }: Call = {}): Promise<Answer> {
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(`${this.url}${path}`, {
      method,
      redirect: "manual",
      headers: {
        ...(typeof key === "string" && { authorization: `Bearer ${key}` }),
        ...(sent !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(sent !== undefined && { body: sent }),
    });
    const text = await response.text();
    const json = parsed(text);
    // the front has its clients' shapes of errors: our code is in a header
    const inBody = isJsonObject(json) && typeof json["code"] === "string" ? json["code"] : null;
    const code = inBody ?? response.headers.get("x-pawl-error");
    return { status: response.status, headers: response.headers, text, json, code };
  }

  /** Bytes as they are, over a socket of their own. @returns what came until the server ended the connection */
  async raw(bytes: string | Uint8Array): Promise<string> {
    const ended = Promise.withResolvers<string>();
    const socket = connect(this.port, "127.0.0.1");
    let got = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      got += chunk;
    });
    // a server that refuses may reset the connection while we still write
    socket.on("error", () => undefined);
    socket.on("close", () => ended.resolve(got));
    socket.write(bytes);
    return ended.promise;
  }

  /** Runs and events of every tenant that the tests use: what no refused request may change. Waits until nothing moves. */
  async traces(): Promise<string> {
    const list = () => Promise.all(["acme", "globex"].map((tenant) => this.app.store.list(tenant, {}, null, 200)));
    for (const { items } of await list())
      await Promise.all(items.map(({ runId, tenant }) => this.app.run(runId, tenant).result()));
    const pages = await list();
    return JSON.stringify(pages.map(({ items }) => items.map(({ runId, seq, status }) => [runId, seq, status])));
  }

  async close(): Promise<void> {
    await this.server.close();
    await this.app.close(0);
  }
}

/** One for all tests of a file. */
export function servedForFile(options: ServedOptions = {}): Served {
  const one = new Served(options);
  before(async () => {
    await one.open();
  });
  after(() => one.close());
  return one;
}

/** One for a test. */
export async function served(t: TestContext, options: ServedOptions = {}): Promise<Served> {
  const one = new Served(options);
  t.after(() => one.close());
  return one.open();
}

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return null;
  }
}
