import { fork } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { notApplied, PawlError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import type { ToolContext, ToolDefinition } from "../../core/tool-contract.ts";
import { tool } from "../tool.ts";
import { Places } from "../places.ts";
import type { SqlAnswer, SqlTask } from "./sql-task.ts";

export interface SqlQueryOptions {
  /** Default `sql_query`: an agent with several databases tells them apart by it. */
  readonly name?: string;
  /** A SQLite file. */
  readonly file?: string;
  /** CSV and JSON files (a list of objects, or one on each line), by the table that each is read as. */
  readonly tables?: Readonly<Record<string, string>>;
  /** Also INSERT, UPDATE and DELETE, each approved by a person; with `file`. Default: only reading. */
  readonly mayWrite?: boolean;
}

/** The child's file has the ending of this one: .ts in the repository, .js in the package. */
const CHILD = fileURLToPath(
  new URL(`./sql-child${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url),
);

/**
 * The tool `sql_query`: one SQL statement over a SQLite file, or over CSV and JSON files. Each runs in a process of its
 * own, which is ended at the time limit: a heavy query holds up nobody.
 * @throws OPTION_INVALID
 */
export function sqlQuery(options: SqlQueryOptions): ToolDefinition {
  const { name = "sql_query", mayWrite = false } = options;
  const source = sourceOf(name, options);
  const files = "file" in source ? [source.file] : Object.values(source.tables);
  const atOnce = new Places(limits.sqlAtOnce, limits.sqlWaiting);
  const kinds = mayWrite ? "One SELECT, INSERT, UPDATE or DELETE" : "One SELECT";
  const known = "file" in source ? "" : ` The tables are ${Object.keys(source.tables).join(", ")}.`;
  return tool({
    name,
    version: "1",
    description: `${kinds} in SQLite's SQL; returns columns and up to ${limits.sqlRows} rows.${known} To see what there is: SELECT name, sql FROM sqlite_schema.`,
    inputSchema: z.object({
      sql: z.string().min(1).max(limits.sqlChars).describe("The statement; ? for each parameter"),
      parameters: z
        .array(z.union([z.string(), z.number(), z.boolean(), z.null()]))
        .max(100)
        .default([])
        .describe("Values for the ?, in order: never write text that you were given into the statement"),
    }),
    ...(mayWrite
      ? { effect: "once", approval: "always" }
      : { effect: "pure", attempts: 1, flow: { sinks: {}, egress: false } }),
    capabilities: [...files.map(fileCapability), ...(mayWrite ? ["sql:write"] : [])],
    timeLimitMs: limits.sqlTimeMs,
    execute: async (asked, ctx) => {
      await atOnce.take(ctx.signal);
      try {
        const answer = await answered({ source, mayWrite, ...asked }, ctx);
        if (answer.type === "failed") throw notApplied(answer.message);
        return answer.result;
      } finally {
        atOnce.free();
      }
    },
  });
}

/** `fs:` and a path; capabilities have no spaces in them. */
export function fileCapability(path: string): string {
  return `fs:${path.replaceAll(/\s/g, encodeURIComponent)}`;
}

function sourceOf(name: string, { file, tables, mayWrite }: SqlQueryOptions): SqlTask["source"] {
  const refuse = (why: string): never => {
    throw new PawlError("OPTION_INVALID", `${name}: ${why}`);
  };
  if ((file === undefined) === (tables === undefined)) refuse("give a file, or tables, and not both.");
  if (tables !== undefined && mayWrite === true) refuse("what is written to tables would be gone: give a file.");
  if (file !== undefined) return { file: resolve(file) };
  const entries = Object.entries(tables ?? {}).map(([table, path]) => [table, resolve(path)] as const);
  const wrong = entries.find(
    ([table, path]) => !/^[a-z_]\w{0,63}$/i.test(table) || !/\.(?:csv|tsv|json|jsonl|ndjson)$/i.test(path),
  );
  if (wrong !== undefined)
    refuse(`table "${wrong[0]}" of "${wrong[1]}": give a plain name, and a .csv, .tsv, .json, .jsonl or .ndjson file.`);
  return { tables: Object.fromEntries(entries) };
}

/** Ended with the call's signal. */
async function answered(task: SqlTask, ctx: ToolContext): Promise<SqlAnswer> {
  ctx.signal.throwIfAborted();
  const child = fork(CHILD, [], {
    env: {},
    execArgv: [`--max-old-space-size=${limits.sqlMemoryBytes / 1_048_576}`],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const end = (): void => void child.kill("SIGKILL");
  ctx.signal.addEventListener("abort", end, { once: true });
  try {
    return await new Promise<SqlAnswer>((told, failed) => {
      child.once("error", failed);
      child.once("message", (answer) => told(answer as SqlAnswer));
      child.once("exit", () => failed(new PawlError("TOOL_FAILED", died)));
      child.send(task, (error) => {
        if (error !== null) failed(error);
      });
    });
  } finally {
    ctx.signal.removeEventListener("abort", end);
    end();
  }
}

const died = `the query was ended: it took over ${limits.sqlTimeMs} ms or too much memory. Ask for less at once.`;
