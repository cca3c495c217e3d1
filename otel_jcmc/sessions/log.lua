-- Adds one batch of entries to the logs of sessions of one partition.
-- 
-- KEYS[1] the number of the last batch that the calling process has written. Each process has its own key.
-- ARGV[1...4] mode, grace, keep and settle of store/stays.lua, whose text is put before this text.
-- ARGV[5] the number of this batch, ARGV[6] how many entries the log of a session has at most.
-- ARGV[7] the items of this batch (sessions/items.py), one after the other. Each has an entry, a card, or both.
-- 
-- Each write to a session has a version, and names the version of the write on which it builds. If two processes take
-- the pushes of one session, one of them may send an item that does not build on the newest write. This script then
-- does not write the item, and returns the session's newest state. The process merges its item with this state and
-- sends it again. An earlier version of this service writes entries without versions: no card counts these entries.
-- 
-- Returns first a text: one digit for each item, then a semicolon and the time (ms). The digits:
--   1  the entry was written, or is no longer wanted, because its participant was erased or it is too old
--   2  the entry was written, but Redis has no attributes of its session
--   3  the item was not written
--   4  the item was not written, because it does not build on the newest write
--   5  a card was written, without an entry
-- After this text it returns, for each digit 4, the newest state of the session: the versions that made its newest
-- entry, its card, its newest entry, and, if the item has attributes, the session's attributes.
local REPEATED_MS, LATE_MS, ENTRY_BYTES, POPPED_AT_ONCE = 600000, 200, 3, 200
local VERSION_BYTES, MOST_VERSIONS, NONE = 6, 8, '------'
local REPLACES, IS_WHOLE, FORCED = 4, 8, 16
local batch, most = tonumber(ARGV[5]), tonumber(ARGV[6])
-- The expiries of a session's keys are not set with each entry, but only once in this many ms.
local while_ms = math.max(1000, math.floor(keep / 24))
local answers, newest, grown = {}, {}, 0
-- Much of this script runs for each item. Lua finds a local name faster than `redis.call`, and the text of the key
-- `cards` is made only once.
local call, sub, floor = redis.call, string.sub, math.floor
local cards = base .. 'cards'
local is_crowded = redis.call('EXISTS', base .. 'crowded') == 1
local some_erased = redis.call('EXISTS', base .. 'erased') == 1

local function know(sid)
  return call('HMGET', base .. 'session:' .. sid, 'started', 'seen', 'bytes', 'previous', 'reason', 'by', 'ttl', 'card')
end

-- Returns the sid of the session's leg at the time `at`, and the fields of its hash. If Redis has no leg, because the
-- leg was evicted or history was just switched on, this function begins a leg, if `begins` is true. While history is
-- crowded, it begins no leg, because the new log would evict the log of another leg. Without a leg it returns nothing.
local function find(name, at, ttl, begins)
  local sid = call('GET', base .. 'stay:' .. name)
  local known = sid and know(sid)
  if not known or not known[1] then
    if is_crowded or not begins then return end
    return begin(sub(name, 1, 32), sub(name, 34), ttl, at), {}
  end
  -- The entry may belong to an earlier leg: the next leg may have begun while the entry waited to be written.
  while known[4] and at < known[1] - LATE_MS do
    local before = know(known[4])
    if not before[1] then break end
    sid, known = known[4], before
  end
  return sid, known
end

-- Removes the oldest entries of the log while they are too old or the log is too long; returns how many bytes they had.
local function shorten(key, length)
  local bytes = 0
  for _ = 1, POPPED_AT_ONCE do
    local oldest = redis.call('LINDEX', key, 0)
    if not oldest then break end
    -- An entry is an array that begins with its time, tenths of a second since 2024, as uint 32.
    local at = string.byte(oldest, 2) == 0xce and struct.unpack('>I4', oldest, 3) * 100 + 1704067200000
    if length <= most and (not at or at >= now - keep) then break end
    redis.call('LPOP', key)
    bytes, length = bytes + #oldest + ENTRY_BYTES, length - 1
  end
  return bytes
end

local function has(flags, flag)
  return flags % (2 * flag) >= flag
end

-- Adds the session's newest state to the reply, for an item that does not build on the newest write; returns digit 4.
local function tell(sid, by, attributes)
  newest[#newest + 1] = {
    by or '', redis.call('HGET', base .. 'cards', sid) or '', redis.call('LINDEX', base .. 'samples:' .. sid, -1) or '',
    attributes ~= '' and redis.call('GET', base .. 'about:' .. sid) or ''
  }
  return 4
end

-- Replaces the card, adds to `grown` the bytes by which the card grew, and returns the size of the new card.
local function deal(sid, card, reason, before)
  if reason then card = card .. 'e=' .. reason .. '\n' end
  call('HSET', cards, sid, card)
  grown = grown + #card - (before or 0)
  return #card
end

-- Writes the entry to the log. Returns the log's length (0 if the entry replaced another entry), and by how many bytes
-- the log grew. Returns nothing, and writes nothing, if the log's newest entry is not the entry that must be replaced.
local function put(samples, flags, entry, other)
  if has(flags, REPLACES) then
    -- An earlier version of the service may have added an entry since the item was made.
    if redis.call('LINDEX', samples, -1) ~= other then return end
    redis.call('LSET', samples, -1, entry)
    return 0, #entry - #other
  end
  if has(flags, IS_WHOLE) and redis.call('EXISTS', samples) == 0 then entry = other end
  return call('RPUSH', samples, entry), #entry + ENTRY_BYTES
end

