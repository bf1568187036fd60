import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Where the trace index of a database is: `pawl.traces.db` beside `pawl.db`. */
export function traceFile(databaseFile: string | null): string {
  if (databaseFile !== null) return databaseFile.replace(/(\.db)?$/, ".traces.db");
  const file = resolve(".pawl/traces.db");
  mkdirSync(dirname(file), { recursive: true });
  return file;
}

/** What was exported of a trace index: `pawl.export.db` beside `pawl.traces.db`. */
export function exportFile(indexPath: string): string {
  return indexPath.replace(/\.traces\.db$/, ".export.db").replace(/(^|[/\\])traces\.db$/, "$1export.db");
}
