import { errorTable, type ErrorCode } from "../core/error-table.ts";
import { errorRecord, PawlError, type ErrorRecord } from "../core/errors.ts";
import type { Store } from "../core/store-contract.ts";

/** The store's methods that travel to where the database is: this thread, another one, or another process. */
export type StoreMethod = Exclude<
  keyof Store,
  "capabilities" | "open" | "close" | "publish" | "subscribe" | "deleteScope" | "openSession"
>;

/** Beside them: a part of a deletion, a session with the process it lives in, and the check of `integrityOf`. */
export interface OwnMethods {
  openSession(id: string, worker: string, process: string | null): void;
  deleteStep(tenant: string, scope: string): boolean;
  integrity(): SqliteIntegrity;
}

export interface SqliteIntegrity {
  readonly path: string;
  /** What SQLite found wrong, at most 100 lines; empty = sound. */
  readonly problems: readonly string[];
  readonly schemaVersion: number;
  readonly sqliteVersion: string;
  readonly fileBytes: number;
  readonly walBytes: number;
  readonly runs: number;
  readonly batches: number;
  readonly blobs: number;
}

/** What the core does for each method, synchronously. */
export type CoreMethods = {
  readonly [Method in StoreMethod]: (...args: Parameters<Store[Method]>) => Awaited<ReturnType<Store[Method]>>;
} & { readonly [Method in keyof OwnMethods]: OwnMethods[Method] };

export interface StoreRequest {
  readonly method: keyof CoreMethods;
  readonly args: readonly unknown[];
}

export type StoreAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: PawlError };

/** Time by the clock of the process that holds the database, read when its requests are done. */
export interface StoreTime {
  readonly nowMs: number;
  readonly monotonicMs: number;
}

/** Every method, with whether it needs a transaction. `beat` needs none: beats are kept in memory. */
const methods: { readonly [Method in keyof CoreMethods]: "write" | "read" } = {
  createRun: "write",
  append: "write",
  mark: "write",
  readHead: "read",
  readEvents: "read",
  due: "read",
  ofSession: "read",
  list: "read",
  openApprovals: "read",
  dirty: "read",
  putBlob: "write",
  getBlob: "read",
  deleteStep: "write",
  openSession: "write",
  beat: "read",
  kill: "write",
  closeSession: "write",
  session: "read",
  listSessions: "read",
  reserve: "write",
  settle: "write",
  openReservationsOf: "read",
  openReservationsBefore: "read",
  setCap: "write",
  readLedger: "read",
  pruneLedger: "write",
  getRecord: "read",
  putRecord: "write",
  deleteRecord: "write",
  listRecords: "read",
  integrity: "read",
};

export function isMethod(name: string): name is keyof CoreMethods {
  return Object.hasOwn(methods, name);
}

export function isWrite(method: keyof CoreMethods): boolean {
  return methods[method] === "write";
}
/** An answer that can be sent to another thread or process. */
export type PlainAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: ErrorRecord };

export function plainOf(answer: StoreAnswer): PlainAnswer {
  return answer.ok ? answer : { ok: false, error: errorRecord(answer.error, "INTERNAL") };
}

export function answerOf(plain: PlainAnswer): StoreAnswer {
  return plain.ok ? plain : { ok: false, error: errorOf(plain.error) };
}

/** An error that came as a record, from a thread or another process. */
export function errorOf(record: ErrorRecord): PawlError {
  const code: ErrorCode = Object.hasOwn(errorTable, record.code) ? (record.code as ErrorCode) : "INTERNAL";
  return new PawlError(code, record.message, record.details === undefined ? undefined : { details: record.details });
}
