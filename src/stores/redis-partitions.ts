import { randomUUID } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { hashText } from "../core/hash.ts";
import { limits } from "../core/limits.ts";
import { otherLink, scriptOf, type Argument, type RedisConnection, type Script } from "./redis.ts";
import { redisError } from "./redis-errors.ts";

/** Never to be changed: the partition of a key is part of where it stands. */
const PARTITIONS = 64;
/** The format of keys and values; a server with a higher one was written by a newer Pawl. */
const FORMAT = 1;

/**
 * What every script asks first of a partition's meta: the store's identity and how many writes it has had. A server that
 * is another one, or that has had fewer writes than it once acknowledged to this process, is refused before anything is
 * done. Numbers stay text wherever they are stored: Lua would round them.
 */
const GUARD = `
local function counted(key, identity, mark)
  local meta = redis.call('HMGET', key, 'id', 'count')
  if meta[1] ~= identity then return nil, redis.error_reply('PAWLREPLACED another store, or none') end
  local count = meta[2] or '0'
  if tonumber(count) >= tonumber(mark) then return count end
  return nil, redis.error_reply('PAWLREGRESSED it has had ' .. count .. ' writes and acknowledged ' .. mark)
end
`;

/** Begins the scripts of one partition, whose meta is KEYS[1]. */
const PRELUDE = `${GUARD}
local count, refusal = counted(KEYS[1], ARGV[1], ARGV[2])
if refusal then return refusal end
local function written() count = redis.call('HINCRBY', KEYS[1], 'count', 1) end
local function time()
  if ARGV[3] ~= '' then return ARGV[3] end
  local t = redis.call('TIME')
  return '000' .. t[1] .. string.sub('000000' .. t[2], -6, -4)
end
`;

/**
 * A script of one atomic operation. Arguments of its own begin at ARGV[4], keys at KEYS[2]; it returns
 * `{count, ...}` and calls `written()` before its first write.
 * @param kind what the server is told of it: `read` writes nothing, `frees` also runs when memory is full
 */
export function operation(kind: "read" | "write" | "frees", body: string): Script {
  const flags = { read: " flags=no-writes", write: "", frees: " flags=allow-oom" }[kind];
  return scriptOf(`#!lua${flags}${PRELUDE}${body}`);
}

/** Reads identities without the prelude: it is what tells them. */
const META = scriptOf(`#!lua flags=no-writes
return redis.call('HMGET', KEYS[1], 'id', 'ready', 'format')`);
const FOUND = scriptOf(`#!lua
redis.call('HSETNX', KEYS[1], 'id', ARGV[1])
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'ready', '1', 'format', ARGV[2]) end
return redis.call('HGET', KEYS[1], 'id')`);

/** The prelude alone. */
const NOTHING = operation("read", "return {count}");

/** Members of a sorted set whose scores are all 0, between bounds as ZRANGEBYLEX takes them, from ARGV[at + 2] on. */
const MEMBERS = `
local function members(key, at)
  local found = {}
  for i = at + 2, #ARGV, 2 do
    local part
    if ARGV[at + 1] == 'last' then
      part = redis.call('ZREVRANGEBYLEX', key, ARGV[i + 1], ARGV[i], 'LIMIT', 0, ARGV[at])
    else
      part = redis.call('ZRANGEBYLEX', key, ARGV[i], ARGV[i + 1], 'LIMIT', 0, ARGV[at])
    end
    for _, member in ipairs(part) do found[#found + 1] = member end
  end
  return found
end
`;
const RANGE = operation("read", `${MEMBERS}\nreturn {count, members(KEYS[2], 4)}`);

/** Of all partitions at once, where one server has all. KEYS: the metas, then the sets. ARGV: identity, the marks, … */
const RANGE_ALL = scriptOf(`#!lua flags=no-writes
${GUARD}${MEMBERS}
local counts, all = {}, {}
for i = 1, ${PARTITIONS} do
  local count, refusal = counted(KEYS[i], ARGV[1], ARGV[1 + i])
  if refusal then return refusal end
  counts[i] = count
  all[i] = members(KEYS[${PARTITIONS} + i], ${PARTITIONS} + 2)
end
return {counts, all}`);

/** A part of a sorted set: from `[text` (with it) or `(text` (after it) up to before `high`. */
export interface Range {
  readonly low: Argument;
  readonly high: Argument;
}

/** Everything that begins with `prefix`; `after`, which begins so too, and what is before it left out. */
export function prefixed(prefix: string, after: string | null = null): Range {
  return { low: after === null ? `[${prefix}` : `(${after}`, high: beyond(prefix) };
}

/** The bound above everything that begins with `prefix`: no UTF-8 text has the byte 0xff. */
export function beyond(prefix: string): Buffer {
  return Buffer.concat([Buffer.from(`(${prefix}`), Buffer.of(0xff)]);
}

/** A whole number as 16 digits, so that texts sort as numbers do. */
export function digits(number: number): string {
  return String(Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.ceil(number)))).padStart(16, "0");
}

