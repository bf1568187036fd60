import { delimiter, dirname, sep } from "node:path";
import type { Place } from "./place.ts";

const SAFE = /^[\w@%+=:,./~-]+$/;

/** How this program was called, so that a printed command works when pasted into the same shell. */
function programName(): string {
  const launcher = process.env["PAWL_COMMAND"];
  if (launcher !== undefined && launcher !== "") return quoted(launcher);
  const script = process.argv[1] ?? "pawl";
  const folder = dirname(script);
  if (process.env["npm_command"] !== undefined) return "npx pawl";
  if ((process.env["PATH"] ?? "").split(delimiter).includes(folder)) return "pawl";
  if (folder.endsWith(`${sep}node_modules${sep}.bin`)) return "npx pawl";
  return [process.execPath, ...process.execArgv, script].map(quoted).join(" ");
}

/** A command line to paste: `words` after the program, and the options that lead to the same database. */
export function pasteable(place: Place, ...words: readonly string[]): string {
  const options = [
    ...(place.db === undefined ? [] : ["--db", place.db]),
    ...(place.config === undefined ? [] : ["--config", place.config]),
    ...(place.server === undefined ? [] : ["--server", place.server]),
    ...(place.tenant === undefined ? [] : ["--tenant", place.tenant]),
  ];
  return [programName(), ...[...words, ...options].map(quoted)].join(" ");
}

function quoted(word: string): string {
  return SAFE.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
