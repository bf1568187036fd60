import { decodeCursor, encodeCursor } from "../core/cursor.ts";
import type { Effect, EffectStatus } from "../core/effect.ts";
import { PawlError } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import { limits } from "../core/limits.ts";
import type { Page } from "../core/store-contract.ts";
import type { EffectFilter, EffectRow } from "../core/trace-contract.ts";
import { numberOf, textOf, textOrNull, type Database, type Row } from "./sqlite.ts";

/** A tenant's outside actions, newest first. @throws CURSOR_INVALID */
export function effectPage(
  db: Database,
  tenant: string,
  filter: EffectFilter,
  page: { readonly cursor: string | null; readonly limit: number },
): Page<EffectRow> {
  const name = `effects-${hashJson([tenant, ...["statuses", "tool", "runId", "principal"].map((name) => JSON.stringify(Reflect.get(filter, name)) ?? "")]).slice(0, 16)}`;
  const limit = Math.min(limits.tracePage, Math.max(1, Math.trunc(page.limit) || 1));
  const tests: readonly (readonly [sql: string, values: readonly string[] | undefined])[] = [
    [`e.status IN (${(filter.statuses ?? []).map(() => "?").join(", ")})`, filter.statuses],
    ["e.tool = ?", one(filter.tool)],
    // a root's id stands for its tree
    ["? IN (run.run_id, tree.root)", one(filter.runId)],
    ["run.principal = ?", one(filter.principal)],
  ];
  const asked = tests.filter(([, values]) => values !== undefined);
  const after = page.cursor === null ? [Number.MAX_SAFE_INTEGER, 0] : placeOf(name, page.cursor);
  const rows = db.all(
    `SELECT e.*, run.run_id, run.principal, tree.root FROM effect AS e
     JOIN run ON run.id = e.run JOIN tree ON tree.id = run.tree
     WHERE e.tenant = ? AND (e.called_at, e.id) < (?, ?)${asked.map(([sql]) => ` AND ${sql}`).join("")}
     ORDER BY e.called_at DESC, e.id DESC LIMIT ?`,
    tenant,
    ...after,
    ...asked.flatMap(([, values]) => values ?? []),
    limit,
  );
  const last = rows.at(-1);
  const place = last === undefined || rows.length < limit ? null : [numberOf(last, "called_at"), numberOf(last, "id")];
  return { items: rows.map(effectOf), cursor: place === null ? null : encodeCursor(name, place) };
}

function one(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value];
}

function placeOf(name: string, cursor: string): readonly [number, number] {
  const place = decodeCursor(name, cursor);
  const [at, id] = Array.isArray(place) ? (place as readonly unknown[]) : [];
  if (typeof at === "number" && typeof id === "number") return [at, id];
  throw new PawlError("CURSOR_INVALID", "the cursor is none of this listing. Start again without a cursor.");
}

function effectOf(row: Row): EffectRow {
  return {
    runId: textOf(row, "run_id"),
    rootRunId: textOf(row, "root"),
    callId: textOf(row, "call_id"),
    spanId: textOf(row, "span_id"),
    tool: textOf(row, "tool"),
    version: textOf(row, "version"),
    effect: textOf(row, "effect") as Effect,
    status: textOf(row, "status") as EffectStatus,
    key: textOf(row, "key"),
    approver: textOrNull(row, "approver"),
    principal: textOf(row, "principal"),
    input: textOf(row, "input"),
    attempts: numberOf(row, "attempts"),
    calledAt: numberOf(row, "called_at"),
    changedAt: numberOf(row, "at"),
  };
}
