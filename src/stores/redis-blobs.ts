import { checkBlob } from "./contract-rules.ts";
import { keyOf, operation, partitionOf, type RedisPartitions } from "./redis-partitions.ts";

const DROPPED_PER_STEP = 20;

// A blob is a key of its own, and a set names those of a scope. KEYS: 2 set, 3… blobs.

/** ARGV: 4 hash, 5 bytes */
const PUT = operation(
  "write",
  `
if redis.call('EXISTS', KEYS[3]) == 1 then return {count} end
written()
redis.call('SET', KEYS[3], ARGV[5])
redis.call('SADD', KEYS[2], ARGV[4])
return {count}`,
);

const GET = operation("read", "return {count, redis.call('GET', KEYS[2])}");

const SOME = operation("read", `return {count, redis.call('SRANDMEMBER', KEYS[2], ${DROPPED_PER_STEP})}`);

/** ARGV: 4… hashes */
const DROP = operation(
  "frees",
  `
written()
for i = 4, #ARGV do
  redis.call('UNLINK', KEYS[i - 1])
  redis.call('SREM', KEYS[2], ARGV[i])
end
return {count}`,
);

/** Blobs in Redis: those of a scope are in one partition. */
export class RedisBlobs {
  readonly #data: RedisPartitions;

  constructor(data: RedisPartitions) {
    this.#data = data;
  }

  async putBlob(tenant: string, scope: string, hash: string, bytes: Uint8Array): Promise<void> {
    checkBlob(hash, bytes);
    const partition = partitionOf(tenant, scope);
    const keys = [keyOf(partition, "blobs", tenant, scope), keyOf(partition, "blob", tenant, scope, hash)];
    await this.#data.call(PUT, partition, keys, [hash, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)]);
  }

  async getBlob(tenant: string, scope: string, hash: string): Promise<Uint8Array | null> {
    const partition = partitionOf(tenant, scope);
    const [bytes] = await this.#data.call(GET, partition, [keyOf(partition, "blob", tenant, scope, hash)], [], true);
    return bytes instanceof Uint8Array ? new Uint8Array(bytes) : null;
  }

  async dropScope(tenant: string, scope: string): Promise<void> {
    const partition = partitionOf(tenant, scope);
    const set = keyOf(partition, "blobs", tenant, scope);
    for (;;) {
      const [some] = await this.#data.call(SOME, partition, [set], []);
      const hashes = some as readonly string[];
      if (hashes.length === 0) return;
      const keys = [set, ...hashes.map((hash) => keyOf(partition, "blob", tenant, scope, hash))];
      await this.#data.call(DROP, partition, keys, hashes);
    }
  }
}
