import type { TraceFilter } from "../core/trace-contract.ts";
import type { Database, SqlValue } from "./sqlite.ts";

/** A piece of SQL with its values. */
export interface Piece {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

/** Something that a run must be, and how to count and name the few runs that are it. */
interface Condition {
  readonly test: Piece;
  /** Rows to count: at most one more than wanted. null = nothing to count by. */
  readonly counted: Piece | null;
  /** Ids of the runs, for a condition that few of them fulfil. */
  readonly ids: Piece | null;
}

export const sortColumns: { readonly [sort in NonNullable<TraceFilter["sort"]>]: string } = {
  started: "started_at",
  cost: "cost",
  duration: "duration",
  tokens: "tokens",
};

/** What a filter asks of a run, its text excepted. */
export function conditionsOf(tenant: string, filter: TraceFilter): readonly Condition[] {
  const { runnable, statuses, tool, model, principal, threadId, tag, errorGroup } = filter;
  const facets: readonly (readonly [kind: string, values: readonly string[] | undefined])[] = [
    ["runnable", one(runnable)],
    ["status", statuses],
    ["error", one(errorGroup)],
    ["tool", one(tool)],
    ["model", one(model)],
    ["principal", one(principal)],
    ["thread", one(threadId)],
    ["tag", one(tag)],
  ];
  const bounds: readonly (readonly [column: string, sign: ">=" | "<=", value: number | undefined])[] = [
    ["cost", ">=", filter.minCostNanoUsd],
    ["duration", ">=", filter.minDurationMs],
    ["tokens", ">=", filter.minTokens],
    ["started_at", ">=", filter.startedFrom],
    ["started_at", "<=", filter.startedTo],
  ];
  return [
    ...facets.flatMap(([kind, values]) => (values === undefined ? [] : [facetCondition(tenant, kind, values)])),
    ...bounds.flatMap(([column, sign, value]) =>
      value === undefined ? [] : [boundCondition(tenant, [column, sign], value, filter.children === true)],
    ),
  ];
}

function one(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value];
}

function facetCondition(tenant: string, kind: string, values: readonly string[]): Condition {
  const places = values.map(() => "?").join(", ");
  const of = {
    sql: `FROM facet WHERE tenant = ? AND kind = ? AND value IN (${places})`,
    values: [tenant, kind, ...values],
  };
  return {
    test: { sql: `EXISTS (SELECT 1 ${of.sql} AND facet.run = run.id)`, values: of.values },
    counted: { sql: `SELECT 1 ${of.sql}`, values: of.values },
    ids: { sql: `SELECT run ${of.sql}`, values: of.values },
  };
}

const indexed: readonly string[] = ["cost", "duration", "tokens", "started_at"];

function boundCondition(
  tenant: string,
  [column, sign]: readonly [string, string],
  value: number,
  withChildren: boolean,
): Condition {
  const test = { sql: `${column} ${sign} ?`, values: [value] };
  if (withChildren || !indexed.includes(column)) return { test, counted: null, ids: null };
  const index = `root_${column === "started_at" ? "started" : column}`;
  const of = `FROM run INDEXED BY ${index} WHERE tenant = ? AND is_root = 1 AND ${column} ${sign} ?`;
  const values = [tenant, value];
  return { test, counted: { sql: `SELECT 1 ${of}`, values }, ids: { sql: `SELECT id ${of}`, values } };
}

/** Ids of runs that the rarest condition leaves, where these are few; null where none is rare. */
export function rarest(db: Database, conditions: readonly Condition[], few: number): Piece | null {
  let best: { readonly count: number; readonly ids: Piece } | null = null;
  for (const { counted, ids } of conditions) {
    if (counted === null || ids === null) continue;
    const most = best?.count ?? few;
    const count = db.count(`SELECT count(*) FROM (${counted.sql} LIMIT ${most + 1})`, ...counted.values);
    if (count <= most) best = { count, ids };
  }
  return best?.ids ?? null;
}

export function joined(pieces: readonly Piece[]): Piece {
  return {
    sql: pieces.map(({ sql }) => ` AND ${sql}`).join(""),
    values: pieces.flatMap(({ values }) => values),
  };
}
