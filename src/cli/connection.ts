import { existsSync, readFileSync } from "node:fs";
import { errorTable, type ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import { ClientError, PawlClient } from "../client.ts";
import type { Place } from "./place.ts";

/** Where `pawl up` keeps the key of the folder that it serves. */
const DEVELOPMENT_KEY = ".pawl/development-key";

/**
 * The gateway that `--server` names, with the key of `--key`, PAWL_KEY, or, on this machine, of the folder's own
 * development key.
 * @throws OPTION_INVALID
 */
export function connect(place: Place): PawlClient {
  const { server = "", key } = place;
  for (const local of ["db", "config", "tenant"] as const) {
    if (place[local] === undefined) continue;
    throw new PawlError("OPTION_INVALID", `--${local} does not go with --server: the gateway and its key say that.`);
  }
  const url = URL.canParse(server) ? new URL(server) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new PawlError(
      "OPTION_INVALID",
      `--server is "${server}". Give the gateway's address: http://127.0.0.1:7295.`,
    );
  }
  const given = key ?? process.env["PAWL_KEY"] ?? (isHere(url) ? keyOfFolder() : undefined);
  return new PawlClient({ url: url.origin, ...(given !== undefined && { key: given }) });
}

function isHere({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

function keyOfFolder(): string | undefined {
  return existsSync(DEVELOPMENT_KEY) ? readFileSync(DEVELOPMENT_KEY, "utf8").trim() : undefined;
}

/** What a gateway refused, as this program's own errors: the same codes. */
export function localError(error: unknown, server: string): unknown {
  if (error instanceof ClientError) {
    const code = Object.hasOwn(errorTable, error.code) ? (error.code as ErrorCode) : "INTERNAL";
    return new PawlError(code, error.detail);
  }
  if (!(error instanceof TypeError) || error.message !== "fetch failed") return error;
  return new PawlError(
    "SERVER_UNREACHABLE",
    `nothing answers at ${server}. Start it with "pawl up", or correct --server.`,
    {
      cause: error,
    },
  );
}
