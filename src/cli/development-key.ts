import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { PawlError } from "../core/errors.ts";
import { roles, type ApiKeys } from "../gateway.ts";

const FILE = "development-key";

/**
 * The key that `pawl up` prints: made once, and kept beside the database in a file that only its owner reads, since the
 * store has its hash alone. A new one takes the place of one that is no longer in force.
 */
export async function developmentKey(keys: ApiKeys, tenant: string, folder: string): Promise<string> {
  const file = join(folder, tenant === "default" ? FILE : `${FILE}-${tenant}`);
  const kept = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  if (kept !== "") {
    const caller = await keys.verify(kept);
    if (caller !== null && caller.tenant === tenant) return kept;
  }
  const who = userName();
  const { key } = await keys.create(tenant, { name: "development", roles: [...roles], principal: who, createdBy: who });
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, `${key}\n`, { mode: 0o600 });
  } catch (error) {
    throw new PawlError(
      "FOLDER_UNUSABLE",
      `the folder "${folder}" cannot be written. Go to one that can, or name --db.`,
      {
        cause: error,
      },
    );
  }
  return key;
}

/** The person at this machine, in characters that a principal may have. */
export function userName(): string {
  const name = process.env["USER"] ?? process.env["USERNAME"] ?? userInfo().username;
  return name.replaceAll(/[^\x21-\x7e]/g, "") || "local";
}
