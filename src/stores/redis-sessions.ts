import { limits } from "../core/limits.ts";
import type { SessionInfo } from "../core/store-contract.ts";
import { allPartitions, keyOf, operation, partitionOf, type RedisPartitions } from "./redis-partitions.ts";

/** How long a silent session stays listed: the sweep finds its runs by it. */
const SILENT_KEPT_MS = 86_400_000;

// One hash of each partition: w<id> the worker, c<id> the counter, b<id> the server's time of the last beat, k<id> killed.
// Beats also go on where memory is full: without them every worker would let go of its runs.

/** ARGV: 4 id, 5 worker, 6 kept for ms */
const OPEN = operation(
  "write",
  `
if redis.call('HEXISTS', KEYS[2], 'w' .. ARGV[4]) == 1 then return {count} end
written()
local now = time()
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 1) == 'b' and tonumber(now) - tonumber(all[i + 1]) > tonumber(ARGV[6]) then
    local id = string.sub(all[i], 2)
    redis.call('HDEL', KEYS[2], 'w' .. id, 'c' .. id, 'b' .. id, 'k' .. id)
  end
end
redis.call('HSET', KEYS[2], 'w' .. ARGV[4], ARGV[5], 'c' .. ARGV[4], '0', 'b' .. ARGV[4], now)
return {count}`,
);

/** ARGV: 4 id, 5 counter */
const BEAT = operation(
  "frees",
  `
local one = redis.call('HMGET', KEYS[2], 'c' .. ARGV[4], 'k' .. ARGV[4])
if not one[1] or one[2] then return {count, 'dead'} end
written()
local counter = tonumber(ARGV[5]) > tonumber(one[1]) and ARGV[5] or one[1]
redis.call('HSET', KEYS[2], 'c' .. ARGV[4], counter, 'b' .. ARGV[4], time())
return {count, 'ok'}`,
);

/** ARGV: 4 id, 5 seen counter, or empty for one's own session; 6 silent for ms */
const KILL = operation(
  "frees",
  `
local one = redis.call('HMGET', KEYS[2], 'c' .. ARGV[4], 'k' .. ARGV[4], 'b' .. ARGV[4])
if not one[1] or one[2] then return {count, 'dead'} end
if ARGV[5] ~= '' and (one[1] ~= ARGV[5] or tonumber(time()) - tonumber(one[3]) <= tonumber(ARGV[6])) then
  return {count, 'alive'}
end
written()
redis.call('HSET', KEYS[2], 'k' .. ARGV[4], '1')
return {count, 'dead'}`,
);

const LIST = operation("read", "return {count, time(), redis.call('HGETALL', KEYS[2])}");

/** ARGV: 4 id */
const ONE = operation(
  "read",
  `
local names = {'w' .. ARGV[4], 'c' .. ARGV[4], 'b' .. ARGV[4], 'k' .. ARGV[4]}
local fields = {}
for _, name in ipairs(names) do
  local value = redis.call('HGET', KEYS[2], name)
  if value then
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
end
return {count, time(), fields}`,
);

/** Worker sessions in Redis, judged by the server's clock. */
export class RedisSessions {
  readonly #data: RedisPartitions;

  constructor(data: RedisPartitions) {
    this.#data = data;
  }

  async openSession(id: string, worker: string): Promise<void> {
    const partition = partitionOf(id);
    await this.#data.call(OPEN, partition, [keyOf(partition, "sessions")], [id, worker, SILENT_KEPT_MS]);
  }

  async beat(id: string, counter: number): Promise<"ok" | "dead"> {
    const partition = partitionOf(id);
    const [answer] = await this.#data.call(BEAT, partition, [keyOf(partition, "sessions")], [id, counter]);
    return answer === "ok" ? "ok" : "dead";
  }

  async kill(id: string, seenCounter: number): Promise<"dead" | "alive"> {
    const partition = partitionOf(id);
    const args = [id, seenCounter, limits.sessionDeadMs];
    const [answer] = await this.#data.call(KILL, partition, [keyOf(partition, "sessions")], args);
    return answer === "alive" ? "alive" : "dead";
  }

  async closeSession(id: string): Promise<void> {
    const partition = partitionOf(id);
    await this.#data.call(KILL, partition, [keyOf(partition, "sessions")], [id, "", 0]);
  }

  async session(id: string): Promise<SessionInfo | null> {
    const partition = partitionOf(id);
    const [now, fields] = await this.#data.call(ONE, partition, [keyOf(partition, "sessions")], [id]);
    return sessionsOf(Number(now), fields as readonly string[])[0] ?? null;
  }

  async listSessions(): Promise<readonly SessionInfo[]> {
    const all = await Promise.all(
      allPartitions.map(async (partition) => {
        const [now, fields] = await this.#data.call(LIST, partition, [keyOf(partition, "sessions")], []);
        return sessionsOf(Number(now), fields as readonly string[]);
      }),
    );
    return all.flat();
  }
}

function sessionsOf(nowMs: number, flat: readonly string[]): readonly SessionInfo[] {
  const fields = new Map(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? ""] as const] : [])));
  return [...fields].flatMap(([name, worker]) => {
    if (!name.startsWith("w")) return [];
    const id = name.slice(1);
    const silentMs = nowMs - Number(fields.get(`b${id}`));
    const dead = fields.has(`k${id}`) || silentMs > limits.sessionDeadMs;
    return [{ id, worker, counter: Number(fields.get(`c${id}`)), dead }];
  });
}
