import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  openSync,
  closeSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
  mkdirSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import type { ErrorCode } from "../../src/core/error-table.ts";
import { PawlError } from "../../src/core/errors.ts";
import { limits } from "../../src/core/limits.ts";
import type { RunHead } from "../../src/core/run-head.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { integrityOf, sqlite, type SqliteOptions } from "../../src/sqlite.ts";
import { appendTo, firstOf, nextOf, noted, startRun, turnEnded } from "../../src/testing/suite-journal.ts";
import { readAll } from "../../src/testing/suite-runs.ts";
import { freshFolder } from "./folders.ts";
import { Spawned } from "./spawned.ts";

const ref = { tenant: "acme", runId: "run-1" };
const isRoot = process.getuid?.() === 0;

function dbPath(t: TestContext): string {
  const folder = freshFolder();
  t.after(() => folder.remove());
  return join(folder.path, "pawl.db");
}

async function opened(t: TestContext, path: string, options: SqliteOptions = {}): Promise<Store> {
  const store = sqlite(path, { thread: "never", ...options });
  t.after(() => store.close());
  await store.open();
  return store;
}

/** A closed database with `runs` runs of `batches` batches; gives their heads. */
async function filled(path: string, runs = 1, batches = 3): Promise<readonly RunHead[]> {
  const store = sqlite(path, { thread: "never" });
  await store.open();
  const heads = await Promise.all(
    Array.from({ length: runs }, async (_, i) => {
      let head = await startRun(store, { tenant: "acme", runId: `run-${i + 1}` });
      for (let turn = 1; turn <= batches; turn++) head = await appendTo(store, head, [noted("x".repeat(500))]);
      return head;
    }),
  );
  await store.close();
  return heads;
}

/** The promise rejects with this code, and its message names what matters. */
async function refuses(
  promise: Promise<unknown>,
  code: ErrorCode,
  ...named: readonly (string | RegExp)[]
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(PawlError.is(error, code), `${code} expected, got ${String(error)}`);
    for (const one of named)
      assert.match(error.message, typeof one === "string" ? new RegExp(RegExp.escape(one)) : one);
    return true;
  });
}

