import type { ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import { errorText } from "../core/json.ts";

/** What messages name: never the address as it was given, which holds a password. */
export interface PostgresPlace {
  /** `host:port/database` */
  readonly server: string;
  readonly user: string;
  readonly schema: string;
}

type Meaning = readonly [ErrorCode, (place: PostgresPlace) => string];

/** PostgreSQL's codes (SQLSTATE), else their class (first two characters), that have a code of their own here. */
const meanings: { readonly [state: string]: Meaning } = {
  "08": ["STORE_UNREACHABLE", () => "the connection broke. Read before you retry"],
  "22021": ["OPTION_INVALID", () => "it stores no text with a NUL character. Take that out"],
  "25006": [
    "STORE_READ_ONLY",
    () => "it takes no writes: a replica, or default_transaction_read_only is on. Name the primary server",
  ],
  "28": [
    "STORE_FORBIDDEN",
    ({ user }) => `it refuses user "${user}". Check name and password in the address, and pg_hba.conf on the server`,
  ],
  "3D000": ["OPTION_INVALID", () => "there is no such database. Create it (createdb), or name another"],
  "3F000": ["STORE_CORRUPT", lostTables],
  "40001": ["STORE_LOCKED", () => "others changed the same rows again and again. Nothing was written; repeat"],
  "40P01": ["STORE_LOCKED", () => "others held the same rows again and again. Nothing was written; repeat"],
  "42501": [
    "STORE_FORBIDDEN",
    ({ user, schema }) =>
      `user "${user}" lacks a right. Let the owner of schema "${schema}" open the store once, then grant it: GRANT USAGE ON SCHEMA "${schema}" TO "${user}"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO "${user}"; GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA "${schema}" TO "${user}"`,
  ],
  "42883": ["STORE_CORRUPT", lostTables],
  "42P01": ["STORE_CORRUPT", lostTables],
  "42P07": [
    "STORE_CORRUPT",
    ({ schema }) => `schema "${schema}" has tables that are not Pawl's. Name another: postgres(url, { schema })`,
  ],
  "53100": ["STORE_FULL", () => "its disk is full. What was acknowledged is kept; make room and repeat"],
  "53300": [
    "STORE_UNREACHABLE",
    () =>
      "it has no connection left. Nothing was sent. Lower poolMax, raise max_connections, or put a pooler in between",
  ],
  "55P03": ["STORE_LOCKED", () => "another program holds a lock for too long. End that and repeat"],
  "57014": ["STORE_UNREACHABLE", () => "it cancelled a statement (statement_timeout?). Read before you retry"],
  "57": ["STORE_UNREACHABLE", () => "it is stopping or starting. Read before you retry"],
  "58": ["STORE_UNREACHABLE", () => "its disk failed. Look at its log; read before you retry"],
  XX: ["STORE_CORRUPT", () => "it reports damage. Look at its log, then restore a backup"],
};

function lostTables({ schema }: PostgresPlace): string {
  return `schema "${schema}" has lost tables or functions of Pawl. Restore a backup, or drop the whole schema to begin anew`;
}

/** What an error of the driver, the socket or the server means to the caller of a store. A PawlError stays what it is. */
export function postgresError(error: unknown, place: PostgresPlace): PawlError {
  if (PawlError.is(error)) return error;
  const state = isPasswordTrouble(error) ? "28P01" : stateOf(error);
  const known = meanings[state] ?? meanings[state.slice(0, 2)];
  const [code, meaning]: Meaning =
    known ??
    (state === "" ? ["STORE_UNREACHABLE", unreachable] : ["INTERNAL", () => `it refused a statement (${state})`]);
  const text = errorText(error, 200);
  return new PawlError(code, `PostgreSQL at ${place.server}: ${meaning(place)} (${text}).`, { cause: error });
}

/** The driver's own words for a password that is missing. */
function isPasswordTrouble(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("SASL");
}

function unreachable(): string {
  return "it does not answer. Check that it runs and can be reached; read before you retry";
}

/** The server's code of an error; empty where it comes from the socket, the driver or a time limit. */
export function stateOf(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return "";
  return /^[0-9A-Z]{5}$/.test(error.code) && "severity" in error ? error.code : "";
}

/** True where the connection is of no more use: broken, unsure, or to a server that is not the primary. */
export function spoilsConnection(error: unknown): boolean {
  const state = stateOf(error);
  return state === "" || state === "25006" || state.startsWith("57P") || state.startsWith("08");
}

/** True for a transaction that the server undid because of others: it may be repeated at once. */
export function wasUndone(error: unknown): boolean {
  return ["40001", "40P01"].includes(stateOf(error));
}
