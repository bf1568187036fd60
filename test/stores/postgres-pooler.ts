import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { hasCommand, skipBecause } from "../run/system-packages.ts";
import { freePort } from "./free-port.ts";
import { identity, type PostgresServer, skipWithoutPostgres } from "./postgres-server.ts";

/** For the `skip` option of a test: false if there is a pooler to start. */
export const skipWithoutPooler: false | string =
  skipWithoutPostgres === false
    ? skipBecause(hasCommand("pgbouncer") ? false : "needs PgBouncer, which is not installed")
    : skipWithoutPostgres;

export interface Pooler {
  readonly port: number;
  readonly stop: () => Promise<void>;
}

/** PgBouncer in front of a server: each transaction gets whatever connection is free. */
export async function startPooler(server: PostgresServer): Promise<Pooler> {
  const port = await freePort();
  const file = join(server.folder, "pgbouncer.ini");
  const target = `host=127.0.0.1 port=${server.port} user=pawl password=${server.password}`;
  writeFileSync(
    file,
    `[databases]\npostgres = ${target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\n` +
      `auth_type = any\npool_mode = transaction\ndefault_pool_size = 6\n`,
  );
  const child = spawn("pgbouncer", [file], { stdio: ["ignore", "ignore", "pipe"], ...identity() });
  const ended = once(child, "exit");
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stderr).on("line", (line) => {
      lines.push(line);
      if (line.includes("process up")) resolve();
    });
    child.once("exit", () => reject(new Error(`PgBouncer did not start: ${lines.slice(-5).join(" | ")}`)));
  });
  return {
    port,
    stop: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
