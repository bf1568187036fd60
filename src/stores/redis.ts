import { hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
import { Cluster, Redis, type RedisOptions } from "ioredis";
import { fullJitterMs } from "../core/backoff.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { RedisAddress } from "./redis-address.ts";
import { hasNotBegun, redisError } from "./redis-errors.ts";

// The one file that knows the driver: connections, scripts, channels.

/** A Lua script and the SHA-1 by which a server that has seen it runs it again. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

export type Argument = string | Buffer;

/** What one node says of itself. */
export interface NodeFacts {
  /** Of `INFO`. */
  readonly info: ReadonlyMap<string, string>;
  /** Of `CONFIG GET`; empty where the server does not let it be read. */
  readonly config: ReadonlyMap<string, string>;
}

export interface Evaluation {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly Argument[];
  /** Texts come back as bytes. Default false. */
  readonly asBytes?: boolean;
}

/** Nothing was sent: there is a new connection, and nobody has looked at the server behind it. */
export const otherLink: unique symbol = Symbol("other link");

export function scriptOf(text: string): Script {
  return { text, sha: hash("sha1", text, "hex") };
}

/**
 * The connection to a server or a cluster. A command whose answer was lost is not sent again by itself: its outcome is
 * unknown. What the server says it has not begun (a slot that moves, a file that loads) is sent again within bounds.
 */
export class RedisConnection {
  readonly #address: RedisAddress;
  readonly #tls: ConnectionOptions | undefined;
  readonly #onHint: (channel: string, message: string) => void;
  #client: Redis | Cluster | null = null;
  /** Of its own, since a server cuts a subscriber that reads slowly. A cluster's client has them inside. */
  #subscriber: Redis | null = null;
  #unsentHintBytes = 0;
  #link = 0;

  constructor(
    address: RedisAddress,
    tls: ConnectionOptions | undefined,
    onHint: (channel: string, message: string) => void,
  ) {
    this.#address = address;
    this.#tls = tls;
    this.#onHint = onHint;
  }

  get place(): string {
    return this.#address.place;
  }

  get isCluster(): boolean {
    return this.#address.isCluster;
  }

  /** Another number with each new connection: behind it may be another server. */
  get link(): number {
    return this.#link;
  }

  /** @throws STORE_UNREACHABLE, STORE_FORBIDDEN */
  async open(): Promise<void> {
    const client = this.#address.isCluster ? this.#newCluster() : new Redis(this.#options());
    let seen: unknown = null;
    const note = (error: unknown): void => {
      // a cluster's error holds that of the node that was asked last
      seen = error instanceof Error && "lastNodeError" in error ? error.lastNodeError : error;
    };
    client.on("error", note);
    const connected = (): void => {
      this.#link++;
    };
    if (client instanceof Cluster) client.on("+node", (node: Redis) => node.on("ready", connected));
    else client.on("ready", connected);
    const end = new AbortController();
    try {
      const late = sleep(2 * limits.storeCallMs, null, { signal: end.signal }).then(() => {
        throw new Error("no answer in time");
      });
      await Promise.race([client.connect(), late]);
    } catch (error) {
      client.disconnect();
      throw redisError(seen ?? error, this.place);
    } finally {
      end.abort();
    }
    this.#client = client;
  }

  async close(): Promise<void> {
    const [client, subscriber] = [this.#client, this.#subscriber];
    this.#client = null;
    this.#subscriber = null;
    subscriber?.disconnect();
    // a server that has gone silent does not hold up the end of a process
    await Promise.race([client?.quit().catch(() => {}), sleep(limits.storeHelloMs, null, { ref: false })]);
    client?.disconnect();
  }

  /**
   * Runs a script.
   * @param on  sends it only while this is the link; of another, `otherLink` is the answer
   */
  evaluate({ script, keys, args, asBytes = false }: Evaluation, on: number | null = null): Promise<unknown> {
    return this.#patiently((client) =>
      on === null || on === this.#link
        ? run(asBytes ? "callBuffer" : "call", client, script, [String(keys.length), ...keys, ...args])
        : Promise.resolve(otherLink),
    );
  }

  /** What each node that takes writes says of itself. */
  facts(): Promise<readonly NodeFacts[]> {
    return this.#patiently((client) =>
      Promise.all((client instanceof Cluster ? client.nodes("master") : [client]).map(factsOf)),
    );
  }

  /** Lossy: what cannot be sent soon is dropped. */
  publish(channel: string, message: string): void {
    if (this.#client === null || this.#unsentHintBytes > limits.storeUnsentHintBytes) return;
    this.#unsentHintBytes += message.length;
    this.#client
      .spublish(channel, message)
      .catch(() => {})
      .finally(() => {
        this.#unsentHintBytes -= message.length;
      });
  }

  /** Subscribes a channel or ends that. Holds over reconnects. */
  watch(channel: string, isWatched: boolean): void {
    const client = this.#client;
    if (client === null) return;
    const subscriber = client instanceof Cluster ? client : (this.#subscriber ??= this.#newSubscriber());
    (isWatched ? subscriber.ssubscribe(channel) : subscriber.sunsubscribe(channel)).catch(() => {});
  }

  async #patiently<T>(ask: (client: Redis | Cluster) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const client = this.#client;
      if (client === null) throw notOpen(this.place);
      try {
        return await ask(client);
      } catch (error) {
        if (!hasNotBegun(error) || tries >= limits.storeRetries) throw redisError(error, this.place);
        await sleep(
          fullJitterMs(tries, Math.random(), { baseMs: limits.redisRetryBaseMs, capMs: limits.redisRetryCapMs }),
        );
      }
    }
  }

  #newCluster(): Cluster {
    const { db: _, ...redisOptions } = this.#options();
    const cluster = new Cluster([...this.#address.nodes], {
      redisOptions,
      lazyConnect: true,
      shardedSubscribers: true,
      enableOfflineQueue: false,
      slotsRefreshTimeout: limits.redisConnectMs,
      // 0: a command that was under way when its node was lost may have been done
      retryDelayOnFailover: 0,
      // addresses are taken as given, so that names in certificates fit
      ...(redisOptions.tls && { dnsLookup: (host, done) => done(null, host) }),
    });
    cluster.on("smessage", this.#onHint);
    return cluster;
  }

  #newSubscriber(): Redis {
    const subscriber = new Redis({
      ...this.#options(),
      lazyConnect: false,
      enableOfflineQueue: true,
      maxRetriesPerRequest: null,
      commandTimeout: undefined,
    });
    subscriber.on("error", () => {});
    subscriber.on("smessage", this.#onHint);
    return subscriber;
  }

  #options(): Omit<RedisOptions, "replyMapping"> {
    const { nodes, isTls, username, password, db, isCluster } = this.#address;
    const tls = this.#tls ?? (isTls ? {} : undefined);
    return {
      ...(!isCluster && nodes[0]),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls !== undefined && { tls }),
      db,
      connectionName: "pawl",
      lazyConnect: true,
      connectTimeout: limits.redisConnectMs,
      commandTimeout: limits.storeCallMs,
      // 0: nothing that was under way is sent again after a reconnect
      maxRetriesPerRequest: 0,
      ...(!isCluster && {
        retryStrategy: reconnectDelayMs,
        // the name may lead to another server now
        reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
        // a call waits for the connection itself, so that none is sent to a server that was not looked at
        enableOfflineQueue: false,
      }),
    };
  }
}

