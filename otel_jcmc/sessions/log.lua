-- Adds one batch of entries to the logs of sessions of one partition.
--
-- KEYS[1] the number of the last batch that this process has written; any number of processes write
-- ARGV[1...4] what is kept of sessions, as store/stays.lua has it, which stands before this
-- ARGV[5] the number of this batch, ARGV[6] most entries of a session
-- ARGV[7] the entries, one after the other, as gathering.py makes them
--
-- Returns one digit an entry, 1: written, 2: written, and its attributes are not known, 3: not written,
-- 5: a card without an entry; and after a semicolon the time (ms).
local REPEATED_MS, LATE_MS, ENTRY_BYTES, POPPED_AT_ONCE = 600000, 200, 3, 200
local batch, most = tonumber(ARGV[5]), tonumber(ARGV[6])
-- Expiries are set once in a while, not with each entry.
local while_ms = math.max(1000, math.floor(keep / 24))
local answers, grown = {}, 0
local is_crowded = redis.call('EXISTS', base .. 'crowded') == 1
local some_erased = redis.call('EXISTS', base .. 'erased') == 1

-- The leg that was there at that time, and what is known of it. A new one if there is none: nobody pushed since it was
-- evicted, or since history was switched on. But nothing while there is no room for those who are there: each that was
-- begun again would cost another its log.
local function find(name, at, ttl, is_card)
  local sid = redis.call('GET', base .. 'stay:' .. name)
  local known = sid and redis.call('HMGET', base .. 'session:' .. sid, 'started', 'seen', 'bytes', 'previous', 'reason')
  if not known or not known[1] then
    if is_crowded or is_card then return end
    return begin(string.sub(name, 1, 32), string.sub(name, 34), ttl, at), {}
  end
  -- What was still on its way when its leg ended, and another one began.
  while known[4] and at < known[1] - LATE_MS do
    local before = redis.call('HMGET', base .. 'session:' .. known[4], 'started', 'seen', 'bytes', 'previous', 'reason')
    if not before[1] then break end
    sid, known = known[4], before
  end
  return sid, known
end

-- Takes what is older than history goes, and what is too many, off the log; returns its bytes.
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

-- Puts the card in the place of the former one.
local function deal(sid, card, reason)
  if reason then card = card .. 'e=' .. reason .. '\n' end
  grown = grown + #card - redis.call('HSTRLEN', base .. 'cards', sid)
  redis.call('HSET', base .. 'cards', sid, card)
end

local function add(name, at, ttl, entry, attributes, card)
  -- What was gathered of somebody before he was erased (erasure.lua).
  local erased = some_erased and redis.call('ZSCORE', base .. 'erased', string.sub(name, 1, 32))
  if erased and at < tonumber(erased) then return 1 end
  -- What had to wait until it was too old.
  if at < now - keep then return 1 end
  local sid, known = find(name, at, ttl, entry == '')
  if not sid then return 3 end
  deal(sid, card, known[5])
  if entry == '' then return 5 end
  local seen, bytes, answer = tonumber(known[2] or 0), tonumber(known[3] or 0), 1
  local samples, about = base .. 'samples:' .. sid, base .. 'about:' .. sid
  local length = redis.call('RPUSH', samples, entry)
  local more = #entry + ENTRY_BYTES
  if attributes ~= '' then
    local before = redis.call('SET', about, attributes, 'PX', keep + while_ms, 'GET')
    more = more + #attributes - (before and #before or 0)
    -- A span's is taken away with the span.
    if not before and mode == 1 then redis.call('UNLINK', base .. 'who:' .. sid) end
  end
  if length == 1 or math.floor(seen / while_ms) ~= math.floor(at / while_ms) then
    if redis.call('PEXPIRE', about, keep + while_ms) == 0 then answer = 2 end
    redis.call('PEXPIRE', samples, keep + while_ms)
    redis.call('PEXPIRE', base .. 'session:' .. sid, keep + while_ms)
    redis.call('PEXPIRE', base .. 'stay:' .. name, keep + while_ms)
    more = more - shorten(samples, length)
  elseif length > most then
    more = more - shorten(samples, length)
  end
  if at > seen then
    if place_of(at) ~= place_of(seen) then redis.call('ZADD', base .. 'sessions', place_of(at), sid) end
    seen = at
  end
  redis.call('HSET', base .. 'session:' .. sid, 'seen', seen, 'bytes', bytes + more)
  grown = grown + more
  return answer
end

local last = tonumber(redis.call('GET', KEYS[1]) or -1)
redis.call('SET', KEYS[1], batch, 'PX', REPEATED_MS)
local entries, next_one = ARGV[7], 1
while next_one <= #entries do
  local at, ttl, name, entry, attributes, card, from = struct.unpack('>I8I4I4I4I4I4', entries, next_one)
  next_one = from + name + entry + attributes + card
  local answer = 1
  -- A batch whose reply was lost comes again.
  if last < batch then
    name = string.sub(entries, from, from + name - 1)
    entry = string.sub(entries, from + #name, from + #name + entry - 1)
    attributes = string.sub(entries, from + #name + #entry, next_one - card - 1)
    card = string.sub(entries, next_one - card, next_one - 1)
    local done, said = pcall(add, name, at, ttl, entry, attributes, card)
    -- A damaged key costs its own session's entry. What Redis refuses it has refused above.
    answer = done and said or 3
  end
  answers[#answers + 1] = answer
end
redis.call('INCRBY', base .. 'bytes', grown)
redis.call('PEXPIRE', base .. 'bytes', 2 * keep)
redis.call('PEXPIRE', base .. 'sessions', 2 * keep)
redis.call('PEXPIRE', base .. 'cards', 2 * keep)
return string.format('%s;%d', table.concat(answers), now)
