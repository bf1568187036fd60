import { constants } from "node:fs";
import { type FileHandle, link, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { notApplied } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

/** What stands at a name: a file's bytes, a folder's names (with `/` behind those of folders), or nothing. */
export type Found =
  | { readonly type: "file"; readonly bytes: Uint8Array }
  | { readonly type: "folder"; readonly names: readonly string[] }
  | { readonly type: "nothing" };

/** Throws `notApplied` for a path that could lead out of its folder, or names what is hidden. */
export function partsOf(path: string): readonly string[] {
  const bare = path.replace(/^\.?\/|\/$/g, "");
  const parts = bare === "" || bare === "." ? [] : bare.split("/");
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  const isBad = (part: string): boolean => part === "" || part.length > 255 || /^\.|[\\\u0000-\u001F\u007F]/.test(part);
  if (!parts.some(isBad) && parts.length <= limits.folderDepth) return parts;
  const shown = JSON.stringify(path.slice(0, 200));
  throw notApplied(
    `path ${shown} may not be used. Give one as "reports/may.md": no "..", no name that starts with a dot.`,
  );
}

/**
 * A folder that is held open while it is used, so that nobody can put another in its place. Where the system has no /proc
 * its path is looked up again at each step: a link that comes in between is then not noticed.
 */
export class OpenFolder {
  readonly #handle: FileHandle;
  readonly #path: string;

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = process.platform === "linux" ? `/proc/self/fd/${handle.fd}` : path;
  }

  /** Uses the folder that `parts` lead to from `root`, one by one and never through a link. @param isMade make those that are missing */
  static async use<T>(
    {
      root,
      parts,
      isMade = false,
    }: { readonly root: string; readonly parts: readonly string[]; readonly isMade?: boolean },
    use: (folder: OpenFolder) => Promise<T>,
  ): Promise<T> {
    if (isMade) await mkdir(root, { recursive: true });
    let folder = new OpenFolder(await open(root, O_RDONLY | O_DIRECTORY), root);
    try {
      for (const part of parts) {
        const path = folder.#at(part);
        // each is opened in the one before
        if (isMade) await mkdir(path).catch(unless("EEXIST"));
        const next = new OpenFolder(await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), path);
        await folder.#handle.close();
        folder = next;
      }
      return await use(folder);
    } finally {
      await folder.#handle.close();
    }
  }

  /** @param name absent = this folder */
  async look(name: string | undefined, bytesMax: number): Promise<Found> {
    if (name === undefined) return { type: "folder", names: await this.#names() };
    const handle = await open(this.#at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(unless("ENOENT"));
    if (handle === undefined) return { type: "nothing" };
    try {
      const found = await handle.stat();
      if (found.isDirectory()) return { type: "folder", names: await new OpenFolder(handle, this.#at(name)).#names() };
      if (!found.isFile()) throw notApplied(`"${name}" is no file.`);
      if (found.size > bytesMax) throw notApplied(`"${name}" has ${found.size} bytes; up to ${bytesMax} can be read.`);
      return { type: "file", bytes: await handle.readFile() };
    } finally {
      await handle.close();
    }
  }

  /**
   * Whole or not at all, also through a loss of power. What stands at the name is replaced, never written through.
   * @param draft a name for the while
   * @returns false where something is there and `isNew` says that nothing may be
   */
  async write(
    name: string,
    bytes: Uint8Array,
    { draft, isNew }: { readonly draft: string; readonly isNew: boolean },
  ): Promise<boolean> {
    const [from, to] = [this.#at(draft), this.#at(name)];
    await rm(from, { force: true });
    const handle = await open(from, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
      if (!isNew) await rename(from, to);
      else if ((await link(from, to).catch(unless("EEXIST", "taken"))) === "taken") return false;
      await this.#handle.sync();
      return true;
    } finally {
      await handle.close();
      await rm(from, { force: true });
    }
  }

  #at(name: string): string {
    return `${this.#path}/${name}`;
  }

  async #names(): Promise<readonly string[]> {
    const entries = await readdir(this.#path, { withFileTypes: true });
    const shown = entries.filter((entry) => !entry.name.startsWith(".") && (entry.isFile() || entry.isDirectory()));
    return shown.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).toSorted();
  }
}

/** What the system says in words, for a model. */
export function fileError(path: string, error: unknown): Error {
  switch (errnoOf(error)) {
    case "ENOENT":
      return notApplied(`there is no "${path}".`);
    case "ELOOP":
      return notApplied(`"${path}" is a link, or leads through one: links are not followed.`);
    case "ENOTDIR":
      return notApplied(`"${path}" leads through a file or a link: only folders are gone through.`);
    case "EISDIR":
      return notApplied(`"${path}" is a folder.`);
    case "EACCES":
    case "EPERM":
      return notApplied(`"${path}" may not be opened: its permissions forbid it.`);
    default:
      return error instanceof Error ? error : new Error(String(error));
  }
}

function unless<T = undefined>(errno: string, value?: T): (error: unknown) => T | undefined {
  return (error) => {
    if (errnoOf(error) === errno) return value;
    throw error;
  };
}

function errnoOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : null;
}
