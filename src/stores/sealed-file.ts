import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { PawlError } from "../core/errors.ts";
import { isJsonObject, parseJson } from "../core/json.ts";
import { envKeys, type MasterKeys } from "./data-keys.ts";
import { seal, unseal } from "./sealing.ts";

/** One text that is kept in a file, sealed (AES-256-GCM); only its owner may read the file. */
export interface SealedFile {
  /** null = nothing was written yet. @throws SECRET_UNKNOWN  the key that sealed it is not here, or it was changed */
  read(): Promise<string | null>;
  /** Replaces the whole text, or nothing. */
  write(text: string): Promise<void>;
}

/** @param keys  of the environment variable PAWL_MASTER_KEYS, where none are given */
export function sealedFile(path: string, keys?: MasterKeys): SealedFile {
  // read when it is used: a configuration that is only listed needs no key
  const masters = (): MasterKeys => keys ?? envKeys();
  const place = ["sealed-file", basename(path)];
  const refuse = (why: string): PawlError =>
    new PawlError("SECRET_UNKNOWN", `${why} "${path}". Set PAWL_MASTER_KEYS to "ID:BASE64" (32 bytes).`);
  return {
    read: async () => {
      const text = await readFile(path, "utf8").catch((error: unknown) => {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
        throw error;
      });
      if (text === null) return null;
      const parsed = parseJson(text);
      const { key: id, sealed } = parsed.ok && isJsonObject(parsed.value) ? parsed.value : {};
      if (typeof id !== "string" || typeof sealed !== "string") throw refuse("there is no sealed text in");
      const key = await masters().get(id);
      const opened = key === null ? null : unseal(key, place, Buffer.from(sealed, "base64"));
      if (opened === null) throw refuse(`the key "${id.slice(0, 40)}" does not open`);
      return opened.toString("utf8");
    },
    write: async (text) => {
      const known = masters();
      const key = await known.get(known.current);
      if (key === null) throw refuse("there is no key to seal");
      const sealed = Buffer.from(seal(key, place, text)).toString("base64");
      await mkdir(dirname(path), { recursive: true });
      const draft = `${path}.${randomUUID()}`;
      await writeFile(draft, `${JSON.stringify({ key: known.current, sealed })}\n`, { mode: 0o600 });
      await rename(draft, path);
    },
  };
}
