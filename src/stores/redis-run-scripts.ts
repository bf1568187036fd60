import type { Script } from "./redis.ts";
import { operation } from "./redis-partitions.ts";

// One atomic operation on a run each. KEYS: 1 meta, 2 run, 3 journal, 4 due, 5 owned, 6 dirty, 7 list of the tenant.
// The run is a hash: seq, head (text, never read here), ended, outbox, marks, and the members by which it stands in the
// indexes now (due, owner, status, asks), so that they can be taken out. The journal is a sorted set of lines by their
// first seq.

const HEAD = `
local function head(kind, more)
  local parts = redis.call('HMGET', KEYS[2], 'head', 'acked', 'indexed', 'snapshot')
  return {count, kind, parts[1], parts[2], parts[3], parts[4] or '', more}
end
`;

const MOVE = `
local function move(key, old, new)
  if old == new then return end
  if old ~= '' then redis.call('ZREM', key, old) end
  if new ~= '' then redis.call('ZADD', key, 0, new) end
end
`;

/** ARGV: 4 line, 5 seq, 6 head, 7 ended, 8 outbox, 9 due, 10 owner, 11 status, 12 asks, 13 ref, 14 run id, 15… facets */
export const CREATE: Script = operation(
  "write",
  `${HEAD}${MOVE}
if redis.call('EXISTS', KEYS[2]) == 1 then return head('exists', '') end
written()
local t = redis.call('TIME')
local entry = t[1] .. string.sub('000000' .. t[2], -6) .. ARGV[14]
local due = ARGV[9]
if ARGV[7] == '1' and ARGV[8] == '0' then due = '' end
redis.call('HSET', KEYS[2], 'seq', ARGV[5], 'head', ARGV[6], 'ended', ARGV[7], 'outbox', ARGV[8], 'due', due,
  'owner', ARGV[10], 'status', ARGV[11], 'asks', ARGV[12], 'entry', entry, 'acked', '0', 'indexed', '0')
redis.call('ZADD', KEYS[3], 1, ARGV[4])
move(KEYS[4], '', due)
move(KEYS[5], '', ARGV[10])
redis.call('ZADD', KEYS[6], 0, ARGV[13])
redis.call('ZADD', KEYS[7], 0, ARGV[11] .. entry)
if ARGV[12] ~= '' then redis.call('ZADD', KEYS[7], 0, ARGV[12] .. entry) end
for i = 15, #ARGV do redis.call('ZADD', KEYS[7], 0, ARGV[i] .. entry) end
return {count, 'created'}`,
);

/** ARGV: as for CREATE, but 14 expected seq, 15 first seq, 16 batch id in JSON */
export const APPEND: Script = operation(
  "write",
  `${HEAD}${MOVE}
local run = redis.call('HMGET', KEYS[2], 'seq', 'ended', 'acked', 'entry', 'due', 'owner', 'status', 'asks')
if not run[1] then return {count, 'unknown'} end
if run[1] ~= ARGV[14] or run[2] == '1' then
  local line = redis.call('ZRANGEBYSCORE', KEYS[3], ARGV[15], ARGV[15])[1]
  if not line or not string.find(line, ARGV[16], 1, true) then line = '' end
  return head('refused', line)
end
written()
local due = ARGV[9]
if ARGV[7] == '1' and tonumber(ARGV[8]) <= tonumber(run[3]) then due = '' end
redis.call('HSET', KEYS[2], 'seq', ARGV[5], 'head', ARGV[6], 'ended', ARGV[7], 'outbox', ARGV[8], 'due', due,
  'owner', ARGV[10], 'status', ARGV[11], 'asks', ARGV[12])
redis.call('ZADD', KEYS[3], ARGV[15], ARGV[4])
move(KEYS[4], run[5], due)
move(KEYS[5], run[6], ARGV[10])
redis.call('ZADD', KEYS[6], 0, ARGV[13])
if run[7] ~= ARGV[11] then move(KEYS[7], run[7] .. run[4], ARGV[11] .. run[4]) end
if run[8] ~= ARGV[12] then
  move(KEYS[7], run[8] == '' and '' or run[8] .. run[4], ARGV[12] == '' and '' or ARGV[12] .. run[4])
end
return {count, 'ok'}`,
);

/** ARGV: 4 acked, 5 indexed, 6 seq of the snapshot, 7 snapshot, 8 ref */
export const MARK: Script = operation(
  "write",
  `
local run = redis.call('HMGET', KEYS[2], 'seq', 'acked', 'indexed', 'snapshotSeq', 'ended', 'outbox', 'due')
if not run[1] then return {count} end
local seq = tonumber(run[1])
local function raised(old, by)
  if tonumber(by) > seq then by = run[1] end
  return tonumber(by) > tonumber(old) and by or old
end
local acked = raised(run[2], ARGV[4])
local indexed = raised(run[3], ARGV[5])
local snapshot = tonumber(ARGV[6]) <= seq and tonumber(ARGV[6]) > tonumber(run[4] or '0')
if acked == run[2] and indexed == run[3] and not snapshot then return {count} end
written()
redis.call('HSET', KEYS[2], 'acked', acked, 'indexed', indexed)
if snapshot then redis.call('HSET', KEYS[2], 'snapshotSeq', ARGV[6], 'snapshot', ARGV[7]) end
if run[5] == '1' and run[7] ~= '' and tonumber(run[6]) <= tonumber(acked) then
  redis.call('ZREM', KEYS[4], run[7])
  redis.call('HSET', KEYS[2], 'due', '')
end
if tonumber(indexed) >= seq then redis.call('ZREM', KEYS[6], ARGV[8]) end
return {count}`,
);

export const READ_HEAD: Script = operation(
  "read",
  `${HEAD}
return head('head', '')`,
);

/** KEYS: 2 run, 3 journal. ARGV: 4 first seq, 5 most bytes */
export const READ_EVENTS: Script = operation(
  "read",
  `
local lines, bytes = {}, 0
local seq = redis.call('HGET', KEYS[2], 'seq')
if not seq or tonumber(seq) < tonumber(ARGV[4]) then return {count, lines} end
local first = redis.call('ZREVRANGEBYSCORE', KEYS[3], ARGV[4], '-inf', 'LIMIT', 0, 1)
if #first == 0 then return {count, lines} end
local rank = redis.call('ZRANK', KEYS[3], first[1])
while true do
  local part = redis.call('ZRANGE', KEYS[3], rank, rank + 15)
  for _, line in ipairs(part) do
    bytes = bytes + #line
    if #lines > 0 and bytes > tonumber(ARGV[5]) then return {count, lines} end
    lines[#lines + 1] = line
  end
  if #part < 16 then return {count, lines} end
  rank = rank + 16
end`,
);

/** ARGV: 4 ref, 5 place and run id, 6… facets */
export const REMOVE: Script = operation(
  "frees",
  `
written()
local run = redis.call('HMGET', KEYS[2], 'due', 'owner', 'status', 'asks')
if run[1] and run[1] ~= '' then redis.call('ZREM', KEYS[4], run[1]) end
if run[2] and run[2] ~= '' then redis.call('ZREM', KEYS[5], run[2]) end
redis.call('ZREM', KEYS[6], ARGV[4])
redis.call('ZREM', KEYS[7], (run[3] or '') .. ARGV[5], (run[4] or '') .. ARGV[5])
for i = 6, #ARGV do redis.call('ZREM', KEYS[7], ARGV[i] .. ARGV[5]) end
redis.call('UNLINK', KEYS[2], KEYS[3])
return {count}`,
);
