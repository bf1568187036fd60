import type { CostKey, CostQuery, CostRow, ErrorGroup, TraceFilter, TraceIndexSize } from "../core/trace-contract.ts";
import { othersKey } from "./cost.ts";
import { dayOf } from "./index-writer.ts";
import { conditionsOf, joined, type Piece } from "./run-conditions.ts";
import { usageOfRow } from "./span-sums.ts";
import { fileBytes, numberOf, textOf, type Database, type Row, type SqlValue } from "./sqlite.ts";

export const COST_ROWS_MAX = 1_000;
const SAMPLES = 5;

/** How each key is read, and what else is needed for it. */
const costKeys: {
  readonly [by in CostKey]: { readonly key: string; readonly join?: string; readonly where?: string };
} = {
  day: { key: "cost.day" },
  model: { key: "cost.model", where: "cost.model <> ''" },
  tool: { key: "cost.tool", where: "cost.tool <> ''" },
  tenant: { key: "cost.tenant" },
  runnable: { key: "run.runnable" },
  principal: { key: "run.principal" },
  threadId: { key: "run.thread", where: "run.thread IS NOT NULL" },
  tag: { key: "tag.value", join: "JOIN json_each(run.tags) AS tag" },
  runId: { key: "run.run_id" },
  rootRunId: { key: "tree.root", join: "JOIN tree ON tree.id = run.tree" },
};

const costSums = ["calls", "input", "cached", "cache_write", "output", "reasoning", "cost", "unpriced", "assumed"];

/**
 * Sums of a tenant's bills: by day in order of days, else the dearest first. What there is no room for is one more row,
 * the last, with the key `(others)`, so that the rows add up to what all of them cost.
 */
export function costRows(db: Database, tenant: string, query: CostQuery): readonly CostRow[] {
  const { by, from, to, limit = 100, agent, model, tool, user, thread } = query;
  const { key, join = "", where } = costKeys[by];
  const bounds: readonly (readonly [sql: string, value: string | undefined])[] = [
    ["cost.day >= ?", from === undefined ? undefined : dayOf(from)],
    ["cost.day <= ?", to === undefined ? undefined : dayOf(to)],
    ["cost.model = ?", model],
    ["cost.tool = ?", tool],
    ["run.runnable = ?", agent],
    ["run.principal = ?", user],
    ["run.thread = ?", thread],
  ];
  const asked = bounds.filter(([, value]) => value !== undefined);
  const needsRun = !key.startsWith("cost.") || asked.some(([sql]) => sql.startsWith("run."));
  const shown = Math.min(COST_ROWS_MAX, Math.max(1, limit));
  const grouped = `SELECT ${key} AS key, ${costSums.map((name) => `sum(cost.${name}) AS ${name}`).join(", ")} FROM cost
     ${needsRun ? "JOIN run ON run.id = cost.run" : ""} ${join} WHERE cost.tenant = ?
     ${asked.map(([sql]) => `AND ${sql}`).join(" ")} ${where === undefined ? "" : `AND ${where}`}
     GROUP BY 1 ORDER BY ${by === "day" ? "1 DESC" : "cost DESC, calls DESC, 1"} LIMIT ?`;
  const values = [tenant, ...asked.flatMap(([, value]) => value ?? [])];
  const rows = db.all(grouped, ...values, shown + 1);
  if (rows.length <= shown) return rows.map((row) => costRowOf(row, textOf(row, "key")));
  const rest = db.get(
    `SELECT ${costSums.map((name) => `sum(${name}) AS ${name}`).join(", ")} FROM (${grouped} OFFSET ?)`,
    ...values,
    -1,
    shown,
  );
  const first = rows.slice(0, shown).map((row) => costRowOf(row, textOf(row, "key")));
  return rest === undefined ? first : [...first, costRowOf(rest, othersKey)];
}

function costRowOf(row: Row, key: string): CostRow {
  return {
    key,
    calls: numberOf(row, "calls"),
    usage: usageOfRow(row),
    costNanoUsd: numberOf(row, "cost"),
    unpricedCalls: numberOf(row, "unpriced"),
    assumedCalls: numberOf(row, "assumed"),
  };
}

/**
 * Failures by kind, the most frequent first, of the trees that a filter leaves.
 * @param among ids of roots, where words were asked for; null = all
 */
export function errorGroupRows(
  db: Database,
  tenant: string,
  filter: TraceFilter,
  { limit, among }: { readonly limit: number; readonly among: readonly string[] | null },
): readonly ErrorGroup[] {
  const of = failuresOf(tenant, filter, among);
  const rows = db.all(
    `SELECT f.grp, count(*) AS count, count(DISTINCT root.id) AS runs, min(f.at) AS first, max(f.at) AS last
     ${of.sql} GROUP BY f.grp ORDER BY count DESC, last DESC, f.grp LIMIT ?`,
    ...of.values,
    Math.min(COST_ROWS_MAX, Math.max(1, limit)),
  );
  return rows.map((row) => {
    const id = textOf(row, "grp");
    const group = db.get("SELECT title, code, place FROM error_group WHERE tenant = ? AND id = ?", tenant, id) ?? {};
    const cost = db.count(
      `SELECT sum(cost) FROM (SELECT DISTINCT root.id, root.cost AS cost ${of.sql} AND f.grp = ?)`,
      ...of.values,
      id,
    );
    const samples = db.all(
      `SELECT root.run_id AS id, max(f.at) AS at ${of.sql} AND f.grp = ? GROUP BY root.id ORDER BY at DESC LIMIT ${SAMPLES}`,
      ...of.values,
      id,
    );
    return {
      id,
      title: textOf(group, "title"),
      code: textOf(group, "code"),
      place: textOf(group, "place"),
      count: numberOf(row, "count"),
      runs: numberOf(row, "runs"),
      firstAt: numberOf(row, "first"),
      lastAt: numberOf(row, "last"),
      costNanoUsd: cost,
      samples: samples.map((sample) => textOf(sample, "id")),
    };
  });
}

/** Failures, each with the root of its tree: a filter is about that. */
function failuresOf(tenant: string, filter: TraceFilter, among: readonly string[] | null): Piece {
  const conditions = joined(conditionsOf(tenant, { ...filter, children: true }).map(({ test }) => test));
  const values: SqlValue[] = [tenant];
  let sql = `FROM failure AS f JOIN run AS own ON own.id = f.run
    JOIN run AS root ON root.tree = own.tree AND root.is_root = 1 WHERE f.tenant = ?`;
  if (filter.errorGroup !== undefined) {
    sql += " AND f.grp = ?";
    values.push(filter.errorGroup);
  }
  if (conditions.sql !== "") {
    sql += ` AND root.id IN (SELECT id FROM run WHERE tenant = ? AND is_root = 1${conditions.sql})`;
    values.push(tenant, ...conditions.values);
  }
  if (among !== null) {
    sql += " AND root.run_id IN (SELECT value FROM json_each(?))";
    values.push(JSON.stringify(among));
  }
  return { sql, values };
}

export function sizeOf(db: Database): Pick<TraceIndexSize, "bytes" | "runs" | "spans" | "refused"> {
  return {
    bytes: fileBytes(db.path),
    runs: db.count("SELECT count(*) FROM run"),
    spans: db.count("SELECT total(spans) FROM run WHERE is_root = 1"),
    refused: db.count("SELECT count(*) FROM refused"),
  };
}