function notOpen(place: string): PawlError {
  return new PawlError("STORE_CLOSED", `the store at ${place} is not open. Call open() first, and not after close().`);
}

function reconnectDelayMs(times: number): number {
  return 20 + fullJitterMs(times, Math.random(), { baseMs: limits.redisRetryBaseMs, capMs: limits.redisRetryCapMs });
}

async function run(
  how: "call" | "callBuffer",
  client: Redis | Cluster,
  script: Script,
  rest: readonly Argument[],
): Promise<unknown> {
  try {
    return await client[how]("evalsha", script.sha, ...rest);
  } catch (error) {
    // a node that has not seen it, or has forgotten it: nothing was run
    if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
    return client[how]("eval", script.text, ...rest);
  }
}

async function factsOf(node: Redis): Promise<NodeFacts> {
  const info = await node.info();
  const config = await node.config("GET", "maxmemory-policy", "appendonly", "appendfsync").catch(() => []);
  return {
    info: new Map(info.split("\r\n").map((line) => splitAt(line, line.indexOf(":")))),
    config: new Map(pairsOf(config as readonly unknown[])),
  };
}

function splitAt(line: string, colon: number): readonly [string, string] {
  return [line.slice(0, colon), line.slice(colon + 1)];
}

function pairsOf(flat: readonly unknown[]): readonly (readonly [string, string])[] {
  return flat.flatMap((name, i) => (i % 2 === 0 ? [[String(name), String(flat[i + 1])] as const] : []));
}