local function add(name, at, ttl, stands_on, version, flags, entry, attributes, card, other)
  -- The entry was gathered before its participant was erased (erasure.lua): it is not written.
  local erased = some_erased and redis.call('ZSCORE', base .. 'erased', string.sub(name, 1, 32))
  if erased and at < tonumber(erased) then return 1 end
  -- The entry waited so long that it is now older than the time for which sessions are kept.
  if at < now - keep then return 1 end
  local sid, known = find(name, at, ttl, entry ~= '')
  if not sid then return 3 end
  local key = base .. 'session:' .. sid
  local seen, bytes, reason, by, answer = tonumber(known[2] or 0), tonumber(known[3] or 0), known[5], known[6] or '', 1
  if entry == '' then
    redis.call('HSET', key, 'card', deal(sid, card, reason, known[8]))
    return 5
  end
  if stands_on ~= (by == '' and NONE or sub(by, -VERSION_BYTES)) then
    if not has(flags, FORCED) then return tell(sid, by, attributes) end
    -- The card in Redis stays, because it counts the pushes that other processes have written since.
    card = ''
  end
  local samples = base .. 'samples:' .. sid
  local length, more = put(samples, flags, entry, other)
  if not length then return tell(sid, by, attributes) end
  if attributes ~= '' then
    local before = redis.call('SET', base .. 'about:' .. sid, attributes, 'PX', keep + while_ms, 'GET')
    more = more + #attributes - (before and #before or 0)
    -- In mode 1 (neither spans nor summaries) the key `who:` is no longer needed. In other modes it is removed later.
    if not before and mode == 1 then redis.call('UNLINK', base .. 'who:' .. sid) end
  end
  if length == 1 or floor(seen / while_ms) ~= floor(at / while_ms) then
    if redis.call('PEXPIRE', base .. 'about:' .. sid, keep + while_ms) == 0 then answer = 2 end
    redis.call('PEXPIRE', samples, keep + while_ms)
    redis.call('PEXPIRE', key, keep + while_ms)
    redis.call('PEXPIRE', base .. 'stay:' .. name, keep + while_ms)
    more = more - shorten(samples, length)
  elseif length > most then
    more = more - shorten(samples, length)
  end
  by = has(flags, REPLACES) and sub(by .. version, -MOST_VERSIONS * VERSION_BYTES) or version
  local is_newer, former = at > seen, tonumber(known[8])
  local size = card ~= '' and deal(sid, card, reason, former) or former
  if is_newer and place_of(at) ~= place_of(seen) then call('ZADD', base .. 'sessions', place_of(at), sid) end
  if is_newer and size == former and tonumber(known[7]) == ttl then
    -- For nearly all entries, only these three fields change.
    call('HSET', key, 'bytes', bytes + more, 'by', by, 'seen', at)
  else
    local fields = {'bytes', bytes + more, 'by', by}
    local function put_field(field, value)
      fields[#fields + 1], fields[#fields + 2] = field, value
    end
    if is_newer then put_field('seen', at) end
    -- From ttl, store/stays.lua calculates when the last push of an expired participant came.
    if is_newer and tonumber(known[7]) ~= ttl then put_field('ttl', ttl) end
    if size ~= former then put_field('card', size) end
    call('HSET', key, unpack(fields))
  end
  grown = grown + more
  return answer
end

-- The value of KEYS[1] is the number of a batch. If some items of this batch did not build on the newest write, a
-- semicolon and the digits that were returned for the batch follow.
local last, said_then = string.match(redis.call('GET', KEYS[1]) or '-1', '^(-?%d+);?(%d*)$')
local is_repeated = tonumber(last) >= batch
redis.call('SET', KEYS[1], is_repeated and said_then ~= '' and last .. ';' .. said_then or batch, 'PX', REPEATED_MS)
local entries, next_one = ARGV[7], 1
while next_one <= #entries do
  local at, ttl, stands_on, version, flags, _, name, entry, attributes, card, other, from =
    struct.unpack('>I8I4c6c6BBI4I4I4I4I4', entries, next_one)
  local entry_at = from + name
  local attributes_at = entry_at + entry
  local card_at = attributes_at + attributes
  local other_at = card_at + card
  next_one = other_at + other
  name, entry, attributes = sub(entries, from, entry_at - 1), sub(entries, entry_at, attributes_at - 1), sub(entries, attributes_at, card_at - 1)
  card, other = sub(entries, card_at, other_at - 1), sub(entries, other_at, next_one - 1)
  local answer = 1
  if not is_repeated then
    local done, said = pcall(add, name, at, ttl, stands_on, version, flags, entry, attributes, card, other)
    -- If a key is damaged, only the item of its session fails. If Redis refuses writes, the SET above fails first.
    answer = done and said or 3
  elseif said_then ~= '' then
    -- The process sends this batch again, because the first reply was lost: return the same digits again.
    answer = tonumber(string.sub(said_then, #answers + 1, #answers + 1))
    if answer == 4 then
      local sid, known = find(name, at, ttl, false)
      if sid then tell(sid, known[6], attributes) else answer = 3 end
    end
  end
  answers[#answers + 1] = answer
end
local said = table.concat(answers)
if #newest > 0 and not is_repeated then redis.call('SET', KEYS[1], batch .. ';' .. said, 'PX', REPEATED_MS) end
redis.call('INCRBY', base .. 'bytes', grown)
redis.call('PEXPIRE', base .. 'bytes', 2 * keep)
redis.call('PEXPIRE', base .. 'sessions', 2 * keep)
redis.call('PEXPIRE', base .. 'cards', 2 * keep)
return {string.format('%s;%d', said, now), unpack(newest)}
