import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { PawlError } from "../core/errors.ts";
import { errorText } from "../core/json.ts";
import type { Pawl } from "../engine/runtime.ts";
import type { GatewayConfig } from "../gateway.ts";

export const configName = "pawl.config.ts";

/** Path of the configuration: the one that was named, else the one in this folder; null where there is none. */
export function configPath(named: string | undefined): string | null {
  const path = resolve(named ?? configName);
  if (existsSync(path)) return path;
  if (named === undefined) return null;
  throw new PawlError(
    "CONFIG_INVALID",
    `there is no file "${named}". Name a ${configName} with --config, or make one with "pawl init DIR".`,
  );
}

/** What a configuration exports. */
export interface Configuration {
  readonly app: Pawl;
  /** null = it has no export `gateway`. */
  readonly gateway: GatewayConfig | null;
}

/**
 * Imports a configuration: its default export is what pawl() returned, its export `gateway` what `pawl up` is given.
 * @param again number of a reading after the first: the file is read anew, what it imports is not
 * @throws CONFIG_INVALID, and what defining its agents and tools throws (SCHEMA_INVALID, TOOL_DUPLICATE, …)
 */
export async function loadConfiguration(path: string, again = 0): Promise<Configuration> {
  let loaded: { readonly default?: unknown; readonly gateway?: unknown };
  try {
    const query = again === 0 ? "" : `?again=${again}`;
    loaded = (await import(`${pathToFileURL(path).href}${query}`)) as typeof loaded;
  } catch (error) {
    if (PawlError.is(error)) throw error;
    throw new PawlError("CONFIG_INVALID", `"${path}" does not load: ${whyNot(error)}`, { cause: error });
  }
  if (isApp(loaded.default)) {
    if (loaded.gateway === undefined) return { app: loaded.default, gateway: null };
    const { checkedGateway } = await import("./gateway-export.ts");
    return { app: loaded.default, gateway: checkedGateway(path, loaded.gateway) };
  }
  const found = loaded.default === undefined ? "has no default export" : `exports ${typeof loaded.default} as default`;
  throw new PawlError(
    "CONFIG_INVALID",
    `"${path}" ${found}. It must end with: export default pawl({ store: sqlite("pawl.db"), agents: [...] });`,
  );
}

/** The runtime of a configuration. See loadConfiguration. */
export async function loadConfig(path: string): Promise<Pawl> {
  return (await loadConfiguration(path)).app;
}

function whyNot(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const text = errorText(error, 400);
  if (code === "ERR_MODULE_NOT_FOUND" && /'pawl'/.test(text)) {
    return `the package "pawl" is not installed beside it. Run "npm install pawl" in its folder.`;
  }
  const place = error instanceof SyntaxError ? (error.stack?.split("\n")[0] ?? "") : "";
  return `${text}${place.startsWith("file:") ? ` (${place})` : ""}. Correct it; PAWL_DEBUG=1 shows where.`;
}

/** By shape, because the configuration may import another copy of this package. */
function isApp(value: unknown): value is Pawl {
  if (typeof value !== "object" || value === null) return false;
  return "store" in value && "registry" in value && "deps" in value && "approvals" in value;
}
