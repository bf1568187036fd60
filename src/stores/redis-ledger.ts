import { limits } from "../core/limits.ts";
import {
  windowKindOf,
  type LedgerAmount,
  type LedgerReading,
  type LedgerScope,
  type OpenReservation,
  type ReserveResult,
} from "../core/store-contract.ts";
import { checkCap, mergedAmounts, scopeOf } from "./ledger-amounts.ts";
import {
  allPartitions,
  digits,
  keyOf,
  operation,
  partitionOf,
  prefixed,
  type RedisPartitions,
} from "./redis-partitions.ts";

// A tenant's ledger is in one partition. One hash has the accounts: c<account> the cap, s<account> what was spent,
// r<account> what is reserved. `windows` orders the accounts by window, so that past ones are found. A reservation is a
// hash of its own: h<account> what it holds. `reservations` has each open one twice, by age (o) and by run (r).

const CAP = `
local function capOf(own, kind)
  local cap = redis.call('HGET', KEYS[2], 'c' .. own)
  if not cap and kind ~= '' then cap = redis.call('HGET', KEYS[2], 'c' .. kind) end
  return cap
end
local function add(kind, account, amount, window)
  if amount == '0' then return end
  redis.call('HINCRBY', KEYS[2], kind .. account, amount)
  if window ~= '' then redis.call('ZADD', KEYS[3], 0, window) end
end
`;

/**
 * KEYS: 2 accounts, 3 windows, 4 reservation, 5 reservations.
 * ARGV: 4 run id, 5 amounts, 6 entry by age without its time, 7 entry by run, then account, kind, amount, window of each
 */
const RESERVE = operation(
  "write",
  `${CAP}
if redis.call('EXISTS', KEYS[4]) == 1 then return {count, 'ok'} end
local held = {}
for i = 8, #ARGV, 4 do
  local cap = capOf(ARGV[i], ARGV[i + 1])
  if cap then
    local taken = redis.call('HMGET', KEYS[2], 's' .. ARGV[i], 'r' .. ARGV[i])
    local left = tonumber(cap) - tonumber(taken[1] or '0') - tonumber(taken[2] or '0')
    if tonumber(ARGV[i + 2]) > left then return {count, 'refused', (i - 8) / 4, left} end
    held[#held + 1] = i
  end
end
if #held == 0 then return {count, 'ok'} end
written()
local at = time()
redis.call('HSET', KEYS[4], 'run', ARGV[4], 'amounts', ARGV[5], 'at', at)
for _, i in ipairs(held) do
  add('r', ARGV[i], ARGV[i + 2], ARGV[i + 3])
  redis.call('HSET', KEYS[4], 'h' .. ARGV[i], ARGV[i + 2])
end
redis.call('ZADD', KEYS[5], 0, 'o' .. at .. ARGV[6], 0, ARGV[7])
return {count, 'ok'}`,
);

/** KEYS as RESERVE. ARGV: 4 kept for ms, 5 tenant, 6 entry by age without its time, 7 id, then account, kind, amount, window */
const SETTLE = operation(
  "frees",
  `${CAP}
local fields = redis.call('HGETALL', KEYS[4])
local one = {}
for i = 1, #fields, 2 do one[fields[i]] = fields[i + 1] end
if not one['at'] or one['settled'] then return {count} end
written()
for field, amount in pairs(one) do
  if string.sub(field, 1, 1) == 'h' and amount ~= '0' then
    redis.call('HINCRBY', KEYS[2], 'r' .. string.sub(field, 2), '-' .. amount)
  end
end
for i = 8, #ARGV, 4 do
  if one['h' .. ARGV[i]] or capOf(ARGV[i], ARGV[i + 1]) then add('s', ARGV[i], ARGV[i + 2], ARGV[i + 3]) end
end
redis.call('ZREM', KEYS[5], 'o' .. one['at'] .. ARGV[6], 'r' .. ARGV[5] .. one['run'] .. ARGV[7])
if #ARGV < 8 then
  redis.call('UNLINK', KEYS[4])
else
  redis.call('HSET', KEYS[4], 'settled', '1')
  redis.call('PEXPIRE', KEYS[4], ARGV[4])
end
return {count}`,
);

