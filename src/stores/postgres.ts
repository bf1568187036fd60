import type * as Driver from "pg";
import type { Client, ClientBase, Pool, PoolClient, PoolConfig } from "pg";
import { sleep, type Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { postgresError, spoilsConnection, wasUndone, type PostgresPlace } from "./postgres-errors.ts";

// The one file that knows the driver: connections, statements, transactions.

export type SqlValue = null | boolean | number | string | Buffer | readonly (null | number | string)[];

/** A connection outside the pool. */
export type Connection = Client;
/** Asks on one connection. */
export type Ask = <Row extends object>(sql: string, values?: readonly SqlValue[], callMs?: number) => Promise<Row[]>;

export interface DatabaseOptions {
  /** postgres://user:password@host:port/database */
  readonly url: string;
  readonly schema: string;
  readonly poolMax: number;
  readonly clock: Clock;
  /**
   * Looks at the database behind each new connection before it is used.
   * @returns why this is not the database that it was: nothing is asked of it any more
   */
  readonly check: (ask: Ask) => Promise<PawlError | null>;
}

/** The wait after each try is longer by this: of what the server undid, and of what it was not there for. */
const UNDONE_STEP_MS = 5;
const AWAY_STEP_MS = 20;
const IDLE_MS = 60_000;
const INT8 = 20;

/** A bounded pool of connections to one database. In statements, `pawl.` stands for the schema. */
export class PostgresDatabase {
  readonly place: PostgresPlace;
  readonly #options: DatabaseOptions;
  /** Each text as it is sent, with the name under which a connection keeps it prepared. */
  readonly #statements = new Map<string, { readonly name: string; readonly text: string }>();
  #driver: typeof Driver | null = null;
  #pool: Pool | null = null;
  /** A pooler is in between, which may give each transaction another connection: nothing is prepared, nobody listens. */
  #isPooled = false;
  #refused: PawlError | null = null;
  #hasConnected = false;
  /** Errors of connecting: nothing was asked. */
  readonly #unsent = new WeakSet<Error>();

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.place = placeOf(options);
  }

  get isPooled(): boolean {
    return this.#isPooled;
  }

  /** Makes the pool; the first statement connects. */
  async open(): Promise<void> {
    this.#driver ??= await loadDriver();
    if (this.#pool !== null) return;
    // waited for by the pool, which its types do not say
    const hook = { onConnect: (client: ClientBase): Promise<void> => this.#greet(client) };
    const pool = new this.#driver.Pool({ ...this.#config(), max: this.#options.poolMax, ...hook });
    // an idle connection that broke has left the pool already; of one in use its statement tells
    pool.on("error", ignore);
    pool.on("connect", (client) => client.on("error", ignore));
    this.#pool = pool;
  }

  /** Behind a pooler a server may be replaced without a new connection here: looks again. */
  async check(): Promise<void> {
    if (this.#isPooled) await this.#retried(() => this.#withClient((ask) => this.#checkBy(ask)));
  }

  async close(): Promise<void> {
    this.#refused = null;
    const pool = this.#pool;
    this.#pool = null;
    if (pool !== null) await this.endOf(pool);
  }

  /** Resolves when it has ended, or when nobody has answered for so long that nobody will. */
  async endOf(connection: Connection | Pool): Promise<void> {
    const waiting = new AbortController();
    const ended = connection.end().catch(ignore);
    await Promise.race([ended, sleep(this.#options.clock, limits.storeCallMs, waiting.signal).catch(ignore)]);
    waiting.abort();
  }

  /**
   * One statement, which is one transaction. Repeated where the server undid it for the sake of others, or was away before it
   * was asked; a SELECT also where it went away meanwhile: those read, or call what may be called again.
   */
  async rows<Row extends object>(sql: string, values: readonly SqlValue[] = [], callMs?: number): Promise<Row[]> {
    return this.#retried(
      () => this.#withClient((ask) => ask<Row>(sql, values, callMs)),
      sql.trimStart().startsWith("SELECT"),
    );
  }

  /** At most one row. */
  async row<Row extends object>(sql: string, values: readonly SqlValue[] = [], callMs?: number): Promise<Row | null> {
    return (await this.rows<Row>(sql, values, callMs))[0] ?? null;
  }

  /** Several statements of one transaction, all or none. */
  async transaction<Result>(work: (ask: Ask) => Promise<Result>): Promise<Result> {
    const inside = async (ask: Ask): Promise<Result> => {
      await ask("BEGIN");
      const result = await work(ask);
      await ask("COMMIT");
      return result;
    };
    return this.#retried(() => this.#withClient(inside, true));
  }

  /** A connection outside the pool, which the caller ends. Its commits do not wait for the disk. */
  async connectAlone(): Promise<Connection> {
    this.#driver ??= await loadDriver();
    const client = new this.#driver.Client(this.#config());
    client.on("error", ignore);
    try {
      await client.connect();
      await client.query("SET synchronous_commit = off");
      return client;
    } catch (error) {
      await this.endOf(client);
      throw this.errorOf(error);
    }
  }

  errorOf(error: unknown): PawlError {
    return postgresError(error, this.place);
  }

  #config(): PoolConfig {
    return {
      connectionString: this.#options.url,
      application_name: "pawl",
      keepAlive: true,
      idleTimeoutMillis: IDLE_MS,
      connectionTimeoutMillis: limits.storeCallMs,
      query_timeout: limits.storeCallMs,
      types: {
        // whole numbers below 2^53: seqs, times, amounts
        getTypeParser: (oid: number, format?: "text" | "binary"): unknown =>
          oid === INT8 ? Number : (this.#driver?.types.getTypeParser(oid, format as "text") as unknown),
      },
    };
  }

  async #greet(client: ClientBase): Promise<void> {
    const { rows } = await client.query<{ readonly pid: number }>("SELECT pg_backend_pid() AS pid");
    this.#hasConnected = true;
    // a pooler answers a connection itself, with a process id of its own making
    if ("processID" in client && client.processID !== rows[0]?.pid) this.#isPooled = true;
    await this.#checkBy(this.#askOn(client));
  }

  async #checkBy(ask: Ask): Promise<void> {
    this.#refused ??= await this.#options.check(ask);
    if (this.#refused !== null) throw this.#refused;
  }

  async #withClient<Result>(work: (ask: Ask) => Promise<Result>, isTransaction = false): Promise<Result> {
    const client = await this.#client();
    try {
      const result = await work(this.#askOn(client));
      client.release();
      return result;
    } catch (error) {
      // closing it undoes a transaction that is under way
      client.release(isTransaction || spoilsConnection(error));
      throw error;
    }
  }

  async #client(): Promise<PoolClient> {
    const pool = this.#pool;
    if (pool === null) throw notOpen(this.place);
    if (this.#refused !== null) throw this.#refused;
    if (pool.waitingCount >= limits.storeQueue) throw poolExhausted(this.place, pool);
    try {
      return await pool.connect();
    } catch (error) {
      // the driver has one text for both: no connection came free, or none could be made
      const isExhausted = pool.idleCount === 0 && pool.totalCount >= this.#options.poolMax && isTimeout(error);
      if (isExhausted) throw poolExhausted(this.place, pool);
      if (error instanceof Error) this.#unsent.add(error);
      throw error;
    }
  }

  #askOn(client: ClientBase): Ask {
    return async <Row extends object>(sql: string, values: readonly SqlValue[] = [], callMs?: number) => {
      const { name, text } = this.#statementOf(sql);
      const query = { text, values: [...values], ...(callMs !== undefined && { query_timeout: callMs }) };
      const isNamed = !this.#isPooled && values.length > 0;
      return (await client.query<Row>(isNamed ? { ...query, name } : query)).rows;
    };
  }

  #statementOf(sql: string): { readonly name: string; readonly text: string } {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const text = sql.replaceAll("pawl.", `"${this.#options.schema}".`);
    const made = { name: `pawl_${this.#statements.size + 1}`, text };
    this.#statements.set(sql, made);
    return made;
  }

  async #retried<Result>(work: () => Promise<Result>, isRepeatable = false): Promise<Result> {
    const { clock } = this.#options;
    const startedAt = clock.monotonicMs();
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        const isOver = tries >= limits.storeRetries || clock.monotonicMs() - startedAt >= limits.storeCallMs;
        const stepMs = wasUndone(error) ? UNDONE_STEP_MS : AWAY_STEP_MS;
        if (isOver || !(wasUndone(error) || this.#wasAway(error, isRepeatable))) throw this.errorOf(error);
        await sleep(clock, tries * stepMs);
      }
    }
  }

  /** True where the server that was there is not, and nothing is done twice by asking again when it is back. */
  #wasAway(error: unknown, isRepeatable: boolean): boolean {
    if (!this.#hasConnected || PawlError.is(error) || !(error instanceof Error)) return false;
    if (!isRepeatable && !this.#unsent.has(error)) return false;
    return spoilsConnection(error) && this.errorOf(error).code === "STORE_UNREACHABLE";
  }
}

async function loadDriver(): Promise<typeof Driver> {
  try {
    return await import("pg");
  } catch (error) {
    throw new PawlError(
      "OPTION_INVALID",
      "the PostgreSQL store needs the package pg, which is not installed: npm install pg",
      { cause: error },
    );
  }
}

function placeOf({ url, schema }: DatabaseOptions): PostgresPlace {
  const { host, pathname, username, searchParams } = new URL(url);
  const server = `${host || (searchParams.get("host") ?? "localhost")}${pathname}`;
  return { server, user: decodeURIComponent(username) || (searchParams.get("user") ?? "of this process"), schema };
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("timeout exceeded");
}

function poolExhausted({ server }: PostgresPlace, pool: Pool): PawlError {
  return new PawlError(
    "STORE_UNREACHABLE",
    `PostgreSQL at ${server}: all ${pool.totalCount} connections of this process were busy, and ${pool.waitingCount} calls wait. Nothing was sent. Raise poolMax (postgres(url, { poolMax })), or run fewer runs at once.`,
  );
}

function notOpen({ server }: PostgresPlace): PawlError {
  return new PawlError("STORE_CLOSED", `the store at ${server} is not open. Call open() first, and not after close().`);
}

function ignore(): void {
  // told elsewhere: by the statement that was under way, or by the next one
}
