import { jsonIn } from "../core/json-in-text.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import type { ModelRequest } from "../core/model-contract.ts";
import type { Move } from "./offline-research.ts";
import type { Situation } from "./offline-transcript.ts";
import { plain } from "./offline-team.ts";
import { stemsOf } from "./offline-words.ts";

// A question of tables, by rule: what there is, a look at it, then one statement that its words ask for.

const SCHEMA = "SELECT name, sql FROM sqlite_schema";
const ROWS = 10;
const LOOK = 20;
const AGGREGATES: readonly (readonly [RegExp, string])[] = [
  [/\b(average|mean)\b/i, "AVG"],
  [/\b(lowest|minimum|smallest|least|cheapest)\b/i, "MIN"],
  [/\b(highest|maximum|largest|biggest)\b/i, "MAX"],
];

interface Shown {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly JsonValue[])[];
}

/** @returns null for a request without a tool that takes SQL; `isDone` false while calls are made, `found` false where no table fits */
export function tableMove(
  { tools }: ModelRequest,
  { goal, calls }: Situation,
): { readonly move: Move; readonly isDone: boolean; readonly found: boolean } | null {
  const spec = tools.find(
    ({ description, inputSchema }) =>
      /\bSQL\b/.test(description) && isJsonObject(inputSchema.properties) && "sql" in inputSchema.properties,
  );
  if (spec === undefined) return null;
  const asked = calls.filter(({ tool }) => tool === spec.name);
  const ask = (text: string, sql: string) => ({
    move: { text, calls: [{ tool: spec.name, input: { sql } }] },
    isDone: false,
    found: false,
  });
  const end = (text: string, found: boolean) => ({ move: { text, calls: [] }, isDone: true, found });
  const [schema, look, result] = asked;
  if (schema === undefined) return ask("What tables are there?", SCHEMA);
  const tables = schema.isError ? [] : tablesIn(shownIn(schema.output));
  const wanted = new Set(stemsOf(goal));
  const best = tables
    .map((table) => ({
      table,
      hits: stemsOf([table.name, ...table.columns].join(" ")).filter((stem) => wanted.has(stem)).length,
    }))
    .toSorted((a, b) => b.hits - a.hits)[0];
  if (best === undefined || best.hits === 0)
    return end(`No table speaks of this. There is: ${tables.map(({ name }) => name).join(", ") || "none"}.`, false);
  const { table } = best;
  if (look === undefined) return ask(`Looking at ${table.name}.`, `SELECT * FROM ${quoted(table.name)} LIMIT ${LOOK}`);
  if (result === undefined) return ask("Working it out.", statementFor(goal, table.name, shownIn(look.output)));
  const sql = plain(result.input["sql"]);
  const { columns, rows } = shownIn(result.output);
  if (result.isError || rows.length === 0) return end(`The table ${table.name} gave nothing: \`${sql}\``, false);
  const lines = rows
    .slice(0, ROWS)
    .map((row) => `- ${row.map((value, i) => `${columns[i] ?? ""} ${plain(value)}`).join(", ")} \`${sql}\``);
  return end([`From the table ${table.name}:`, ...lines].join("\n"), true);
}

function shownIn(output: JsonValue): Shown {
  const value: JsonValue = typeof output === "string" ? (jsonIn(output)?.value ?? null) : output;
  if (!isJsonObject(value) || !Array.isArray(value["columns"]) || !Array.isArray(value["rows"]))
    return { columns: [], rows: [] };
  const columns = value["columns"].map(plain);
  const rows = value["rows"].flatMap((row: JsonValue) =>
    Array.isArray(row) ? [row] : isJsonObject(row) ? [columns.map((name) => row[name] ?? null)] : [],
  );
  return { columns, rows };
}

function tablesIn({ rows }: Shown): readonly { readonly name: string; readonly columns: readonly string[] }[] {
  return rows.flatMap(([name, sql]) => {
    const list = typeof sql === "string" ? (/\(([\s\S]*)\)/.exec(sql)?.[1] ?? "") : "";
    const columns = list.split(",").map((one) => /^\s*"?([^"]+?)"?(\s|$)/.exec(`${one} `)?.[1] ?? "");
    return typeof name === "string" ? [{ name, columns }] : [];
  });
}

/** Numbers that the goal names, by the texts that it names; without any it is counted. */
function statementFor(goal: string, table: string, { columns, rows }: Shown): string {
  const wanted = new Set(stemsOf(goal));
  const isNumber = (i: number): boolean =>
    rows.length > 0 && rows.every((row) => row[i] === null || (row[i] !== "" && !Number.isNaN(Number(row[i]))));
  const named = (i: number): boolean => stemsOf(columns[i] ?? "").some((stem) => wanted.has(stem));
  const places = columns.map((_, i) => i);
  const numbers = places.filter(isNumber);
  const number = numbers.find(named) ?? (numbers.length === 1 ? numbers[0] : undefined);
  const group = places.find((i) => !isNumber(i) && named(i)) ?? places.find((i) => !isNumber(i));
  const [, name = "SUM"] = AGGREGATES.find(([words]) => words.test(goal)) ?? [];
  const column = number === undefined ? "COUNT(*)" : `${name}(${quoted(columns[number] ?? "")})`;
  const alias = number === undefined ? "count" : `${name.toLowerCase()}_${columns[number] ?? ""}`;
  const by = group === undefined ? null : quoted(columns[group] ?? "");
  if (by === null) return `SELECT ${column} AS ${quoted(alias)} FROM ${quoted(table)}`;
  return `SELECT ${by}, ${column} AS ${quoted(alias)} FROM ${quoted(table)} GROUP BY 1 ORDER BY 2 DESC LIMIT ${ROWS}`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