/** ARGV: 4 account, 5 cap or empty, 6 window */
const SET_CAP = operation(
  "write",
  `
written()
if ARGV[5] == '' then
  redis.call('HDEL', KEYS[2], 'c' .. ARGV[4])
else
  redis.call('HSET', KEYS[2], 'c' .. ARGV[4], ARGV[5])
  if ARGV[6] ~= '' then redis.call('ZADD', KEYS[3], 0, ARGV[6]) end
end
return {count}`,
);

/** ARGV: 4 account, 5 kind */
const READ = operation(
  "read",
  `${CAP}
return {count, capOf(ARGV[4], ARGV[5]) or '', redis.call('HGET', KEYS[2], 's' .. ARGV[4]) or '0',
  redis.call('HGET', KEYS[2], 'r' .. ARGV[4]) or '0'}`,
);

/** ARGV: 4 kind with its colon, 5 before, 6 most */
const PRUNE = operation(
  "frees",
  `
local went, low = 0, '[' .. ARGV[4]
while went < tonumber(ARGV[6]) do
  local found = redis.call('ZRANGEBYLEX', KEYS[3], low, '(' .. ARGV[5], 'LIMIT', 0, 100)
  for _, member in ipairs(found) do
    low = '(' .. member
    local account = string.sub(member, string.find(member, '\\0', 1, true) + 1)
    if (redis.call('HGET', KEYS[2], 'r' .. account) or '0') == '0' and went < tonumber(ARGV[6]) then
      if went == 0 then written() end
      redis.call('HDEL', KEYS[2], 'c' .. account, 's' .. account, 'r' .. account)
      redis.call('ZREM', KEYS[3], member)
      went = went + 1
    end
  end
  if #found < 100 then break end
end
return {count, went}`,
);

const READ_RESERVATION = operation("read", "return {count, redis.call('HMGET', KEYS[2], 'run', 'amounts', 'at')}");

/** Shared budgets in Redis. */
export class RedisLedger {
  readonly #data: RedisPartitions;

  constructor(data: RedisPartitions) {
    this.#data = data;
  }

  async reserve(
    tenant: string,
    request: { readonly id: string; readonly runId: string; readonly amounts: readonly LedgerAmount[] },
  ): Promise<ReserveResult> {
    const { id, runId } = request;
    const amounts = mergedAmounts(request.amounts);
    const { partition, keys } = placeOf(tenant, id);
    const entries = [JSON.stringify([tenant, id]), `${runPrefix(tenant, runId)}${id}`];
    const args = [
      JSON.stringify(runId),
      JSON.stringify(amounts),
      ...entries,
      ...amounts.flatMap((one) => accountOf(tenant, one)),
    ];
    const [type, refused, left] = await this.#data.call(RESERVE, partition, keys, args);
    const scope = type === "ok" ? undefined : amounts[Number(refused)];
    return scope === undefined ? { type: "ok" } : { type: "refused", scope: scopeOf(scope), left: Number(left) };
  }

  async settle(tenant: string, id: string, actual: readonly LedgerAmount[]): Promise<void> {
    const { partition, keys } = placeOf(tenant, id);
    const used = mergedAmounts(actual).flatMap((one) => accountOf(tenant, one));
    const names = [JSON.stringify(tenant), JSON.stringify([tenant, id]), `\0${id}`];
    await this.#data.call(SETTLE, partition, keys, [limits.settledKeptMs, ...names, ...used]);
  }

