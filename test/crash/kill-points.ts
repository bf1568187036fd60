import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Expected } from "./judge.ts";
import type { Form } from "./workload.ts";

/** One place where a victim can be hit: the `nth` call of a syscall on the database's files. */
export interface KillPoint {
  readonly syscall: string;
  readonly nth: number;
  /** Which file it was in the unharmed run: `pawl.db-wal`. */
  readonly file: string;
}

/** An unharmed run: what it came to, and where it could be hit. */
export interface Census {
  readonly form: Form;
  readonly expected: Expected;
  readonly points: readonly KillPoint[];
  /** Acknowledgements that came before their flush: must be 0. */
  readonly unflushed: number;
}

/** Calls that change the database, its log, its mark or its lock, or flush them. */
export const WRITES: readonly string[] = ["pwrite64", "pwritev", "write", "writev", "ftruncate", "unlink", "rename"];
export const FLUSHES: readonly string[] = ["fsync", "fdatasync"];

/** Every file that belongs to a database. */
export function filesOf(database: string): readonly string[] {
  return ["", "-wal", "-shm", "-journal", ".hwm", ".lock", ".lock-journal", ".sock"].map((end) => database + end);
}

/** One call of a log that strace wrote: its name, and the file it was about. */
export interface LoggedCall {
  readonly syscall: string;
  readonly path: string;
}

/** `123 pwrite64(25</tmp/x/pawl.db-wal>, …` or `123 unlink("/tmp/x/pawl.db-journal") = 0`; other lines are no calls. */
const CALL = /^\d+ +(\w+)\((?:\d+<([^>]*)>|"([^"]*)")/;

export function callsOf(log: string): readonly LoggedCall[] {
  return readFileSync(log, "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, syscall, opened, named] = CALL.exec(line) ?? [];
      return syscall === undefined ? [] : [{ syscall, path: opened ?? named ?? "" }];
    });
}

/** Every point of an unharmed run, numbered for each syscall as strace counts them. */
export function killPointsOf(calls: readonly LoggedCall[], database: string): readonly KillPoint[] {
  const files = filesOf(database);
  const counts = new Map<string, number>();
  return calls
    .filter(({ syscall, path }) => files.includes(path) && [...WRITES, ...FLUSHES].includes(syscall))
    .map(({ syscall, path }) => {
      const nth = (counts.get(syscall) ?? 0) + 1;
      counts.set(syscall, nth);
      return { syscall, nth, file: basename(path) };
    });
}

/** `count` of the items, evenly spread, first and last among them: the same every time. */
export function spread<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  const step = (items.length - 1) / Math.max(1, count - 1);
  return Array.from({ length: count }, (_, n) => items[Math.round(n * step)]).filter((item) => item !== undefined);
}

/**
 * Acknowledgements (writes to the victim's report pipe) that came before the write-ahead log was flushed: what a loss of
 * power would take back. The log must have seen every write of the process.
 */
export function unflushedAcknowledgements(calls: readonly LoggedCall[], database: string): number {
  const log = `${database}-wal`;
  let isDirty = false;
  let found = 0;
  for (const { syscall, path } of calls) {
    if (path === log) isDirty = !FLUSHES.includes(syscall);
    else if (isDirty && syscall === "write" && path.startsWith("socket:")) found++;
  }
  return found;
}
