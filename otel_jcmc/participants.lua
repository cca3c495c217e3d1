-- Writes one batch of pushes of one partition, by Redis's own clock. The only writer of these keys.
--
-- KEYS[1] the index of the live: member -> expiry in ms;  KEYS[2] the sessions that ended: "member:session" -> until ms
-- KEYS[3...] one participant key a push; its last 32 characters are its member in the index
-- ARGV[1] most members in this partition, 0: any number;  ARGV[2] ms for which an end is remembered
-- ARGV[3] ms after its expiry at which a member is pruned
-- ARGV[4...] four a push: session id ("" when the server names it), seq (-1: none), ttl in ms, payload ("" to leave)
--
-- Stored value, msgpack: array of six, schema, started (float 64, ms), seq (uint 32), session id (str 8), and of the
-- payload attributes and numbers.
-- Returns one digit a push: 1 stored, 2 superseded, 3 session ended, 4 partition full.
local ARRAY_OF_SIX, SCHEMA, FLOAT_64, UINT_32, STR_8 = 0x96, 2, 0xcb, 0xce, 0xd9
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local live, ended = KEYS[1], KEYS[2]
local most, remember, behind = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local answers, ends, longest = {}, false, 0

local function remember_end(member, session)
  redis.call('ZADD', ended, now + remember, member .. ':' .. session)
  ends = true
end

local function write(key, session, seq, ttl, payload)
  local member = string.sub(key, -32)
  if session ~= '' then
    local until_ms = redis.call('ZSCORE', ended, member .. ':' .. session)
    if until_ms and tonumber(until_ms) > now then
      return payload == '' and 1 or 3
    end
  end

  local stored, started, stored_seq, stored_session = redis.call('GET', key), now, 0, nil
  if stored and string.byte(stored, 2) == SCHEMA then
    -- A damaged value must not refuse everybody in this batch: it counts as another session's.
    local whole, at, _, number, _, id = pcall(struct.unpack, '>dBI4BBc0', stored, 4)
    if whole then started, stored_seq, stored_session = at, number, id end
  end
  local same = stored_session == session

  if payload == '' then
    -- A late leave of an earlier session must not take the present one along.
    if same then
      redis.call('DEL', key)
      redis.call('ZREM', live, member)
    end
    if session ~= '' then remember_end(member, session) end
    return 1
  end

  if same and seq >= 0 and seq < stored_seq then return 2 end
  if not stored and most > 0 and redis.call('ZCOUNT', live, now, '+inf') >= most then return 4 end
  if not same then
    -- A rejoin under another session: what is still on its way of the former one comes too late.
    if session ~= '' and stored_session and stored_session ~= '' then remember_end(member, stored_session) end
    started, stored_seq = now, 0
  end
  if seq < 0 then seq = stored_seq end
  local head = struct.pack('>BBBdBI4BB', ARRAY_OF_SIX, SCHEMA, FLOAT_64, started, UINT_32, seq, STR_8, #session)
  redis.call('SET', key, head .. session .. payload, 'PX', ttl)
  redis.call('ZADD', live, now + ttl, member)
  if ttl > longest then longest = ttl end
  return 1
end

for i = 3, #KEYS do
  local a = 4 * (i - 2)
  answers[i - 2] = write(KEYS[i], ARGV[a], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), ARGV[a + 3])
end

-- By score and well behind: pruning what MGET did not find would lose who pushes in between.
redis.call('ZREMRANGEBYSCORE', live, '-inf', now - behind)
if longest > 0 and redis.call('PTTL', live) < longest + behind then redis.call('PEXPIRE', live, longest + behind) end
if ends then
  redis.call('ZREMRANGEBYSCORE', ended, '-inf', now)
  -- Ends cost their sender nothing: bound what they can fill.
  local beyond = redis.call('ZCARD', ended) - 2 * most
  if most > 0 and beyond > 0 then redis.call('ZPOPMIN', ended, beyond) end
  redis.call('PEXPIRE', ended, remember)
end
return table.concat(answers)
