import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client } from "pg";
import { skipBecause } from "../run/system-packages.ts";

/** The newest PostgreSQL of this machine; Debian keeps its programs out of PATH. */
const programs = globSync("/usr/lib/postgresql/*/bin").toSorted((a, b) => versionOf(b) - versionOf(a))[0] ?? "";

/** For the `skip` option of a test: false if there is a server to start. */
export const skipWithoutPostgres: false | string = skipBecause(
  existsSync(join(programs, "initdb")) ? false : "needs PostgreSQL, which is not installed",
);

function versionOf(folder: string): number {
  return Number(folder.split("/")[4]);
}

/** PostgreSQL refuses to run as root: then it runs as the user `postgres`, else as `nobody`. */
function identity(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const idOf = (user: string, of: "-u" | "-g"): number => Number(execFileSync("id", [of, user], { encoding: "utf8" }));
  try {
    return { uid: idOf("postgres", "-u"), gid: idOf("postgres", "-g") };
  } catch {
    return { uid: idOf("nobody", "-u"), gid: idOf("nobody", "-g") };
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  const closed = once(probe, "close");
  probe.close();
  await closed;
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** A PostgreSQL server of its own in a temporary folder, on a free port of this machine. Its superuser is `pawl`. */
export class PostgresServer {
  readonly folder: string;
  readonly port: number;
  readonly password = "secret-of-the-test";
  readonly #settings: readonly string[];
  #process: ChildProcess | null = null;

  private constructor(port: number, settings: readonly string[]) {
    this.folder = mkdtempSync(join(tmpdir(), "pawl-postgres-"));
    this.port = port;
    this.#settings = settings;
  }

  /** @param settings such as `max_connections=20`; files are flushed only where it says `fsync=on` */
  static async start(settings: readonly string[] = []): Promise<PostgresServer> {
    const server = new PostgresServer(await freePort(), ["fsync=off", ...settings]);
    server.#makeCluster();
    await server.boot();
    return server;
  }

  get url(): string {
    return this.urlOf({});
  }

  urlOf({
    port = this.port,
    user = "pawl",
    password = this.password,
    database = "postgres",
  }: {
    readonly port?: number;
    readonly user?: string;
    readonly password?: string;
    readonly database?: string;
  }): string {
    return `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
  }

  get data(): string {
    return join(this.folder, "data");
  }

  /** Starts it on the data that is there. Ready when it says so. */
  async boot(): Promise<void> {
    const args = ["-D", this.data, "-p", String(this.port), "-k", this.folder, "-c", "listen_addresses=127.0.0.1"];
    const child = spawn(join(programs, "postgres"), [...args, ...this.#settings.flatMap((one) => ["-c", one])], {
      cwd: this.folder,
      stdio: ["ignore", "ignore", "pipe"],
      ...identity(),
    });
    this.#process = child;
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      createInterface(child.stderr).on("line", (line) => {
        lines.push(line);
        if (line.includes("ready to accept")) resolve();
      });
      child.once("exit", () => reject(new Error(`PostgreSQL did not start: ${lines.slice(-5).join(" | ")}`)));
    });
  }

  /** `SIGINT` is a fast and clean end, `SIGKILL` a crash: its children then notice by themselves. */
  async halt(signal: "SIGINT" | "SIGKILL" = "SIGINT"): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  async remove(): Promise<void> {
    await this.halt();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Statements of a person beside the store, as the superuser. */
  async ask<Row extends object>(sql: string, values: readonly unknown[] = [], database = "postgres"): Promise<Row[]> {
    const client = await this.connect(database);
    try {
      return (await client.query<Row>(sql, [...values])).rows;
    } finally {
      await client.end();
    }
  }

  async connect(database = "postgres"): Promise<Client> {
    const client = new Client({ connectionString: this.urlOf({ database }) });
    client.on("error", () => {});
    await client.connect();
    return client;
  }

  #makeCluster(): void {
    const { uid, gid } = identity();
    const passwordFile = join(this.folder, "password");
    writeFileSync(passwordFile, this.password);
    mkdirSync(this.data);
    chmodSync(this.folder, 0o700);
    for (const path of [this.folder, this.data, passwordFile])
      if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
    const args = ["-D", this.data, "-U", "pawl", "-E", "UTF8", "--locale=C", "-A", "scram-sha-256", "--no-sync"];
    execFileSync(join(programs, "initdb"), [...args, `--pwfile=${passwordFile}`], {
      cwd: this.folder,
      stdio: "pipe",
      ...identity(),
    });
  }
}
