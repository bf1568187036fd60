import assert from "node:assert/strict";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { test } from "node:test";
import { Folder, writeDocs } from "./terminal.ts";

/** A folder with one finished run, whose database is then changed behind Pawl's back. */
async function damaged(change: (db: DatabaseSync) => void): Promise<Folder> {
  const folder = new Folder();
  writeDocs(folder);
  const words = ["demo", "When was the old pear tree planted?", "--docs", "docs", "--no-save", "--run-id", "r"];
  assert.equal((await folder.pawl(...words)).code, 0);
  const db = new DatabaseSync(`${folder.path}/.pawl/pawl.db`);
  change(db);
  db.close();
  return folder;
}

function value(db: DatabaseSync, sql: string, ...values: SQLInputValue[]): unknown {
  return Object.values(db.prepare(sql).get(...values) ?? {})[0];
}

test("an untouched database is as its journals say", async () => {
  const folder = await damaged(() => undefined);
  const { code, out } = await folder.pawl("verify");
  assert.equal(code, 0);
  assert.match(out, /✓ 1 run, \d+ events: chain, checksums, heads, snapshots and blobs are as their journals say/);
});

test("a changed batch, a changed head and a missing batch are each found and named, with exit 1", async () => {
  const batch = await damaged((db) => {
    const line = String(value(db, "SELECT line FROM batch ORDER BY first_seq LIMIT 1 OFFSET 2"));
    db.prepare("UPDATE batch SET line = ? WHERE line = ?").run(line.replace(/"at":\d/, `"at":9`), line);
  });
  const changed = await batch.pawl("verify", "r");
  assert.equal(changed.code, 1, changed.out);
  assert.match(changed.out, /✗ run r: JOURNAL_CORRUPT: .*checksum/);

  const head = await damaged((db) => {
    const text = String(value(db, "SELECT head FROM run"));
    db.prepare("UPDATE run SET head = ?").run(text.replace(`"status":"completed"`, `"status":"failed"`));
  });
  const lied = await head.pawl("verify");
  assert.equal(lied.code, 1, lied.out);
  assert.match(lied.out, /✗ run r: head\.status is "failed", its journal says "completed"/);

  const gap = await damaged((db) => {
    db.exec("DELETE FROM batch WHERE first_seq = (SELECT max(first_seq) FROM batch)");
  });
  const short = await gap.pawl("verify");
  assert.equal(short.code, 1, short.out);
  assert.match(short.out, /✗ run r: .*the head says \d+ events, the journal has \d+/);
});
