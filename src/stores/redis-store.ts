import type { ConnectionOptions } from "node:tls";
import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Durability, Store, StoreCapabilities } from "../core/store-contract.ts";
import { checkNotify } from "./contract-rules.ts";
import { NotifyHub } from "./notify-hub.ts";
import { RedisConnection } from "./redis.ts";
import { redisAddress, type RedisAddress } from "./redis-address.ts";
import { RedisBlobs } from "./redis-blobs.ts";
import { RedisIndex } from "./redis-index.ts";
import { RedisLedger } from "./redis-ledger.ts";
import { keyOf, partitionOf, RedisPartitions } from "./redis-partitions.ts";
import { RedisRecords } from "./redis-records.ts";
import { RedisRuns } from "./redis-runs.ts";
import { checkedDurability } from "./redis-server-check.ts";
import { RedisSessions } from "./redis-sessions.ts";

export interface RedisStoreOptions {
  /** Goes before what the URL says. */
  readonly username?: string;
  /** Goes before what the URL says. */
  readonly password?: string;
  /** Certificates of TLS, as `tls.connect` takes them. `rediss://` alone uses the machine's. */
  readonly tls?: ConnectionOptions;
  /** Lets tools that must not repeat run on a server that may lose what it acknowledged last. */
  readonly accept?: "acknowledged writes may be lost";
  /** For tests. Default: the server's time. */
  readonly clock?: Clock;
}

/**
 * A store in Redis 7 or newer, for any number of processes: one server or a cluster. What it survives is what the server
 * is set to (`appendfsync`), known once it is open.
 * @param url `redis://user:password@host:6379/0`, `rediss://…` with TLS, `redis+cluster://host:6379,host:6379`
 * @throws OPTION_INVALID
 */
export function redisStore(url: string, options: RedisStoreOptions = {}): Store {
  const { username, password } = options;
  const address = {
    ...redisAddress(url),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  };
  return new RedisStore(address, options);
}

class RedisStore implements Store {
  readonly #address: RedisAddress;
  readonly #lossAccepted: boolean;
  readonly #connection: RedisConnection;
  readonly #data: RedisPartitions;
  readonly #runs: RedisRuns;
  readonly #index: RedisIndex;
  readonly #blobs: RedisBlobs;
  readonly #sessions: RedisSessions;
  readonly #ledger: RedisLedger;
  readonly #records: RedisRecords;
  readonly #hub: NotifyHub;
  /** Watched channels as Redis names them, each with its own name. */
  readonly #names = new Map<string, string>();
  #durability: Durability = "none";
  /** Under way or done. */
  #opening: Promise<void> | null = null;

