import { constants } from "node:fs";
import { lstat, open, readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { PawlError } from "../../core/errors.ts";
import { errorText } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";

/** A file that is there and was not taken, and why. */
export interface SkippedFile {
  readonly file: string;
  readonly reason: string;
}
export interface FoundFile {
  /** Path below the folder, with `/`. */
  readonly file: string;
  readonly bytes: number;
  readonly mtimeMs: number;
}
export interface FolderListing {
  readonly files: readonly FoundFile[];
  readonly skipped: SkipList;
}

/** What was skipped: all are counted, the first ones are kept. */
export class SkipList {
  readonly #kept: SkippedFile[] = [];
  count = 0;

  add(file: string, reason: string): void {
    this.count++;
    if (this.#kept.length < limits.documentSkipsListed) this.#kept.push({ file, reason });
  }

  get kept(): readonly SkippedFile[] {
    return this.#kept;
  }
}

export interface FolderBounds {
  readonly filesMax: number;
  readonly fileBytesMax: number;
  readonly totalBytesMax: number;
  /** Why a file is left out, by its path below the folder; null for one that is taken. */
  readonly leftOut: (file: string) => string | null;
}

/** What programs write for themselves: it changes while it is read, and no person looks for an answer in it. */
const NO_DOCUMENT = /\.(?:log(?:\.\d+)?|pid|lock|db(?:[.-](?:wal|shm|journal|hwm|lock))?)$/i;

/**
 * The real path of a folder that can be read.
 * @throws FOLDER_UNUSABLE saying what is there in its place
 */
export async function checkFolder(root: string): Promise<string> {
  try {
    const real = await realpath(root);
    if ((await stat(real)).isDirectory()) return real;
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "does not exist" : `cannot be opened (${errorText(error, 200)})`;
    throw new PawlError(
      "FOLDER_UNUSABLE",
      `folder "${root}" ${why}. Give a folder with documents, as in --docs ./docs.`,
      {
        cause: error,
      },
    );
  }
  throw new PawlError(
    "FOLDER_UNUSABLE",
    `"${root}" is a file, not a folder. Give the folder that it is in: "${dirname(root)}".`,
  );
}

/**
 * Every regular file below a folder, in order of its path. Names that start with a dot and node_modules are passed over
 * without a word; links are never followed, so nothing outside the folder is reached.
 */
export async function listFolder(root: string, bounds: FolderBounds): Promise<FolderListing> {
  const files: FoundFile[] = [];
  const skipped = new SkipList();
  const open: { readonly path: string; readonly depth: number }[] = [{ path: "", depth: 0 }];
  let bytesTotal = 0;
  let entries = 0;
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    const { path, depth } = folder;
    const found = await entriesOf(root, path);
    for (const { file, reason } of found.skipped) skipped.add(file, reason);
    for (const one of found.files) {
      const reason = overBound(one, { files: files.length, bytesTotal }, bounds);
      if (reason !== null) skipped.add(one.file, reason);
      else {
        bytesTotal += one.bytes;
        files.push(one);
      }
    }
    entries += found.files.length + found.folders.length + found.skipped.length;
    for (const next of found.folders.toReversed()) {
      if (depth >= limits.folderDepth) skipped.add(next, `more than ${limits.folderDepth} folders deep`);
      else if (entries > limits.folderEntries) skipped.add(next, `after ${limits.folderEntries} entries`);
      else open.push({ path: next, depth: depth + 1 });
    }
  }
  return { files, skipped };
}

interface Entries {
  readonly files: readonly FoundFile[];
  readonly folders: readonly string[];
  readonly skipped: readonly SkippedFile[];
}

async function entriesOf(root: string, path: string): Promise<Entries> {
  const files: FoundFile[] = [];
  const folders: string[] = [];
  const skipped: SkippedFile[] = [];
  const unreadable = (file: string, error: unknown): void => {
    skipped.push({ file, reason: `unreadable (${errnoOf(error) ?? errorText(error, 100)})` });
  };
  try {
    const entries = await readdir(join(root, path), { withFileTypes: true });
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      const file = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) folders.push(file);
      else if (!entry.isFile()) skipped.push({ file, reason: entry.isSymbolicLink() ? "symbolic link" : "not a file" });
      else {
        await lstat(join(root, file)).then(
          ({ size, mtimeMs }) => files.push({ file, bytes: size, mtimeMs: Math.trunc(mtimeMs) }),
          (error: unknown) => unreadable(file, error),
        );
      }
    }
  } catch (error) {
    unreadable(path === "" ? "." : path, error);
  }
  return { files, folders, skipped };
}

function overBound(
  found: FoundFile,
  taken: { readonly files: number; readonly bytesTotal: number },
  bounds: FolderBounds,
): string | null {
  if (NO_DOCUMENT.test(found.file)) return "not a document";
  const why = bounds.leftOut(found.file);
  if (why !== null) return why;
  if (found.bytes > bounds.fileBytesMax)
    return `${sizeText(found.bytes)}: over ${sizeText(bounds.fileBytesMax)} for one file`;
  if (taken.files >= bounds.filesMax) return `over ${bounds.filesMax} files`;
  if (taken.bytesTotal + found.bytes > bounds.totalBytesMax) return `over ${sizeText(bounds.totalBytesMax)} in all`;
  return null;
}

/**
 * The bytes of a file below `root`, or why not. A link is refused, also one that took the place of a folder or file
 * since the listing.
 */
export async function readInside(
  root: string,
  file: string,
  bytesMax: number,
): Promise<{ readonly ok: true; readonly bytes: Uint8Array } | { readonly ok: false; readonly reason: string }> {
  const path = join(root, file);
  try {
    const folder = await realpath(dirname(path));
    if (folder !== root && !folder.startsWith(root.endsWith(sep) ? root : root + sep)) {
      return { ok: false, reason: "outside the folder" };
    }
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const found = await handle.stat();
      if (!found.isFile()) return { ok: false, reason: "not a file" };
      if (found.size > bytesMax)
        return { ok: false, reason: `${sizeText(found.size)}: over ${sizeText(bytesMax)} for one file` };
      return { ok: true, bytes: await handle.readFile() };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT") return { ok: false, reason: "no longer there" };
    return {
      ok: false,
      reason: errno === "ELOOP" ? "symbolic link" : `unreadable (${errno ?? errorText(error, 100)})`,
    };
  }
}

export function sizeText(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  return bytes < 1_048_576 ? `${(bytes / 1_024).toFixed(1)} KB` : `${(bytes / 1_048_576).toFixed(1)} MB`;
}

function errnoOf(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}
