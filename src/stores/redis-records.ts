import { encodeCursor } from "../core/cursor.ts";
import type { JsonValue } from "../core/json.ts";
import type { Page, PutCondition, PutResult, StoredRecord } from "../core/store-contract.ts";
import { pageOf, textPlace } from "./contract-rules.ts";
import { keyOf, operation, partitionOf, prefixed, type RedisPartitions } from "./redis-partitions.ts";

const EXPIRED_PER_PUT = 100;

// A record is a hash: value, version, expires. `records` orders them by tenant and key, `expiring` by when they expire;
// what expired is taken out of both as others are put. KEYS: 2 record, 3 records, 4 expiring.

/** ARGV: 4 value, 5 `any`, `absent` or a version, 6 ms to live or empty, 7 entry */
const PUT = operation(
  "write",
  `
local now = time()
local current = redis.call('HMGET', KEYS[2], 'value', 'version', 'expires')
local isThere = current[1] and (current[3] == '' or tonumber(current[3]) > tonumber(now))
if (ARGV[5] == 'absent' and isThere) or
  (ARGV[5] ~= 'absent' and ARGV[5] ~= 'any' and not (isThere and current[2] == ARGV[5])) then
  return {count, 'conflict', isThere and current[1] or '', isThere and current[2] or ''}
end
written()
local expires = ''
if ARGV[6] ~= '' then expires = string.format('%.0f', tonumber(now) + tonumber(ARGV[6])) end
redis.call('HSET', KEYS[2], 'value', ARGV[4], 'version', count, 'expires', expires)
redis.call('ZADD', KEYS[3], 0, ARGV[7])
if expires == '' then
  redis.call('PERSIST', KEYS[2])
  redis.call('ZREM', KEYS[4], ARGV[7])
else
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
  redis.call('ZADD', KEYS[4], expires, ARGV[7])
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, ${EXPIRED_PER_PUT})) do
    redis.call('ZREM', KEYS[4], entry)
    redis.call('ZREM', KEYS[3], entry)
  end
end
return {count, 'ok', count}`,
);

const GET = operation(
  "read",
  `
local current = redis.call('HMGET', KEYS[2], 'value', 'version', 'expires')
if not current[1] or (current[3] ~= '' and tonumber(current[3]) <= tonumber(time())) then return {count, '', ''} end
return {count, current[1], current[2]}`,
);

/** ARGV: 4 entry */
const DELETE = operation(
  "frees",
  `
if redis.call('EXISTS', KEYS[2]) == 1 then written() end
redis.call('UNLINK', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[4])
redis.call('ZREM', KEYS[4], ARGV[4])
return {count}`,
);

/** Small versioned records in Redis. A version is the number of the partition's writes, so that none is used twice. */
export class RedisRecords {
  readonly #data: RedisPartitions;

  constructor(data: RedisPartitions) {
    this.#data = data;
  }

  async getRecord(tenant: string, key: string): Promise<StoredRecord | null> {
    const { partition, keys } = placeOf(tenant, key);
    const [value, version] = await this.#data.call(GET, partition, keys.slice(0, 1), []);
    return recordOf(key, value, version);
  }

  async putRecord(
    tenant: string,
    key: string,
    value: JsonValue,
    condition: PutCondition,
    ttlMs?: number,
  ): Promise<PutResult> {
    const { partition, keys } = placeOf(tenant, key);
    const when = "ifAbsent" in condition ? "absent" : "ifVersion" in condition ? String(condition.ifVersion) : "any";
    const ttl = ttlMs === undefined ? "" : String(Math.max(1, Math.ceil(ttlMs)));
    const args = [JSON.stringify(value), when, ttl, entryOf(tenant, key)];
    const [type, ...rest] = await this.#data.call(PUT, partition, keys, args);
    if (type === "ok") return { type: "ok", version: Number(rest[0]) };
    return { type: "conflict", current: recordOf(key, rest[0], rest[1]) };
  }

  async deleteRecord(tenant: string, key: string): Promise<void> {
    const { partition, keys } = placeOf(tenant, key);
    await this.#data.call(DELETE, partition, keys, [entryOf(tenant, key)]);
  }

  async listRecords(tenant: string, prefix: string, cursor: string | null, limit: number): Promise<Page<StoredRecord>> {
    const ofTenant = entryOf(tenant, "");
    const range = prefixed(ofTenant + prefix, cursor === null ? null : ofTenant + textPlace("records", cursor));
    const orderOf = (member: string): string => member.slice(ofTenant.length);
    const entries = await this.#data.firstOfAll({ kind: "records", ranges: [range], limit: limit + 1, orderOf });
    const shown = pageOf(entries, limit, {
      cursorAfter: (key) => encodeCursor("records", key),
      itemOf: (key) => this.getRecord(tenant, key),
    });
    return { items: (await Promise.all(shown.items)).flatMap((record) => record ?? []), cursor: shown.cursor };
  }
}

function recordOf(key: string, value: unknown, version: unknown): StoredRecord | null {
  if (typeof value !== "string" || value === "") return null;
  return { key, value: JSON.parse(value) as JsonValue, version: Number(version) };
}

function entryOf(tenant: string, key: string): string {
  return `${JSON.stringify(tenant)}\0${key}`;
}

function placeOf(tenant: string, key: string): { readonly partition: number; readonly keys: readonly string[] } {
  const partition = partitionOf(tenant, key);
  return {
    partition,
    keys: [keyOf(partition, "record", tenant, key), keyOf(partition, "records"), keyOf(partition, "expiring")],
  };
}
