-- Adds one batch of entries to the logs of sessions of one partition.
-- 
-- KEYS[1] the number of the last batch that this process has written; any number of processes write.
-- ARGV[1...4] what is kept of sessions, as in store/stays.lua, which comes before this text.
-- ARGV[5] the number of this batch, ARGV[6] most entries of a session.
-- ARGV[7] the entries, one after the other, as gathering.py makes them.
-- 
-- Each write of a session has a version and names the one it builds on (items.py). If two processes take one session's
-- pushes, a write that does not build on the newest is answered with the present state; the process merges both and sends
-- again. An earlier version of this service writes entries without versions: its counts are in no card.
-- 
-- Returns one digit for each entry, 1: written, 2: written, but Redis has no attributes of its session, 3: not written,
-- 4: it does not build on the newest write, 5: a card without an entry was written; and after a semicolon the time (ms).
-- Then for each 4 the versions that have made the newest entry, the card, that entry, and the attributes if the item has
-- some.
local REPEATED_MS, LATE_MS, ENTRY_BYTES, POPPED_AT_ONCE = 600000, 200, 3, 200
local VERSION_BYTES, MOST_VERSIONS, NONE = 6, 8, '------'
local REPLACES, IS_WHOLE, FORCED = 4, 8, 16
local batch, most = tonumber(ARGV[5]), tonumber(ARGV[6])
-- Expiries are set now and then, not with each entry.
local while_ms = math.max(1000, math.floor(keep / 24))
local answers, newest, grown = {}, {}, 0
-- This runs for each entry: a local name is found sooner, and a key is made once for all.
local call, sub, floor = redis.call, string.sub, math.floor
local cards = base .. 'cards'
local is_crowded = redis.call('EXISTS', base .. 'crowded') == 1
local some_erased = redis.call('EXISTS', base .. 'erased') == 1

local function know(sid)
  return call('HMGET', base .. 'session:' .. sid, 'started', 'seen', 'bytes', 'previous', 'reason', 'by', 'ttl', 'card')
end

-- Returns the sid of the leg that was there at that time, and fields of its hash. If there is no leg (it was evicted, or
-- history was just switched on), a leg begins. While history is crowded, none begins: each leg that began again would
-- cost another leg its log.
local function find(name, at, ttl, begins)
  local sid = call('GET', base .. 'stay:' .. name)
  local known = sid and know(sid)
  if not known or not known[1] then
    if is_crowded or not begins then return end
    return begin(sub(name, 1, 32), sub(name, 34), ttl, at), {}
  end
  -- An entry that was still on its way when its leg ended and another one began.
  while known[4] and at < known[1] - LATE_MS do
    local before = know(known[4])
    if not before[1] then break end
    sid, known = known[4], before
  end
  return sid, known
end

-- Removes entries that are too old, or too many, from the log; returns their bytes.
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

-- Remembers the present state of a session for a write that does not build on it.
local function tell(sid, by, attributes)
  newest[#newest + 1] = {
    by or '', redis.call('HGET', base .. 'cards', sid) or '', redis.call('LINDEX', base .. 'samples:' .. sid, -1) or '',
    attributes ~= '' and redis.call('GET', base .. 'about:' .. sid) or ''
  }
  return 4
end

-- Replaces the card, counts the bytes that it grows by, and returns its size.
local function deal(sid, card, reason, before)
  if reason then card = card .. 'e=' .. reason .. '\n' end
  call('HSET', cards, sid, card)
  grown = grown + #card - (before or 0)
  return #card
end

-- Puts the entry into the log; returns the log's length and the bytes that it grows by. Returns nothing if the entry must
-- not be put there.
local function put(samples, flags, entry, other)
  if has(flags, REPLACES) then
    -- An earlier version may have written one meanwhile.
    if redis.call('LINDEX', samples, -1) ~= other then return end
    redis.call('LSET', samples, -1, entry)
    return 0, #entry - #other
  end
  if has(flags, IS_WHOLE) and redis.call('EXISTS', samples) == 0 then entry = other end
  return call('RPUSH', samples, entry), #entry + ENTRY_BYTES
end

local function add(name, at, ttl, stands_on, version, flags, entry, attributes, card, other)
  -- Gathered before the participant was erased (erasure.lua).
  local erased = some_erased and redis.call('ZSCORE', base .. 'erased', string.sub(name, 1, 32))
  if erased and at < tonumber(erased) then return 1 end
  -- The entry had to wait until it was older than the time for which sessions are kept.
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
    -- Keep the present card: it has the pushes that other processes have counted meanwhile.
    card = ''
  end
  local samples = base .. 'samples:' .. sid
  local length, more = put(samples, flags, entry, other)
  if not length then return tell(sid, by, attributes) end
  if attributes ~= '' then
    local before = redis.call('SET', base .. 'about:' .. sid, attributes, 'PX', keep + while_ms, 'GET')
    more = more + #attributes - (before and #before or 0)
    -- A session that becomes a span keeps this key until then.
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
    -- Nearly all entries come this way.
    call('HSET', key, 'bytes', bytes + more, 'by', by, 'seen', at)
  else
    local fields = {'bytes', bytes + more, 'by', by}
    local function put_field(field, value)
      fields[#fields + 1], fields[#fields + 2] = field, value
    end
    if is_newer then put_field('seen', at) end
    -- store/stays.lua calculates from ttl when an expired participant was last there.
    if is_newer and tonumber(known[7]) ~= ttl then put_field('ttl', ttl) end
    if size ~= former then put_field('card', size) end
    call('HSET', key, unpack(fields))
  end
  grown = grown + more
  return answer
end

-- "batch", or "batch;answers" if some do not build on the newest.
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
    -- A damaged key costs only its own session's entry. If Redis refuses writes, it has done so above.
    answer = done and said or 3
  elseif said_then ~= '' then
    -- A batch whose reply was lost comes again.
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