function edit(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

test("a database of a newer Pawl is refused and left as it is", async (t) => {
  const path = dbPath(t);
  await filled(path);
  edit(path, "PRAGMA user_version = 99");
  const before = readFileSync(path);
  await refuses(sqlite(path).open(), "STORE_NEWER", path, "version 99");
  await refuses(sqlite(path, { readOnly: true }).open(), "STORE_NEWER");
  assert.ok(before.equals(readFileSync(path)));
});

test("a database of another program is refused and left as it is", async (t) => {
  const path = dbPath(t);
  edit(path, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
  const before = readFileSync(path);
  await refuses(sqlite(path).open(), "STORE_CORRUPT", path, "not one of Pawl");
  assert.ok(before.equals(readFileSync(path)));
});

test("a file that is no database is refused and left as it is", async (t) => {
  const path = dbPath(t);
  const text = "these are my notes, not a database\n".repeat(200);
  writeFileSync(path, text);
  await refuses(sqlite(path).open(), "STORE_CORRUPT", path);
  assert.equal(readFileSync(path, "utf8"), text);
});

test("a folder that does not exist, or a path that is a folder, is refused by name", async (t) => {
  const path = dbPath(t);
  await refuses(sqlite(join(path, "deeper", "pawl.db")).open(), "FOLDER_UNUSABLE", join(path, "deeper"));
  mkdirSync(path);
  await refuses(sqlite(path).open(), "FOLDER_UNUSABLE", path);
  assert.throws(() => sqlite(":memory:"), { code: "OPTION_INVALID" });
});

test("a torn file is noticed, and the process goes on", async (t) => {
  const path = dbPath(t);
  await filled(path, 40, 20);
  truncateSync(path, Math.floor(statSync(path).size / 2 / 4096) * 4096);
  const store = sqlite(path, { thread: "never" });
  t.after(() => store.close());
  const codes = new Set<string>();
  const note = (error: unknown): void => void codes.add(PawlError.is(error) ? error.code : String(error));
  await store.open().catch(note);
  for (let i = 1; i <= 40; i++) {
    await store.readEvents({ tenant: "acme", runId: `run-${i}` }, 0, limits.readBytes).catch(note);
  }
  assert.ok(codes.has("STORE_CORRUPT") || codes.has("STORE_REGRESSED"), [...codes].join());
  assert.deepEqual(
    [...codes].filter((code) => !["STORE_CORRUPT", "STORE_REGRESSED", "STORE_CLOSED"].includes(code)),
    [],
  );
});

test("flipped bytes are noticed by the read that meets them and by the check, and the process goes on", async (t) => {
  const path = dbPath(t);
  await filled(path, 40, 20);
  const size = statSync(path).size;
  const file = openSync(path, "r+");
  for (let page = 61; page < size / 4096; page += 3) writeSync(file, Buffer.alloc(64, 0xa5), 0, 64, page * 4096);
  closeSync(file);
  const store = await opened(t, path);
  const codes: string[] = [];
  for (let i = 1; i <= 40; i++) {
    const run = { tenant: "acme", runId: `run-${i}` };
    try {
      const head = await store.readHead(run);
      if (head !== null) await readAll(store, head);
    } catch (error) {
      codes.push(PawlError.is(error) ? error.code : "damage found by the chain");
    }
  }
  assert.ok(codes.includes("STORE_CORRUPT"), codes.join());
  const report = await integrityOf(store).catch((error: unknown) => (PawlError.is(error) ? error.code : String(error)));
  assert.ok(report === "STORE_CORRUPT" || (typeof report === "object" && (report?.problems.length ?? 0) > 0));
});

test("flipped text inside a batch is found by the journal's checksum", async (t) => {
  const path = dbPath(t);
  const [head] = await filled(path);
  edit(path, "UPDATE batch SET line = replace(line, 'xxxxx', 'xxxxy') WHERE first_seq = 3");
  const store = await opened(t, path);
  await assert.rejects(readAll(store, head!), { code: "JOURNAL_CORRUPT" });
});

test("a database that was moved away while open takes no write, and nothing new is put in its place", async (t) => {
  const path = dbPath(t);
  const store = await opened(t, path);
  const head = await startRun(store, ref);
  renameSync(path, `${path}.moved`);
  await refuses(store.append(ref, nextOf(head, [turnEnded(1)])), "STORE_REPLACED", path);
  await refuses(store.readHead(ref), "STORE_REPLACED");
  assert.equal(existsSync(path), false);
  writeFileSync(path, "something else");
  await refuses(store.putRecord("acme", "key", 1, {}), "STORE_REPLACED");
  assert.equal(readFileSync(path, "utf8"), "something else");
  renameSync(`${path}.moved`, path);
  await appendTo(store, head, [turnEnded(1)]);
});

test("a database that is gone while its side files say there was one is not begun anew", async (t) => {
  const path = dbPath(t);
  await filled(path);
  rmSync(path);
  await refuses(sqlite(path).open(), "STORE_REGRESSED", `${path}.hwm`, "had 4");
  assert.equal(existsSync(path), false);
});

test("a restored older copy is refused with both numbers, until somebody accepts it", async (t) => {
  const path = dbPath(t);
  const [head] = await filled(path);
  copyFileSync(path, `${path}.copy`);
  const store = await opened(t, path);
  let next = head!;
  for (let turn = 1; turn <= 5; turn++) next = await appendTo(store, next, [turnEnded(turn)]);
  await store.close();
  renameSync(`${path}.copy`, path);
  await refuses(store.open(), "STORE_REGRESSED", path, "has 4", "had 9", `delete "${path}.hwm"`);
  rmSync(`${path}.hwm`);
  await store.open();
  assert.equal((await store.readHead(ref))?.seq, head!.seq);
});

test("a newer copy, and a mark that nobody can read, are no reason to refuse", async (t) => {
  const path = dbPath(t);
  await filled(path);
  for (const text of ["", "pawl 00", "pawl 9999999999999999 0000000001 00000000\n", "x".repeat(200)]) {
    writeFileSync(`${path}.hwm`, text);
    const store = sqlite(path, { thread: "never" });
    await store.open();
    await store.close();
  }
});

test("only its owner may read a database and the files beside it", async (t) => {
  const path = dbPath(t);
  const store = await opened(t, path);
  await startRun(store, ref);
  const open = readdirSync(join(path, "..")).filter((name) => statSync(join(path, "..", name)).mode & 0o077);
  assert.deepEqual(open, []);
});

test("deleting the newest runs does not look like an older copy", async (t) => {
  const path = dbPath(t);
  const store = await opened(t, path);
  for (let i = 1; i <= 3; i++) {
    const run = { tenant: "acme", runId: `run-${i}` };
    const head = await startRun(store, run);
    await appendTo(store, head, [turnEnded(1), turnEnded(2)]);
    await store.deleteScope("acme", head.blobScope);
    await store.close();
    await store.open();
  }
  assert.match(readFileSync(`${path}.hwm`, "latin1"), /^pawl 0{15}6 /);
});

/** Whoever is not root, and may not write what root made. */
const nobody = 65_534;

test(
  "a database that may not be read and written is refused before anything is created",
  {
    skip: isRoot ? false : "needs root, to become somebody who may not write",
  },
  async (t) => {
    const path = dbPath(t);
    await filled(path);
    const folder = join(path, "..");
    chmodSync(folder, 0o755);
    chmodSync(path, 0o644);
    const files = readdirSync(folder).toSorted();
    const writer = new Spawned({ path, runId: "run-9", uid: nobody });
    const { code, errors } = await writer.ended();
    assert.notEqual(code, 0);
    assert.match(errors, /STORE_READ_ONLY/);
    const reader = new Spawned({ path, runId: "run-9", store: { readOnly: true }, uid: nobody });
    assert.match((await reader.ended()).errors, /STORE_READ_ONLY.*was opened with/s);
    assert.deepEqual(reader.lines, []);
    assert.deepEqual(readdirSync(folder).toSorted(), files);
  },
);

/** A file system of one megabyte. */
function smallDisk(): { readonly path: string; readonly remove: () => void } {
  const folder = freshFolder();
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder.path]);
  return {
    path: folder.path,
    remove: () => {
      execFileSync("umount", [folder.path]);
      folder.remove();
    },
  };
}

