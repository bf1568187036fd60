import {
  accessSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  closeSync,
  realpathSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { PawlError } from "../core/errors.ts";
import { hashText } from "../core/hash.ts";

/** Where a database and what belongs to it lie. SQLite's own -wal and -shm are beside them. */
export interface SqliteFiles {
  /** Absolute, links resolved: the same for every process, however it names the file. */
  readonly path: string;
  readonly lock: string;
  readonly highWaterMark: string;
  /** Unix socket, or a Windows pipe. */
  readonly socket: string;
}

/** Socket addresses end after 104 bytes (macOS) or 108 (Linux), their last byte not counted. */
const SOCKET_BYTES_MAX = 100;

export function filesOf(path: string): SqliteFiles {
  const real = realPath(resolve(path));
  return { path: real, lock: `${real}.lock`, highWaterMark: `${real}.hwm`, socket: socketOf(real) };
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // not there yet: its folder may be reached through a link all the same
    const folder = dirname(path);
    return folder === path ? path : join(realPath(folder), basename(path));
  }
}

function socketOf(path: string): string {
  const name = `pawl-${hashText(path)}`;
  if (process.platform === "win32") return `\\\\.\\pipe\\${name}`;
  const beside = `${path}.sock`;
  return Buffer.byteLength(beside) <= SOCKET_BYTES_MAX ? beside : join(tmpdir(), `pawl-${userInfo().uid}`, name);
}

/**
 * The folder of a socket that does not fit beside its database: only its owner may enter, so that nobody can put
 * another socket in its place.
 * @throws STORE_LOCKED when somebody else made that folder
 */
export function prepareSocketFolder(files: SqliteFiles): void {
  const folder = dirname(files.socket);
  if (process.platform === "win32" || folder === dirname(files.path)) return;
  mkdirSync(folder, { mode: 0o700, recursive: true });
  const { uid, mode } = lstatSync(folder);
  if (uid === userInfo().uid && (mode & 0o077) === 0) return;
  throw new PawlError(
    "STORE_LOCKED",
    `"${folder}" belongs to somebody else or is open to others, so no socket for "${files.path}" can be put there. Remove it, or give the database a shorter path.`,
  );
}

/**
 * Creates a file that only its owner may read, unless there is one: a journal holds what people wrote. An existing file
 * is not even opened, because closing it again would drop the locks that SQLite holds on it in this process.
 */
export function createPrivate(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}

/**
 * Checks that the socket was made by this user or by the owner of the database, before anything is told to it.
 * @throws STORE_LOCKED
 */
export function checkSocketOwner(files: SqliteFiles): void {
  if (process.platform === "win32") return;
  prepareSocketFolder(files);
  const owner = lstatSync(files.socket, { throwIfNoEntry: false })?.uid;
  const databaseOwner = statSync(files.path, { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner === userInfo().uid || owner === databaseOwner) return;
  throw new PawlError(
    "STORE_LOCKED",
    `"${files.socket}" was made by user ${owner}, who does not own the database "${files.path}". Remove that socket, or move the database to a folder that only you can write.`,
  );
}

/** Device and inode; "" when there is no file. */
export function fileIdentity(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.dev}:${stat.ino}`;
}

/** @throws FOLDER_UNUSABLE STORE_READ_ONLY before anything is created */
export function checkFolder(path: string): void {
  const folder = dirname(path);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new PawlError("FOLDER_UNUSABLE", `the folder "${folder}" of the database does not exist. Create it first.`);
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new PawlError("FOLDER_UNUSABLE", `"${path}" is a folder. Name a file in it, such as "pawl.db".`);
  }
  for (const place of [folder, path]) {
    if (canWrite(place)) continue;
    throw new PawlError(
      "STORE_READ_ONLY",
      `"${place}" cannot be written. Change its rights, name another database, or open it with { readOnly: true }.`,
    );
  }
}

/** Also true for what does not exist yet. */
function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT";
  }
}

/** True where SQLite cannot make its side files and needs none: nobody can be writing. */
export function isFrozen(path: string): boolean {
  return !canWrite(dirname(path)) && (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0;
}

/**
 * True where fewer than 5 of 20 small flushed writes beside the database are done within `limitMs`: on a busy machine the
 * others say how long this process waited for its turn, not what the disk takes.
 * @param nowMs a monotonic clock
 */
export function isFlushSlow(path: string, limitMs: number, nowMs: () => number): boolean {
  const probe = `${path}.probe-${process.pid}`;
  const file = openSync(probe, "w", 0o600);
  try {
    let [slow, fast] = [0, 0];
    while (slow <= 15 && fast < 5) {
      const startedAt = nowMs();
      writeSync(file, "pawl", (slow + fast) * 4096);
      fsyncSync(file);
      if (nowMs() - startedAt > limitMs) slow++;
      else fast++;
    }
    return fast < 5;
  } finally {
    closeSync(file);
    rmSync(probe, { force: true });
  }
}
