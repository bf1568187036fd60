import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { langGraphSaver } from "pawl/langgraph";
import { redisStore } from "pawl/redis";
import { sqlite } from "pawl/sqlite";
import type { Store } from "../../src/core/store-contract.ts";
import { clientsMissing } from "../run/client-packages.ts";
import { skipBecause } from "../run/system-packages.ts";
import { freshFolder } from "./folders.ts";
import { validateCheckpointer } from "./langgraph-validation.ts";
import { postgres } from "../../src/postgres.ts";
import { PostgresServer, skipWithoutPostgres } from "./postgres-server.ts";
import { RedisServer, skipWithoutRedis } from "./redis-server.ts";

const withoutClients = skipBecause(clientsMissing());

function freshFile(): string {
  const { path, remove } = freshFolder();
  after(remove);
  return join(path, "pawl.db");
}

/** Their suite and a graph of theirs, on an open store of ours. */
async function checkSaver(name: string, open: () => Promise<Store>): Promise<void> {
  let store: Store;
  let made = 0;
  before(async () => {
    store = await open();
  });
  after(() => store.close());
  await validateCheckpointer({
    checkpointerName: name,
    // each is to be empty
    createCheckpointer: () => Promise.resolve(langGraphSaver(store, { tenant: `tenant-${++made}` })),
    destroyCheckpointer: () => Promise.resolve(),
  });
}

suite("LangGraph's own checkpointer suite", { skip: withoutClients }, async () => {
  await suite("on SQLite", async () => {
    const file = freshFile();
    await checkSaver("pawl on SQLite", async () => {
      const store = sqlite(file);
      await store.open();
      return store;
    });
  });
  await suite("on Redis", { skip: skipWithoutRedis }, async () => {
    let server: RedisServer;
    after(() => server.remove());
    await checkSaver("pawl on Redis", async () => {
      server = await RedisServer.start();
      const store = redisStore(server.url);
      await store.open();
      return store;
    });
  });
  await suite("on PostgreSQL", { skip: skipWithoutPostgres }, async () => {
    let server: PostgresServer;
    after(() => server.remove());
    await checkSaver("pawl on PostgreSQL", async () => {
      server = await PostgresServer.start();
      const store = postgres(server.url);
      await store.open();
      return store;
    });
  });
});

test(
  "a LangGraph graph goes on where it was interrupted, on a store that was closed meanwhile",
  { skip: withoutClients },
  async () => {
    const path = new URL("../clients/node_modules/@langchain/langgraph/dist/index.js", import.meta.url).href;
    const { StateGraph, START, END, Annotation, interrupt, Command } = (await import(path)) as never as LangGraph;
    const State = Annotation.Root({ said: Annotation() });
    const build = (store: Store) =>
      new StateGraph(State)
        .addNode("ask", () => ({ said: `hello ${interrupt("who?")}` }))
        .addEdge(START, "ask")
        .addEdge("ask", END)
        .compile({ checkpointer: langGraphSaver(store) });
    const file = freshFile();
    const config = { configurable: { thread_id: "t" } };
    const first = sqlite(file);
    await first.open();
    await build(first).invoke({ said: "" }, config);
    await first.close();
    const second = sqlite(file);
    await second.open();
    assert.deepEqual(await build(second).invoke(new Command({ resume: "world" }), config), { said: "hello world" });
    await langGraphSaver(second).deleteThread("t");
    assert.equal(await langGraphSaver(second).getTuple(config), undefined);
    await second.close();
  },
);

/** What is used of theirs here. */
interface LangGraph {
  readonly Annotation: { (): unknown; Root(channels: object): unknown };
  readonly START: string;
  readonly END: string;
  readonly interrupt: (question: string) => string;
  readonly Command: new (options: { readonly resume: unknown }) => unknown;
  readonly StateGraph: new (state: unknown) => Builder;
}
interface Builder {
  addNode(name: string, node: () => object): Builder;
  addEdge(from: string, to: string): Builder;
  compile(options: object): { invoke(input: unknown, config: object): Promise<unknown> };
}
