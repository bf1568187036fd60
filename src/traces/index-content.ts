import { isEnd } from "../core/run-outcome.ts";
import { spanIdOf } from "../core/trace-ids.ts";
import type { Doc, EffectWrite, RunDelta } from "./run-delta.ts";
import { searchable, shortTokens } from "./search-text.ts";
import type { Database } from "./sqlite.ts";

// What is searched, and the outside actions. Every function is to be called inside a transaction.

/** Ids of docs that one tree has room for: 2^22 of 2^53. */
const DOCS_PER_TREE = 4_194_304;

export function writeEffects(db: Database, run: number, { run: traced, effects }: RunDelta): void {
  for (const one of effects) {
    if (one.type === "news") changeEffect(db, run, one);
    else {
      const { callId, tool, version, effect, key } = one.event;
      db.run(
        `INSERT OR REPLACE INTO effect (tenant, run, call_id, span_id, tool, version, effect, status, key, input, attempts, called_at, at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`,
        traced.tenant,
        run,
        callId,
        spanIdOf(traced, `call:${callId}`),
        tool,
        version,
        effect,
        one.status,
        key,
        one.input,
        one.at,
        one.at,
      );
    }
  }
  // nothing starts any more; of what had started, nobody told the end
  if (isEnd(traced.status))
    db.run(
      `UPDATE effect SET status = CASE status WHEN 'held' THEN 'refused' ELSE 'unknown' END
       WHERE run = ? AND status IN ('held', 'started')`,
      run,
    );
}

function changeEffect(db: Database, run: number, news: EffectWrite & { readonly type: "news" }): void {
  const [column, value] = "callId" in news.by ? ["call_id", news.by.callId] : ["approval", news.by.approvalId];
  db.run(
    `UPDATE effect SET at = ?, status = coalesce(?, status), attempts = coalesce(?, attempts),
       approval = coalesce(?, approval), approver = coalesce(?, approver), input = coalesce(?, input)
       WHERE run = ? AND ${column} = ?`,
    news.at,
    news.status ?? null,
    news.attempts ?? null,
    news.approvalId ?? null,
    news.approver ?? null,
    news.input ?? null,
    run,
    value,
  );
}

export function writeDocs(
  db: Database,
  known: { readonly id: number; readonly tree: number },
  tenant: string,
  docs: readonly Doc[],
): void {
  if (docs.length === 0) return;
  const mark = tenantMark(tenantNumber(db, tenant));
  let next = db.count("SELECT docs FROM tree WHERE id = ?", known.tree);
  for (const { spanId, field, text } of docs) {
    const folded = searchable(text);
    if (folded.trim() === "" || next >= DOCS_PER_TREE) continue;
    const id = firstDocOf(known.tree) + next++;
    const values = [id, known.id, spanId, field, text];
    db.run("INSERT INTO doc (id, run, span_id, field, text) VALUES (?, ?, ?, ?, ?)", ...values);
    db.run("INSERT INTO tri (rowid, text) VALUES (?, ?)", id, `${mark} ${folded}`);
    db.run("INSERT INTO short (rowid, text) VALUES (?, ?)", id, `${mark} ${shortTokens(folded)}`);
  }
  db.run("UPDATE tree SET docs = ? WHERE id = ?", next, known.tree);
}

function tenantNumber(db: Database, tenant: string): number {
  const known = db.count("SELECT id FROM tenant WHERE name = ?", tenant);
  return known === 0 ? db.insert("INSERT INTO tenant (name) VALUES (?)", tenant) : known;
}

/** Ids of a tree's docs: from this one up to the next tree's. */
export function firstDocOf(tree: number): number {
  return tree * DOCS_PER_TREE;
}

export function treeOfDoc(id: number): number {
  return Math.floor(id / DOCS_PER_TREE);
}

/** Three signs that no folded text has, in every doc of a tenant: a search begins among these. */
export function tenantMark(tenant: number): string {
  return String.fromCharCode(0xe000, 0xe001 + (tenant % 6_000), 0xe001 + Math.floor(tenant / 6_000));
}
