import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PawlError } from "../core/errors.ts";
import { errorText, parseJson } from "../core/json.ts";
import { LiveLine } from "./live-line.ts";
import { version } from "./version.ts";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[/\\]$/, "");
const PACK_MS_MAX = 300_000;

/**
 * What a project's package.json asks npm for to get this very package: its version where a registry gave it, else the
 * package itself, packed into the project's folder; a checkout is built for it.
 * @throws OPTION_INVALID
 */
export async function ownPackage(folder: string): Promise<string> {
  if (isFromRegistry()) return `^${version()}`;
  const isCheckout = existsSync(join(root, "src"));
  const line = new LiveLine();
  line.wait(isCheckout ? "building and packing this checkout" : "packing pawl");
  const scripts = isCheckout ? [] : ["--ignore-scripts"];
  try {
    await promisify(execFile)("npm", ["pack", ...scripts, "--loglevel=error", "--pack-destination", folder], {
      cwd: root,
      timeout: PACK_MS_MAX,
    });
  } catch (error) {
    throw new PawlError("OPTION_INVALID", `npm cannot pack "${root}" into "${folder}": ${errorText(error, 400)}`, {
      cause: error,
    });
  } finally {
    line.clear();
  }
  return `file:pawl-${version()}.tgz`;
}

/** npm notes beside the packages of a project from where each came. */
function isFromRegistry(): boolean {
  const notes = join(dirname(root), ".package-lock.json");
  const read = existsSync(notes) ? parseJson(readFileSync(notes, "utf8")) : null;
  if (read?.ok !== true) return false;
  const { packages } = read.value as {
    readonly packages?: { readonly [path: string]: { readonly resolved?: string } };
  };
  return packages?.["node_modules/pawl"]?.resolved?.startsWith("http") === true;
}
