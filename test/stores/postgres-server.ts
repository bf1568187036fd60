import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before } from "node:test";
import { Client } from "pg";
import type { Store } from "../../src/core/store-contract.ts";
import { postgres, type PostgresOptions } from "../../src/postgres.ts";
import { skipBecause } from "../run/system-packages.ts";
import { freePort } from "./free-port.ts";

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
export function identity(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const idOf = (user: string, of: "-u" | "-g"): number => Number(execFileSync("id", [of, user], { encoding: "utf8" }));
  try {
    return { uid: idOf("postgres", "-u"), gid: idOf("postgres", "-g") };
  } catch {
    return { uid: idOf("nobody", "-u"), gid: idOf("nobody", "-g") };
  }
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
    for (let tries = 1; ; tries++) {
      const problem = await this.#bootOnce();
      if (problem === null) return;
      // the children of a server that was killed go a moment later
      if (tries > 100 || !/still in use|lock file/.test(problem))
        throw new Error(`PostgreSQL did not start: ${problem}`);
    }
  }

  /** @returns why it did not start; null = it is ready */
  async #bootOnce(): Promise<string | null> {
    const args = ["-D", this.data, "-p", String(this.port), "-k", this.folder, "-c", "listen_addresses=127.0.0.1"];
    const child = spawn(join(programs, "postgres"), [...args, ...this.#settings.flatMap((one) => ["-c", one])], {
      cwd: this.folder,
      stdio: ["ignore", "ignore", "pipe"],
      ...identity(),
    });
    this.#process = child;
    const lines: string[] = [];
    return new Promise((resolve) => {
      createInterface(child.stderr).on("line", (line) => {
        lines.push(line);
        if (line.includes("ready to accept")) resolve(null);
      });
      child.once("close", () => resolve(lines.slice(-5).join(" | ")));
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

  /** Resolves when so many statements of Pawl wait for locks in a schema. */
  async stuck(schema: string, count = 1, isAlive: () => boolean = () => true): Promise<void> {
    const sql = `SELECT 1 FROM pg_stat_activity
      WHERE application_name = 'pawl' AND wait_event_type = 'Lock' AND query LIKE $1`;
    while ((await this.ask(sql, [`%"${schema}"%`])).length < count) if (!isAlive()) throw new Error("it has ended");
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

/** One server for the tests of a file, and stores that are closed with it. */
export interface TestServer {
  readonly server: PostgresServer;
  /** A schema that no test has used. */
  readonly freshSchema: () => string;
  /** A store that is not open yet, on this server where no address is given. */
  readonly storeOf: (url?: string, options?: PostgresOptions) => Store;
  readonly openStore: (url?: string, options?: PostgresOptions) => Promise<Store>;
}

/** Declares when it starts and ends. Without PostgreSQL there is none, and the tests skip. */
export function serverOfFile(settings: readonly string[] = []): TestServer {
  const started: { server?: PostgresServer } = {};
  const stores: Store[] = [];
  let schemas = 0;
  before(async () => {
    if (skipWithoutPostgres === false) started.server = await PostgresServer.start(settings);
  });
  after(async () => {
    for (const store of stores) await store.close();
    await started.server?.remove();
  });
  const own: TestServer = {
    get server() {
      if (started.server === undefined) throw new Error("the server has not started");
      return started.server;
    },
    freshSchema: () => `test_${++schemas}`,
    storeOf: (url = own.server.url, options = {}) => {
      const store = postgres(url, { schema: own.freshSchema(), ...options });
      stores.push(store);
      return store;
    },
    openStore: async (url, options) => {
      const store = own.storeOf(url, options);
      await store.open();
      return store;
    },
  };
  return own;
}
