import type { JsonValue } from "../../core/json.ts";

export type SqlParameter = string | number | boolean | null;

/** What the process of one query is told. */
export interface SqlTask {
  /** A SQLite file, or CSV and JSON files by the table that each becomes. */
  readonly source: { readonly file: string } | { readonly tables: Readonly<Record<string, string>> };
  readonly mayWrite: boolean;
  readonly sql: string;
  readonly parameters: readonly SqlParameter[];
}

export interface SqlRows {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly JsonValue[])[];
  /** Why there are more rows than these. */
  readonly cut?: string;
}

/** `failed` and no answer leave the database as it was. */
export type SqlAnswer =
  | { readonly type: "rows"; readonly result: SqlRows }
  | { readonly type: "changed"; readonly result: { readonly changed: number } }
  | { readonly type: "failed"; readonly message: string };