  constructor(address: RedisAddress, { tls, clock, accept }: RedisStoreOptions) {
    this.#address = address;
    this.#lossAccepted = accept !== undefined;
    this.#connection = new RedisConnection(address, tls, (channel, message) => {
      const name = this.#names.get(channel);
      if (name !== undefined) this.#hub.publish(name, message);
    });
    this.#data = new RedisPartitions(this.#connection, clock);
    this.#runs = new RedisRuns(this.#data);
    this.#index = new RedisIndex(this.#data, this.#runs);
    this.#blobs = new RedisBlobs(this.#data);
    this.#sessions = new RedisSessions(this.#data);
    this.#ledger = new RedisLedger(this.#data);
    this.#records = new RedisRecords(this.#data);
    this.#hub = new NotifyHub({
      onFirst: (name) => {
        this.#names.set(channelOf(name), name);
        this.#connection.watch(channelOf(name), true);
      },
      onLast: (name) => {
        this.#names.delete(channelOf(name));
        this.#connection.watch(channelOf(name), false);
      },
    });
  }

  get capabilities(): StoreCapabilities {
    return {
      name: this.#address.isCluster ? "redis cluster" : "redis",
      durability: this.#durability,
      lossAccepted: this.#lossAccepted,
      manyProcesses: true,
      ledgerPerSecond: 10_000,
      indexLagMs: 0,
      appendBytesMax: limits.batchBytes,
    };
  }

  open(): Promise<void> {
    this.#opening ??= this.#open().catch(async (error: unknown) => {
      this.#opening = null;
      await this.#connection.close();
      throw error;
    });
    return this.#opening;
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    this.#opening = null;
    await this.#connection.close();
  }

  readonly createRun: Store["createRun"] = (ref, first) => this.#runs.createRun(ref, first);
  readonly append: Store["append"] = (ref, append) => this.#runs.append(ref, append);
  readonly mark: Store["mark"] = (ref, marks) => this.#runs.mark(ref, marks);
  readonly readHead: Store["readHead"] = (ref) => this.#again(() => this.#runs.readHead(ref));
  readonly readEvents: Store["readEvents"] = (ref, afterSeq, bytesMax) =>
    this.#again(() => this.#runs.readEvents(ref, afterSeq, bytesMax));
  readonly due: Store["due"] = (query) => this.#again(() => this.#index.due(query));
  readonly ofSession: Store["ofSession"] = (id, limit) => this.#again(() => this.#index.ofSession(id, limit));
  readonly dirty: Store["dirty"] = (limit) => this.#again(() => this.#index.dirty(limit));
  readonly list: Store["list"] = (tenant, filter, cursor, limit) =>
    this.#again(() => this.#index.list(tenant, filter, cursor, limit));
  readonly openApprovals: Store["openApprovals"] = (tenant, cursor, limit) =>
    this.#again(() => this.#index.openApprovals(tenant, cursor, limit));
  readonly putBlob: Store["putBlob"] = (tenant, scope, hash, bytes) =>
    this.#again(() => this.#blobs.putBlob(tenant, scope, hash, bytes));
  readonly getBlob: Store["getBlob"] = (tenant, scope, hash) =>
    this.#again(() => this.#blobs.getBlob(tenant, scope, hash));
  readonly openSession: Store["openSession"] = (id, worker) => this.#sessions.openSession(id, worker);
  readonly beat: Store["beat"] = (id, counter) => this.#sessions.beat(id, counter);
  readonly kill: Store["kill"] = (id, seenCounter) => this.#sessions.kill(id, seenCounter);
  readonly closeSession: Store["closeSession"] = (id) => this.#sessions.closeSession(id);
  readonly session: Store["session"] = (id) => this.#again(() => this.#sessions.session(id));
  readonly listSessions: Store["listSessions"] = () => this.#again(() => this.#sessions.listSessions());
  readonly reserve: Store["reserve"] = (tenant, reservation) => this.#ledger.reserve(tenant, reservation);
  readonly settle: Store["settle"] = (tenant, id, actual) => this.#ledger.settle(tenant, id, actual);
  readonly openReservationsOf: Store["openReservationsOf"] = (tenant, runId) =>
    this.#again(() => this.#ledger.openReservationsOf(tenant, runId));
  readonly openReservationsBefore: Store["openReservationsBefore"] = (atMs, limit) =>
    this.#again(() => this.#ledger.openReservationsBefore(atMs, limit));
  readonly setCap: Store["setCap"] = (tenant, scope, cap) => this.#ledger.setCap(tenant, scope, cap);
  readonly readLedger: Store["readLedger"] = (tenant, scope) =>
    this.#again(() => this.#ledger.readLedger(tenant, scope));
  readonly pruneLedger: Store["pruneLedger"] = (before, limit) => this.#ledger.pruneLedger(before, limit);
  readonly getRecord: Store["getRecord"] = (tenant, key) => this.#again(() => this.#records.getRecord(tenant, key));
  readonly putRecord: Store["putRecord"] = (...put) => this.#records.putRecord(...put);
  readonly deleteRecord: Store["deleteRecord"] = (tenant, key) => this.#records.deleteRecord(tenant, key);
  readonly listRecords: Store["listRecords"] = (tenant, prefix, cursor, limit) =>
    this.#again(() => this.#records.listRecords(tenant, prefix, cursor, limit));

  async deleteScope(tenant: string, scope: string): Promise<void> {
    await this.#index.removeScope(tenant, scope);
    await this.#blobs.dropScope(tenant, scope);
  }

  publish(channel: string, message: string): void {
    checkNotify(channel, message);
    this.#connection.publish(channelOf(channel), message);
  }

  subscribe(channel: string, receive: (message: string) => void): () => void {
    if (this.#names.size >= limits.storeSubscriptions) {
      throw new PawlError("STORE_UNREACHABLE", `more than ${limits.storeSubscriptions} channels are subscribed.`);
    }
    return this.#hub.subscribe(channel, receive);
  }

  async #open(): Promise<void> {
    await this.#connection.open();
    this.#durability = checkedDurability(await this.#connection.facts(), this.#address);
    await this.#data.open();
    for (const name of this.#hub.channels) this.#connection.watch(channelOf(name), true);
  }

  /** What changes nothing when it is repeated is asked once more where the answer was lost. */
  async #again<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (!PawlError.is(error, "STORE_UNREACHABLE")) throw error;
      return ask();
    }
  }
}

/** A sharded channel: its partition spreads channels over the nodes of a cluster. */
function channelOf(name: string): string {
  return keyOf(partitionOf("channel", name), "channel", name);
}
