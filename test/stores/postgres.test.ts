import { after, before, test } from "node:test";
import { postgres, type PostgresOptions } from "../../src/postgres.ts";
import type { StoreUnderTest } from "../../src/testing/store-claims.ts";
import { storeClaims, storeSuite } from "../../src/testing/store-suite.ts";
import { type Pooler, skipWithoutPooler, startPooler } from "./postgres-pooler.ts";
import { PostgresServer, skipWithoutPostgres } from "./postgres-server.ts";

let server: PostgresServer;
let pooler: Pooler | null = null;
let schemas = 0;

before(async () => {
  if (skipWithoutPostgres !== false) return;
  server = await PostgresServer.start();
  await server.ask("CREATE DATABASE strict");
  await server.ask("ALTER DATABASE strict SET default_transaction_isolation = 'serializable'");
  if (skipWithoutPooler === false) pooler = await startPooler(server);
});
after(async () => {
  if (skipWithoutPostgres !== false) return;
  await pooler?.stop();
  await server.remove();
});

interface Place extends PostgresOptions {
  readonly database?: string;
  readonly port?: number;
}

/** A schema of its own for each test. Its clock is the server's: moving it is giving its function another body. */
async function openStore({
  database = "postgres",
  port = server.port,
  ...options
}: Place = {}): Promise<StoreUnderTest> {
  const schema = `suite_${++schemas}`;
  const store = postgres(server.urlOf({ database, port }), { schema, ...options });
  await store.open();
  let passed = 0;
  return {
    store,
    passTime: async (ms) => {
      passed += ms;
      const clock = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint + ${passed}`;
      await server.ask(
        `CREATE OR REPLACE FUNCTION ${schema}.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT ${clock} $$`,
        [],
        database,
      );
    },
    dispose: async () => {
      await store.close();
      await server.ask(`SET client_min_messages = warning; DROP SCHEMA ${schema} CASCADE`, [], database);
    },
  };
}

const skipAll = (reason: false | string): { readonly [claim: string]: string } =>
  reason === false ? {} : Object.fromEntries(Object.keys(storeClaims).map((claim) => [claim, reason]));

storeSuite({ name: "postgres", make: () => openStore(), skip: skipAll(skipWithoutPostgres) });
storeSuite({
  name: "postgres behind a pooler",
  make: () => openStore({ port: pooler?.port ?? 0 }),
  skip: skipAll(skipWithoutPooler),
});

for (const [claim, check] of Object.entries(storeClaims).filter(([name]) => name.includes("at once")))
  test(`postgres where the server undoes what collides: ${claim}`, { skip: skipWithoutPostgres }, async () => {
    const under = await openStore({ database: "strict" });
    try {
      await check(under);
    } finally {
      await under.dispose();
    }
  });