function canMount(): false | string {
  if (!isRoot) return "needs root, to mount a small disk";
  try {
    smallDisk().remove();
    return false;
  } catch {
    return "this machine does not let root mount a small disk";
  }
}

for (const thread of ["never", "always"] as const) {
  test(
    `on a full disk writes are refused, reads go on, and writes resume when there is room (thread: ${thread})`,
    {
      skip: canMount(),
    },
    async (t) => {
      const disk = smallDisk();
      const filler = join(disk.path, "filler");
      writeFileSync(filler, Buffer.alloc(300_000));
      const store = sqlite(join(disk.path, "pawl.db"), { thread });
      t.after(async () => {
        await store.close();
        disk.remove();
      });
      await store.open();
      let head = await startRun(store, ref);
      const refused = async (): Promise<string> => {
        for (let i = 0; i < 2_000; i++) {
          const append = nextOf(head, [noted("y".repeat(4_000))]);
          try {
            assert.equal((await store.append(ref, append)).type, "ok");
            head = append.head;
          } catch (error) {
            return PawlError.is(error) ? error.code : String(error);
          }
        }
        return "nothing";
      };
      assert.equal(await refused(), "STORE_FULL");
      assert.equal(await refused(), "STORE_FULL");
      await refuses(store.putBlob("acme", "run:run-1", "h", new Uint8Array(500_000)), "STORE_FULL");
      assert.deepEqual(await store.readHead(ref), head);
      await readAll(store, head);
      rmSync(filler);
      head = await appendTo(store, head, [turnEnded(1)]);
      await readAll(store, head);
    },
  );
}

test("a value that cannot be written fails alone, not what is written with it", async (t) => {
  const store = await opened(t, dbPath(t));
  const runs = await Promise.all(["a", "b", "c"].map((runId) => startRun(store, { tenant: "acme", runId })));
  const appends = runs.map((head) => nextOf(head, [turnEnded(1)]));
  const unwritable = { ...appends[1]!, batch: { ...appends[1]!.batch, line: Symbol("no text") as unknown as string } };
  const answers = await Promise.allSettled([
    store.append(runs[0]!, appends[0]!),
    store.append(runs[1]!, unwritable),
    store.append(runs[2]!, appends[2]!),
    store.createRun({ tenant: "acme", runId: "d" }, firstOf({ tenant: "acme", runId: "d" })),
  ]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled", "fulfilled"],
  );
  await readAll(store, appends[0]!.head);
  await readAll(store, runs[1]!);
  await readAll(store, appends[2]!.head);
  await store.close();
  await store.open();
});

test("a call after close, and before open, is refused", async (t) => {
  const store = sqlite(dbPath(t), { thread: "never" });
  await refuses(store.readHead(ref), "STORE_CLOSED");
  await store.open();
  await store.open();
  const writing = store.createRun(ref, firstOf(ref));
  await store.close();
  assert.deepEqual(await writing, { type: "created" });
  await store.close();
  await refuses(store.readHead(ref), "STORE_CLOSED");
  await refuses(store.append(ref, nextOf(firstOf(ref).head, [turnEnded(1)])), "STORE_CLOSED");
  await store.open();
  assert.equal((await store.readHead(ref))?.seq, 1);
  await store.close();
});

test("a damaged run fails alone, not the runs that are written with it", async (t) => {
  const path = dbPath(t);
  const [first, second] = await filled(path, 2);
  edit(path, "UPDATE run SET snapshot = 'torn' WHERE run_id = 'run-1'");
  const store = await opened(t, path);
  const answers = await Promise.allSettled([
    store.append(first!, nextOf(first!, [turnEnded(1)])),
    store.append(second!, nextOf(second!, [turnEnded(1)])),
  ]);
  assert.deepEqual(answers[1], { status: "fulfilled", value: { type: "ok" } });
  assert.ok(answers[0]?.status === "rejected" && PawlError.is(answers[0].reason, "STORE_CORRUPT"));
});
