import { errorText } from "../core/json.ts";
import { PawlError } from "../core/errors.ts";
import type { Place } from "./place.ts";

export interface UpOptions extends Place {
  readonly port?: string;
  readonly host?: string;
  readonly docs?: string;
  readonly publicUrl?: string;
  readonly role?: string;
  /** commander's form of --no-open, --no-auth, --no-dev-key and --no-console; default true. */
  readonly devKey?: boolean;
  readonly open?: boolean;
  readonly auth?: boolean;
  readonly console?: boolean;
}

/** On the keys of a telephone: P-A-W-L. */
const PORT = 7295;
const PORTS_TRIED = 10;

/** The first free one of these ports. */
export async function listening(
  listen: (where: { readonly host: string; readonly port: number }) => Promise<string>,
  host: string,
  ports: readonly number[],
): Promise<string> {
  for (const port of ports) {
    try {
      return await listen({ host, port });
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "EADDRINUSE" && code !== "EACCES" && code !== "EADDRNOTAVAIL" && code !== "ENOTFOUND") throw error;
      if (code === "EADDRINUSE" && port !== ports.at(-1)) continue;
      throw new PawlError(
        "OPTION_INVALID",
        `nothing can listen on ${host}:${port} (${errorText(error, 200)}). Choose another with --port or --host.`,
      );
    }
  }
  throw new PawlError("INTERNAL", "no port was tried.");
}

export function portsOf(given: string | undefined): readonly number[] {
  if (given === undefined) return Array.from({ length: PORTS_TRIED }, (_, i) => PORT + i);
  const port = Number(given);
  if (/^\d+$/.test(given) && port <= 65_535) return [port];
  throw new PawlError("OPTION_INVALID", `--port is "${given}". Give a number from 0 (any free one) to 65535.`);
}
