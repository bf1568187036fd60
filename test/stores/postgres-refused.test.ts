import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ErrorCode } from "../../src/core/error-table.ts";
import { PawlError } from "../../src/core/errors.ts";
import { limits } from "../../src/core/limits.ts";
import { postgres } from "../../src/postgres.ts";
import { appendTo, firstOf, nextOf, startRun, turnEnded } from "../../src/testing/suite-journal.ts";
import { readAll, rejectsWith } from "../../src/testing/suite-runs.ts";
import { freePort } from "./free-port.ts";
import { identity, PostgresServer, serverOfFile, skipWithoutPostgres } from "./postgres-server.ts";

const ref = { tenant: "acme", runId: "run-1" };
const options = { skip: skipWithoutPostgres };
const own = serverOfFile(["max_connections=30"]);

/** The message names what is wrong and the next step, and holds no password. */
async function refused(code: ErrorCode, says: RegExp, asked: Promise<unknown>): Promise<void> {
  await assert.rejects(asked, (error) => {
    assert.ok(PawlError.is(error, code), `${code} expected, got ${String(error)}`);
    assert.match(error.message, says);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
}

const opening = (url: string, schema = own.freshSchema()): Promise<void> => own.storeOf(url, { schema }).open();

test("what is no address, schema or number of connections is refused before anything is asked", options, async () => {
  const url = own.server.url;
  for (const wrong of ["", "mysql://127.0.0.1/x", "postgres:", "127.0.0.1:5432"])
    assert.throws(() => postgres(wrong), { code: "OPTION_INVALID" });
  for (const schema of ["", "Pawl", 'a"b', "pg_own", "x".repeat(60)])
    assert.throws(() => postgres(url, { schema }), { code: "OPTION_INVALID" });
  for (const poolMax of [0, 1.5, 100_000]) assert.throws(() => postgres(url, { poolMax }), { code: "OPTION_INVALID" });
  await refused("STORE_CLOSED", /Call open\(\) first/, own.storeOf().readHead(ref));
});

test("each way in which a server cannot be used has its code and its next step", options, async () => {
  const { server } = own;
  await refused("STORE_FORBIDDEN", /Check name and password/, opening(server.urlOf({ password: "secret-but-wrong" })));
  await refused(
    "STORE_FORBIDDEN",
    /Check name and password/,
    opening(`postgres://pawl@127.0.0.1:${server.port}/postgres`),
  );
  await refused("OPTION_INVALID", /no such database.*createdb/, opening(server.urlOf({ database: "nowhere" })));
  await refused("STORE_UNREACHABLE", /Check that it runs/, opening(server.urlOf({ port: await freePort() })));
  await server.ask("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
  await refused("OPTION_INVALID", /encoded in LATIN1.*UTF8/, opening(server.urlOf({ database: "latin" })));
  await server.ask("CREATE DATABASE frozen");
  await server.ask("ALTER DATABASE frozen SET default_transaction_read_only = on");
  await refused("STORE_READ_ONLY", /Name the primary/, opening(server.urlOf({ database: "frozen" })));
});

test("a user without rights is told which one is missing, and with the grant it works", options, async () => {
  const { server } = own;
  const schema = own.freshSchema();
  await own.openStore(server.url, { schema });
  await server.ask("CREATE USER clerk PASSWORD 'secret-of-clerk'");
  const url = server.urlOf({ user: "clerk", password: "secret-of-clerk" });
  await refused("STORE_FORBIDDEN", /user "clerk".*GRANT USAGE ON SCHEMA/, opening(url, schema));
  await refused("STORE_FORBIDDEN", /user "clerk" lacks a right/, opening(url));
  await server.ask(`GRANT USAGE ON SCHEMA ${schema} TO clerk; GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO clerk`);
  await refused("STORE_FORBIDDEN", /lacks INSERT on .*GRANT SELECT, INSERT/, opening(url, schema));
  await server.ask(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO clerk;
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${schema} TO clerk`);
  const store = await own.openStore(url, { schema });
  await appendTo(store, await startRun(store, ref), [turnEnded(1)]);
  assert.equal((await store.putRecord("acme", "key", 1, {})).type, "ok");
});

test("a newer schema, a foreign one and one that lost a table are refused and not changed", options, async () => {
  const { server } = own;
  const [newer, foreign, torn] = [own.freshSchema(), own.freshSchema(), own.freshSchema()];
  await own.openStore(server.url, { schema: newer });
  await server.ask(`INSERT INTO ${newer}.migration (version) VALUES (99)`);
  await refused("STORE_NEWER", /version 99.*newer Pawl/, opening(server.url, newer));
  await server.ask(`CREATE SCHEMA ${foreign}; CREATE TABLE ${foreign}.run (x integer)`);
  await refused("STORE_CORRUPT", /not Pawl's.*Name another/, opening(server.url, foreign));
  assert.equal((await server.ask(`SELECT 1 FROM pg_tables WHERE schemaname = '${foreign}'`)).length, 1);
  const store = await own.openStore(server.url, { schema: torn });
  await server.ask(`DROP TABLE ${torn}.batch`);
  await refused("STORE_CORRUPT", /lost tables.*backup/, store.createRun(ref, firstOf(ref)));
  await refused("STORE_CORRUPT", /lost tables.*backup/, opening(server.url, torn));
});

test("connections that ran out, here or on the server, are told apart", options, async (t) => {
  const schema = own.freshSchema();
  const store = await own.openStore(own.server.url, { schema, poolMax: 1, notify: false });
  const busy = await own.server.connect();
  await busy.query(`BEGIN; LOCK TABLE ${schema}.blob`);
  const blob = store.getBlob("acme", "run:run-1", "hash");
  await own.server.stuck(schema);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const waiting = refused("STORE_UNREACHABLE", /Nothing was sent. Raise poolMax/, store.readHead(ref));
  t.mock.timers.tick(limits.storeCallMs);
  await waiting;
  t.mock.timers.reset();
  await busy.query("ROLLBACK");
  await busy.end();
  assert.equal(await blob, null);
  assert.equal(await store.readHead(ref), null);
  const all = await Promise.allSettled(Array.from({ length: 30 }, () => own.server.connect()));
  await refused("STORE_UNREACHABLE", /no connection left.*max_connections/, opening(own.server.url));
  for (const one of all) if (one.status === "fulfilled") await one.value.end();
});

test("a process that is killed in the middle of a migration leaves nothing half done", options, async () => {
  const { server } = own;
  for (const stopsAt of [
    "CREATE TABLE SCHEMA.record (x integer)",
    "CREATE FUNCTION SCHEMA.now_ms() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
  ]) {
    const schema = own.freshSchema();
    await server.ask(`CREATE SCHEMA ${schema}`);
    // the name is taken by a transaction that has not ended: the migration waits for it
    const holder = await server.connect();
    await holder.query(`BEGIN; ${stopsAt.replace("SCHEMA", schema)}`);
    const script = `const { postgres } = await import(process.argv[1]); await postgres(process.argv[2], { schema: process.argv[3] }).open();`;
    const entry = join(import.meta.dirname, "../../src/postgres.ts");
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, entry, server.url, schema], {
      stdio: "ignore",
    });
    const ended = once(child, "exit");
    await server.stuck(schema, 1, () => child.exitCode === null);
    child.kill("SIGKILL");
    await ended;
    await holder.query("ROLLBACK");
    await holder.end();
    const stores = await Promise.all([1, 2, 3].map(() => own.openStore(server.url, { schema })));
    const versions = await server.ask<{ version: number }>(`SELECT version FROM ${schema}.migration ORDER BY version`);
    assert.deepEqual(
      versions.map(({ version }) => version),
      [1, 2],
    );
    const head = await startRun(stores[0] ?? assert.fail(), ref);
    await appendTo(stores[1] ?? assert.fail(), head, [turnEnded(1)]);
    for (const store of stores) await store.close();
  }
});

test(
  "a database that is older than what it acknowledged is refused after a reconnect, by who saw the newer one",
  options,
  async (t) => {
    const server = await PostgresServer.start();
    t.after(() => server.remove());
    const copy = `${server.data}-copy`;
    for (const happens of ["append", "create"] as const) {
      const schema = own.freshSchema();
      const store = own.storeOf(server.url, { schema });
      await store.open();
      let head = await startRun(store, ref);
      await server.halt();
      execFileSync("cp", ["-a", server.data, copy]);
      await server.boot();
      // the same database again is no reason to refuse
      await store.readHead(ref).catch(() => null);
      head = await appendTo(store, head, [turnEnded(1)]).catch(() => assert.fail("refused too early"));
      if (happens === "append") await appendTo(store, head, [turnEnded(2)]);
      else await startRun(store, { ...ref, runId: "run-2" });
      await server.halt();
      rmSync(server.data, { recursive: true });
      execFileSync("cp", ["-a", copy, server.data]);
      await server.boot();
      const again = store
        .append(ref, nextOf(head, [turnEnded(9)]))
        .catch(() => store.append(ref, nextOf(head, [turnEnded(9)])));
      await refused("STORE_REGRESSED", /has lost seq .*restored backup/, again);
      await refused("STORE_REGRESSED", /start the processes anew/, store.readHead(ref));
      await store.close();
      await store.open();
      assert.equal((await store.readHead(ref))?.seq, 1, "whoever starts anew goes on from the copy");
      await store.close();
      rmSync(copy, { recursive: true });
    }
  },
);

test(
  "another database at the same address is refused after a reconnect; one that lost a deleted run is not",
  options,
  async () => {
    const schema = own.freshSchema();
    const store = await own.openStore(own.server.url, { schema, poolMax: 1, notify: false });
    await startRun(store, ref);
    await store.deleteScope("acme", "run:run-1");
    const cut = (): Promise<unknown> =>
      own.server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pawl'");
    await cut();
    await store.readHead(ref).catch(() => null);
    assert.equal(await store.readHead(ref), null);
    await own.server.ask(`UPDATE ${schema}.meta SET value = 'another' WHERE key = 'identity'`);
    await cut();
    await store.readHead(ref).catch(() => null);
    await refused("STORE_REPLACED", /another database/, store.readHead(ref));
  },
);

test("a replica is read-only, and says that the primary is wanted", options, async (t) => {
  const server = await PostgresServer.start();
  t.after(() => server.remove());
  const schema = own.freshSchema();
  const store = own.storeOf(server.url, { schema });
  await store.open();
  await startRun(store, ref);
  await server.halt();
  writeFileSync(join(server.data, "standby.signal"), "");
  await server.boot();
  await refused("STORE_READ_ONLY", /replica.*Name the primary/, opening(server.url, schema));
  const writing = startRun(store, { ...ref, runId: "run-2" });
  await refused(
    "STORE_READ_ONLY",
    /replica.*Name the primary/,
    writing.catch(() => startRun(store, { ...ref, runId: "run-2" })),
  );
  await store.close();
});

test(
  "a full disk is told by code, keeps what was acknowledged, and is written again when there is room",
  { skip: diskSkip() },
  async (t) => {
    const server = await PostgresServer.start();
    const folder = join(server.folder, "small");
    mkdirSync(folder);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", folder]);
    t.after(async () => {
      await server.halt();
      execFileSync("umount", [folder]);
      await server.remove();
    });
    const { uid, gid } = identity();
    if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
    await server.ask(`CREATE TABLESPACE small LOCATION '${folder}'`);
    await server.ask("CREATE DATABASE small TABLESPACE small");
    const store = await own.openStore(server.urlOf({ database: "small" }), { notify: false });
    const head = await startRun(store, ref);
    const filled: string[] = [];
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 1_000; i++) {
        await store.putBlob("acme", "run:other", `hash-${i}`, crypto.getRandomValues(new Uint8Array(65_536)));
        filled.push(`hash-${i}`);
      }
    };
    await refused("STORE_FULL", /make room/, fill());
    for (const hash of filled) assert.notEqual(await store.getBlob("acme", "run:other", hash), null);
    assert.equal((await readAll(store, head)).length, 1);
    execFileSync("mount", ["-o", "remount,size=64m", folder]);
    await appendTo(store, head, [turnEnded(1)]);
    await store.close();
  },
);

function diskSkip(): false | string {
  if (skipWithoutPostgres !== false) return skipWithoutPostgres;
  if (process.getuid?.() !== 0) return "needs root, to mount a small disk";
  return false;
}

test("a message with a NUL character is refused as it is", options, async () => {
  const store = await own.openStore();
  await rejectsWith("OPTION_INVALID", store.putRecord("acme", "a\u0000b", 1, {}));
});