  async openReservationsOf(tenant: string, runId: string): Promise<readonly OpenReservation[]> {
    const partition = partitionOf(tenant);
    const prefix = runPrefix(tenant, runId);
    const key = keyOf(partition, "reservations");
    const members = await this.#data.range(partition, key, [prefixed(prefix)], Number.MAX_SAFE_INTEGER);
    const found = await Promise.all(members.map((member) => this.#reservation(tenant, member.slice(prefix.length))));
    return found.flat();
  }

  async openReservationsBefore(atMs: number, limit: number): Promise<readonly OpenReservation[]> {
    const range = { low: "[o", high: `(o${digits(atMs)}` };
    const orderOf = (member: string): string => member;
    const oldest = await this.#data.firstOfAll({ kind: "reservations", ranges: [range], limit, orderOf });
    const found = await Promise.all(
      oldest.map((member) => {
        const [tenant = "", id = ""] = JSON.parse(member.slice(1 + digits(0).length)) as readonly string[];
        return this.#reservation(tenant, id);
      }),
    );
    return found.flat();
  }

  async setCap(tenant: string, scope: LedgerScope, cap: number | null): Promise<void> {
    checkCap(scope, cap);
    const { partition, keys } = placeOf(tenant, "");
    const [account = "", , , window = ""] = accountOf(tenant, { ...scope, amount: 0 });
    await this.#data.call(SET_CAP, partition, keys.slice(0, 2), [account, cap === null ? "" : String(cap), window]);
  }

  async readLedger(tenant: string, scope: LedgerScope): Promise<LedgerReading> {
    const { partition, keys } = placeOf(tenant, "");
    const [account = "", kind = ""] = accountOf(tenant, { ...scope, amount: 0 });
    const [cap, spent, reserved] = await this.#data.call(READ, partition, keys.slice(0, 1), [account, kind]);
    return {
      ...scopeOf(scope),
      cap: cap === "" ? null : Number(cap),
      spent: Number(spent),
      reserved: Number(reserved),
    };
  }

  async pruneLedger(before: string, limit: number): Promise<number> {
    const kind = before.slice(0, before.indexOf(":") + 1);
    let went = 0;
    for (const partition of allPartitions) {
      if (went >= limit) break;
      const keys = [keyOf(partition, "accounts"), keyOf(partition, "windows")];
      const [more] = await this.#data.call(PRUNE, partition, keys, [kind, before, limit - went]);
      went += Number(more);
    }
    return went;
  }

  /** None when it was settled meanwhile. */
  async #reservation(tenant: string, id: string): Promise<readonly OpenReservation[]> {
    const { partition, keys } = placeOf(tenant, id);
    const [fields] = await this.#data.call(READ_RESERVATION, partition, keys.slice(2, 3), []);
    const [run, amounts, at] = fields as readonly (string | null)[];
    if (typeof run !== "string" || typeof amounts !== "string") return [];
    const runId = JSON.parse(run) as string;
    return [{ id, runId, tenant, at: Number(at), amounts: JSON.parse(amounts) as readonly LedgerAmount[] }];
  }
}

function placeOf(tenant: string, id: string): { readonly partition: number; readonly keys: readonly string[] } {
  const partition = partitionOf(tenant);
  const keys = [
    keyOf(partition, "accounts"),
    keyOf(partition, "windows"),
    keyOf(partition, "reservation", tenant, id),
    keyOf(partition, "reservations"),
  ];
  return { partition, keys };
}

function runPrefix(tenant: string, runId: string): string {
  return `r${JSON.stringify(tenant)}${JSON.stringify(runId)}\0`;
}

/** An amount as the scripts take it: account, the account of its kind of window, amount, entry among the windows. */
function accountOf(tenant: string, one: LedgerAmount): readonly string[] {
  const name = ({ scope, window, unit }: LedgerScope): string => JSON.stringify([tenant, scope, window, unit]);
  const kind = windowKindOf(one);
  return [
    name(one),
    kind === null ? "" : name(kind),
    String(one.amount),
    kind === null ? "" : `${one.window}\0${name(one)}`,
  ];
}