/** The partition of what stands together, from its names. */
export function partitionOf(...names: readonly string[]): number {
  return Number.parseInt(hashText(JSON.stringify(names)).slice(0, 8), 16) % PARTITIONS;
}

export const allPartitions: readonly number[] = Array.from({ length: PARTITIONS }, (_, i) => i);

/** Every key of Pawl. What is in braces decides the slot of a cluster. */
export function keyOf(partition: number, kind: string, ...names: readonly string[]): string {
  const key = `pawl:{p${String(partition).padStart(2, "0")}}:${kind}`;
  return names.length === 0 ? key : `${key}:${JSON.stringify(names)}`;
}

const metaKeys: readonly string[] = allPartitions.map((partition) => keyOf(partition, "meta"));

/** What is looked for in the same set of every partition. */
interface Sought {
  readonly kind: string;
  readonly names?: readonly string[];
  readonly ranges: readonly Range[];
  readonly limit: number;
  readonly from?: "first" | "last";
  readonly orderOf: (member: string) => string;
}
interface Asked {
  readonly keys: readonly string[];
  readonly args: readonly (Argument | number)[];
  readonly asBytes: boolean;
  readonly on: number | null;
}

/** The store's data: 64 partitions, each with its identity and the number of its writes. */
export class RedisPartitions {
  readonly #connection: RedisConnection;
  readonly #clock: Clock | undefined;
  #identity = "";
  /** The most writes that each partition has acknowledged to this process. */
  readonly #marks: number[] = allPartitions.map(() => 0);
  /** The link on which all partitions were found as this process knows them; -1 for none. */
  #checkedLink = -1;
  #checking: Promise<void> | null = null;

