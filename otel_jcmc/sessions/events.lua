-- Adds events of one partition to the list of events that wait for a receiver. An event that comes several times, for
-- example from several processes, is added once.
-- 
-- KEYS[1] any key of the partition.
-- ARGV[1] how many events may wait in this partition, ARGV[2] for how many ms events wait if no replica sends them,
-- ARGV[3] how many events of one participant are added in a minute at most.
-- ARGV[4...] eight arguments for each event: kind, name of the event, uid, member ("" if it has no participant),
-- session (if it has no participant: the digest of a client, or ""), age (ms), how long it lasted (ms), payload.
-- Kinds: "event": something happened. "out": a push in an outage. "over": the first push after an outage that the
-- calling process has seen.
-- 
-- Keys, all below "jcmc:{03}:" of the partition:
--   events                   list of the events that wait, oldest first, in the form that sessions/events.py reads
--   events:told              uid -> when this event last came to this script (ms); events of the last hour
--   events:minute            member -> how many events of this participant came in this minute
--   events:refused           digest of a client -> until when events that name it as a sender are refused (ms)
--   outages                  "member:session" -> when this script first had the outage (ms), for outages that go on
--   outages:how              hash: "member:session" -> the outage's beginning, duration and last push (all ms)
--   outages:over             "member:session" -> the first push after the outage (ms), for outages of the last minutes
-- Returns how many events were dropped. After this number it returns "member:session" of each outage that goes on
-- although "over" came for it, because this script already had a later push in this outage.
local FIELDS, HOUR_MS, DAY_MS, LATE_MS, MOST_NAMES = 8, 3600000, 86400000, 600000, 10000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local base = string.match(KEYS[1], '^.-}:')
local waiting, told, minute = base .. 'events', base .. 'events:told', base .. 'events:minute'
local outages, how, over = base .. 'outages', base .. 'outages:how', base .. 'outages:over'
local most, waits, most_a_minute = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local dropped, added, going_on = 0, false, {}

-- Removes the items that are older than `keep` ms from a set ordered by time, and the oldest items if it has too many.
local function prune(key, keep)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - keep)
  redis.call('ZREMRANGEBYRANK', key, 0, -1 - MOST_NAMES)
  redis.call('PEXPIRE', key, keep)
end

-- Counts an event of the participant; says whether the participant may have another event in this minute.
local function has_turn(member)
  local count = redis.call('HINCRBY', minute, member, 1)
  if redis.call('PTTL', minute) < 0 then redis.call('PEXPIRE', minute, 60000) end
  return count <= most_a_minute
end

local function put(event, uid, member, session, at, since, lasted, payload)
  if member ~= '' and not has_turn(member) then
    dropped = dropped + 1
    return
  end
  local sid = member ~= '' and redis.call('GET', base .. 'stay:' .. member .. ':' .. session) or ''
  local of_leg = sid and sid ~= '' and redis.call('HMGET', base .. 'session:' .. sid, 'instance', 'leg') or {}
  local head = string.format('%d %d %d %s %s %s %s %s %s\n', at, since, lasted, event, uid, member, sid or '',
    of_leg[1] or '', of_leg[2] or '')
  redis.call('RPUSH', waiting, head .. payload)
  added = true
end

-- Adds an event, unless its uid came before. The uid is stored after the event is in the list: if Redis refuses the
-- event, for example because Redis is full, the process can send the event again.
local function tell(event, uid, member, session, at, lasted, payload)
  if not redis.call('ZSCORE', told, uid) then put(event, uid, member, session, at, at - lasted, lasted, payload) end
  redis.call('ZADD', told, now, uid)
  prune(told, HOUR_MS)
end

-- Returns when the outage of this name ("member:session") began, how long it has lasted, and when its last push came;
-- nil: this name has no outage.
local function find(name)
  local known = redis.call('HGET', how, name)
  if not known then return end
  local since, lasted, at = string.match(known, '^(%d+) (%d+) (%d+)$')
  return tonumber(since), tonumber(lasted), tonumber(at)
end

local function note(name, since, lasted, at)
  redis.call('HSET', how, name, string.format('%d %d %d', since, lasted, at))
  redis.call('PEXPIRE', how, DAY_MS)
end

local function forget(name)
  redis.call('HDEL', how, name)
  redis.call('ZREM', outages, name)
end

local function go_out(event, uid, member, session, at, lasted, payload)
  local name = member .. ':' .. session
  local since, so_far, last = find(name)
  if since then
    note(name, since, math.max(so_far, lasted), math.max(last, at))
    return
  end
  -- If the outage is over already, this is a push of the outage that came late.
  local ended = redis.call('ZSCORE', over, name)
  if ended and at <= tonumber(ended) then return end
  put(event, uid, member, session, at, at - lasted, lasted, payload)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', outages, '-inf', now - DAY_MS)) do forget(old) end
  if redis.call('ZCARD', outages) >= MOST_NAMES then forget(redis.call('ZRANGE', outages, 0, 0)[1]) end
  redis.call('ZADD', outages, now, name)
  redis.call('PEXPIRE', outages, DAY_MS)
  note(name, at - lasted, lasted, at)
end

local function come_back(event, uid, member, session, at, lasted, payload)
  local name = member .. ':' .. session
  local since, so_far, last = find(name)
  if not since then return end
  -- This push is older than the outage's last push, but this script had the last push first.
  if at <= last then
    going_on[#going_on + 1] = name
    return
  end
  put(event, uid, member, session, at, since, math.max(so_far, lasted), payload)
  forget(name)
  redis.call('ZADD', over, at, name)
  prune(over, LATE_MS)
end

-- Says whether the event was noticed before its participant or client was erased (erasure.lua, event_erasure.lua).
local function is_erased(member, session, at)
  if member == '' then
    local until_ms = session ~= '' and redis.call('ZSCORE', base .. 'events:refused', session)
    return until_ms and now < tonumber(until_ms)
  end
  local erased = redis.call('ZSCORE', base .. 'erased', member)
  return erased and at < tonumber(erased)
end

local does = {event = tell, out = go_out, over = come_back}
for i = 4, #ARGV, FIELDS do
  local kind, event, uid, member, session, age, lasted, payload = unpack(ARGV, i, i + FIELDS - 1)
  local at = now - age
  if not is_erased(member, session, at) then
    does[kind](event, uid, member, session, at, tonumber(lasted), payload)
  end
end
if added then
  local beyond = redis.call('LLEN', waiting) - most
  if beyond > 0 then
    redis.call('LTRIM', waiting, beyond, -1)
    dropped = dropped + beyond
  end
  redis.call('PEXPIRE', waiting, waits)
end
return {dropped, unpack(going_on)}
