import { after, before } from "node:test";
import { postgres, type PostgresOptions } from "../../src/postgres.ts";
import type { StoreUnderTest } from "../../src/testing/store-claims.ts";
import { storeClaims, storeSuite } from "../../src/testing/store-suite.ts";
import { PostgresServer, skipWithoutPostgres } from "./postgres-server.ts";

let server: PostgresServer;
let schemas = 0;

before(async () => {
  if (skipWithoutPostgres === false) server = await PostgresServer.start();
});
after(async () => {
  if (skipWithoutPostgres === false) await server.remove();
});

/** A schema of its own for each test. Its clock is the server's: moving it is giving its function another body. */
async function openStore(options: PostgresOptions = {}): Promise<StoreUnderTest> {
  const schema = `suite_${++schemas}`;
  const store = postgres(server.url, { schema, ...options });
  await store.open();
  let passed = 0;
  return {
    store,
    passTime: async (ms) => {
      passed += ms;
      await server.ask(`CREATE OR REPLACE FUNCTION ${schema}.now_ms() RETURNS bigint LANGUAGE sql VOLATILE
        AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint + ${passed} $$`);
    },
    dispose: async () => {
      await store.close();
      await server.ask(`SET client_min_messages = warning; DROP SCHEMA ${schema} CASCADE`);
    },
  };
}

const reason = skipWithoutPostgres;
const skip = reason === false ? {} : Object.fromEntries(Object.keys(storeClaims).map((claim) => [claim, reason]));

storeSuite({ name: "postgres", make: () => openStore(), skip });