  /** @param clock for tests; without one the server's time holds */
  constructor(connection: RedisConnection, clock: Clock | undefined) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /**
   * Learns the store's identity, or gives it one. The first partition gets it first and says at last that all have it.
   * @throws STORE_REGRESSED where a part of the store is gone; STORE_REPLACED, STORE_NEWER
   */
  async open(): Promise<void> {
    // whoever names the store begins and ends with the first partition: what it said before, and what it is called after
    const { ready } = await this.#meta(0);
    const others = await Promise.all(allPartitions.slice(1).map((partition) => this.#meta(partition)));
    const { id, format } = await this.#meta(0);
    if (Number(format ?? 0) > FORMAT) {
      throw new PawlError(
        "STORE_NEWER",
        `Redis at ${this.#connection.place} has format ${format}; this Pawl knows formats up to ${FORMAT}. Use the newer Pawl that wrote it; it was not changed.`,
      );
    }
    const isWhole = ready !== null;
    if (!others.every((one) => one.id === id || (one.id === null && !isWhole))) throw this.#tornApart();
    if (this.#identity !== "" && id !== this.#identity)
      throw redisError(new Error("PAWLREPLACED"), this.#connection.place);
    this.#identity = isWhole && id !== null ? id : await this.#found();
    await this.#check();
  }

  /** Runs an operation on keys of one partition. @returns what it returns after its count */
  call(
    script: Script,
    partition: number,
    keys: readonly string[],
    args: readonly (Argument | number)[],
    asBytes: boolean = false,
  ): Promise<readonly unknown[]> {
    return this.#onLink((on) => this.#ask(script, partition, { keys, args, asBytes, on }));
  }

  /** Members of a sorted set of one partition, range by range, of each at most `limit`. */
  async range(
    partition: number,
    key: string,
    ranges: readonly Range[],
    limit: number,
    from: "first" | "last" = "first",
  ): Promise<readonly string[]> {
    if (ranges.length === 0) return [];
    const [found] = await this.call(RANGE, partition, [key], [limit, from, ...ranges.flatMap(boundsOf)]);
    return found as readonly string[];
  }

  /**
   * The first of all partitions, by the order of what `orderOf` gives of a member. Each partition is asked for a few; only
   * one whose few all belong to the answer is asked again.
   */
  async firstOfAll({ kind, names = [], ranges, limit, from = "first", orderOf }: Sought): Promise<readonly string[]> {
    if (ranges.length === 0) return [];
    const sign = from === "first" ? 1 : -1;
    const inOrder = (a: string, b: string): number => sign * compareBytes(a, b);
    const firstOf = (members: readonly string[], count: number): readonly string[] =>
      members.map(orderOf).toSorted(inOrder).slice(0, count);
    const few = Math.min(limit, 2 + 2 * Math.ceil(limit / PARTITIONS));
    const keys = allPartitions.map((partition) => keyOf(partition, kind, ...names));
    const found = (await this.#rangeAll(keys, ranges, few, from)).map((members) => firstOf(members, few));
    const last = found.flat().toSorted(inOrder)[limit - 1];
    const whole = await Promise.all(
      found.map(async (part, partition) => {
        const end = part[few - 1];
        if (few === limit || end === undefined || (last !== undefined && inOrder(end, last) >= 0)) return part;
        return firstOf(await this.range(partition, keys[partition] ?? "", ranges, limit, from), limit);
      }),
    );
    return whole.flat().toSorted(inOrder).slice(0, limit);
  }

  /** The ranges of the same set of each partition. */
  async #rangeAll(
    keys: readonly string[],
    ranges: readonly Range[],
    limit: number,
    from: "first" | "last",
  ): Promise<readonly (readonly string[])[]> {
    if (this.#connection.isCluster) {
      return Promise.all(keys.map((key, partition) => this.range(partition, key, ranges, limit, from)));
    }
    return this.#onLink(async (on) => {
      const args = [this.#identity, ...this.#marks.map(String), String(limit), from, ...ranges.flatMap(boundsOf)];
      const answer = await this.#connection.evaluate({ script: RANGE_ALL, keys: [...metaKeys, ...keys], args }, on);
      if (answer === otherLink) return null;
      const [counts, all] = answer as readonly [readonly unknown[], readonly (readonly string[])[]];
      for (const [partition, count] of counts.entries()) this.#hear(partition, count);
      return all;
    });
  }

  /** Asks only over a connection behind which the partitions were looked at. */
  async #onLink<T>(ask: (on: number) => Promise<T | null>): Promise<T> {
    for (let tries = 1; tries <= limits.storeRetries; tries++) {
      if (this.#checkedLink !== this.#connection.link) await this.#check();
      try {
        const answer = await ask(this.#checkedLink);
        if (answer !== null) return answer;
      } catch (error) {
        if (PawlError.is(error, "STORE_REPLACED") || PawlError.is(error, "STORE_REGRESSED")) this.#checkedLink = -1;
        throw error;
      }
    }
    throw redisError(new Error("its connections do not last"), this.#connection.place);
  }

  #hear(partition: number, count: unknown): void {
    this.#marks[partition] = Math.max(this.#marks[partition] ?? 0, Number(count));
  }

  /** null = not sent, for another link than `on` */
  async #ask(
    script: Script,
    partition: number,
    { keys, args, asBytes, on }: Asked,
  ): Promise<readonly unknown[] | null> {
    const now = this.#clock === undefined ? "" : digits(this.#clock.nowMs());
    const own = args.map((one) => (typeof one === "number" ? String(one) : one));
    const common = [this.#identity, String(this.#marks[partition] ?? 0), now];
    const evaluation = { script, keys: [metaKeys[partition] ?? "", ...keys], args: [...common, ...own], asBytes };
    const answer = await this.#connection.evaluate(evaluation, on);
    if (answer === otherLink) return null;
    const [count, ...rest] = answer as readonly unknown[];
    this.#hear(partition, count);
    return rest;
  }

  /**
   * With a new connection: nothing is asked of the server before every partition that answers is known to be no older
   * than this process has seen it. What one of them has lost, the others may have lost too without a trace.
   */
  #check(): Promise<void> {
    this.#checking ??= this.#checkAll().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  async #checkAll(): Promise<void> {
    const link = this.#connection.link;
    const nothing = { keys: [], args: [], asBytes: false, on: null };
    const answers = await Promise.allSettled(allPartitions.map((partition) => this.#ask(NOTHING, partition, nothing)));
    const failures = answers.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
    // a node that is down does not stop the others
    const refused = failures.find((error) => !PawlError.is(error, "STORE_UNREACHABLE"));
    if (refused !== undefined || failures.length === PARTITIONS) throw refused ?? failures[0];
    this.#checkedLink = link;
  }

  async #meta(partition: number) {
    const answer = await this.#connection.evaluate({ script: META, keys: [metaKeys[partition] ?? ""], args: [] });
    const [id, ready, format] = answer as readonly (string | null)[];
    return { id: id ?? null, ready: ready ?? null, format: format ?? null };
  }

  /** Whoever comes first names the store; others, also those who come while it is half done, take that name. */
  async #found(): Promise<string> {
    const name = (partition: number, id: string, ready: string): Promise<unknown> =>
      this.#connection.evaluate({ script: FOUND, keys: [metaKeys[partition] ?? ""], args: [id, ready] });
    const identity = String(await name(0, randomUUID(), ""));
    const names = await Promise.all(allPartitions.slice(1).map((partition) => name(partition, identity, "")));
    if (names.some((id) => id !== identity)) throw this.#tornApart();
    await name(0, identity, String(FORMAT));
    return identity;
  }

  #tornApart(): PawlError {
    return new PawlError(
      "STORE_REGRESSED",
      `Redis at ${this.#connection.place} has only a part of the store: a node was emptied, or is another store's. Nothing was written to it. Put its data back, or empty all nodes to begin anew.`,
    );
  }
}

function boundsOf({ low, high }: Range): readonly Argument[] {
  return [low, high];
}

/** The order of the texts' UTF-8 bytes, which is the server's: that of JavaScript, but for surrogates. */
function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [one, other] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (one !== other) return rank(one) - rank(other);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
