-- One participant's stay in one conference: when it begins, goes on and ends. Stands before each script that touches it:
-- participants.lua, record.lua, sweep.lua.
--
-- KEYS[1] any key of the partition
-- ARGV[1] 0: nothing is kept of sessions, 1: they are, 2: they also become spans
-- ARGV[2] grace: ms after an expiry in which who comes back goes on with the same stay
-- ARGV[3] keep: ms for which a session is kept in Redis
-- ARGV[4] settle: ms after a leave for what of the session is still on its way from other processes
--
-- A sid names one leg of a session: member (32 hex), start in ms (11 hex), 5 hex of the client's session id.
-- Keys, all below "jcmc:{03}:" of the partition:
--   stay:<member>:<session>  the sid of the present leg, or of the last one
--   session:<sid>            hash: session, started (ms), ttl (ms), leg (from 1), previous (sid), ended (ms), reason,
--                            instance (ms, start of the conference's instance), seen (ms, last push that record.lua
--                            has), bytes (of samples and about)
--   samples:<sid>            list: its log, written by record.lua
--   about:<sid>              its latest attributes, as an entry of the log has them
--   sessions                 sid -> its last push that is known (ms): every session, so that all can be bounded
--   bytes                    of all samples and abouts
--   open                     sid -> when to look at it (ms): the sessions that are no spans yet
--   rooms                    conference -> its present instance (ms)
--   room:<conference>:<instance>       hash: sessions (how many there were), last (ms, when the last one ended)
--   attendees:<conference>:<instance>  the sids of those that are no spans yet
--   emptied                  "conference:instance" -> when the last of them ended (ms)
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)
local base = string.match(KEYS[1], '^.-}:')
local mode, grace, keep, settle = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ROOM_MS = 24 * 3600 * 1000
local live_key = base .. 'live'

local function conference_of(member)
  return string.sub(member, 1, 12)
end

local function member_of(sid)
  return string.sub(sid, 1, 32)
end

-- When a member's participant expired or will, in ms; nil: it is long gone, or has left.
local function expiry_of(member)
  local expiry = redis.call('ZSCORE', live_key, member)
  return expiry and math.floor(expiry / 1000)
end

-- Marks the leg as ended; the first word counts.
local function finish(sid, at, reason)
  local key = base .. 'session:' .. sid
  if redis.call('EXISTS', key) == 0 or redis.call('HSETNX', key, 'ended', at) == 0 then return end
  redis.call('HSET', key, 'reason', reason)
  if mode == 2 then redis.call('ZADD', base .. 'open', 'XX', now + settle, sid) end
end

-- Ends the leg as one whose participant expired: at its last push, as far as that is known.
local function expire(sid, expiry)
  local started, ttl, seen = unpack(redis.call('HMGET', base .. 'session:' .. sid, 'started', 'ttl', 'seen'))
  local at = math.max(tonumber(started or 0), tonumber(seen or 0), expiry and expiry - tonumber(ttl or 0) or 0)
  finish(sid, at, 'expired')
end

-- Whether somebody of the instance is there, or was a moment ago.
local function goes_on(conference, instance)
  local of = conference .. ':' .. instance
  local last = redis.call('HGET', base .. 'room:' .. of, 'last')
  if last and now - last <= grace then return true end
  for _, sid in ipairs(redis.call('SMEMBERS', base .. 'attendees:' .. of)) do
    local ended = redis.call('HGET', base .. 'session:' .. sid, 'ended')
    if ended then
      if now - ended <= grace then return true end
    else
      local expiry = expiry_of(member_of(sid))
      if expiry and now - expiry <= grace then return true end
    end
  end
  return false
end

-- Takes the leg into its conference's instance, a new one if the former is over or a day old; returns it.
local function attend(sid)
  local conference = conference_of(sid)
  local instance = redis.call('HGET', base .. 'rooms', conference)
  if not instance or now - instance >= ROOM_MS or not goes_on(conference, instance) then
    instance = string.format('%d', now)
    redis.call('HSET', base .. 'rooms', conference, instance)
  end
  local of = conference .. ':' .. instance
  redis.call('HINCRBY', base .. 'room:' .. of, 'sessions', 1)
  redis.call('PEXPIRE', base .. 'room:' .. of, keep)
  redis.call('SADD', base .. 'attendees:' .. of, sid)
  redis.call('PEXPIRE', base .. 'attendees:' .. of, keep)
  redis.call('ZREM', base .. 'emptied', of)
  return instance
end

-- Takes the log of a leg away, and returns how many bytes it had: as many as one has on the average if that is unknown.
local function drop_samples(sid)
  local key = base .. 'session:' .. sid
  local bytes = redis.call('HGET', key, 'bytes')
  if not bytes and redis.call('EXISTS', key) == 0 then
    local all, count = redis.call('GET', base .. 'bytes') or 0, redis.call('ZCARD', base .. 'sessions')
    bytes = math.floor(all / math.max(count, 1))
  end
  bytes = tonumber(bytes or 0)
  -- First what Redis does when it is out of memory too: what follows is then done as well.
  redis.call('UNLINK', base .. 'samples:' .. sid, base .. 'about:' .. sid)
  redis.call('HDEL', key, 'bytes')
  redis.call('DECRBY', base .. 'bytes', bytes)
  return bytes
end

-- Takes all away that there is of a leg.
local function forget(sid)
  local key = base .. 'session:' .. sid
  local session = redis.call('HGET', key, 'session')
  drop_samples(sid)
  redis.call('UNLINK', key)
  if session then
    local pointer = base .. 'stay:' .. member_of(sid) .. ':' .. session
    if redis.call('GET', pointer) == sid then redis.call('UNLINK', pointer) end
  end
  redis.call('ZREM', base .. 'open', sid)
  redis.call('ZREM', base .. 'sessions', sid)
end

-- Ends the present leg of a session for this reason, at once.
local function leave(member, session, reason)
  local sid = redis.call('GET', base .. 'stay:' .. member .. ':' .. session)
  if sid then finish(sid, now, reason) end
end

-- A push of a session that is not the one stored: its leg goes on if it came back in time, else another begins, at `at`
-- or now. Returns the sid of one that begins.
local function begin(member, session, ttl, at)
  local pointer = base .. 'stay:' .. member .. ':' .. session
  local previous, leg = redis.call('GET', pointer), 1
  if previous then
    local key = base .. 'session:' .. previous
    local ended, before, started, lived, seen = unpack(redis.call('HMGET', key, 'ended', 'leg', 'started', 'ttl', 'seen'))
    if before and not ended then
      -- Where the index has lost it, as with a Redis that was emptied, what record.lua knows has to do.
      local expiry = expiry_of(member) or math.max(started, seen or 0) + lived
      if now - expiry <= grace then return end
      expire(previous, expiry)
    end
    leg = tonumber(before or 0) + 1
  end
  at = at or now
  local sid = member .. string.format('%011x', at) .. string.sub(redis.sha1hex(session), 1, 5)
  local key = base .. 'session:' .. sid
  redis.call('HSET', key, 'session', session, 'started', at, 'ttl', ttl, 'leg', leg)
  if leg > 1 then redis.call('HSET', key, 'previous', previous) end
  if mode == 2 then
    redis.call('HSET', key, 'instance', attend(sid))
    redis.call('ZADD', base .. 'open', now + ttl, sid)
  end
  redis.call('PEXPIRE', key, keep)
  redis.call('SET', pointer, sid, 'PX', keep)
  redis.call('ZADD', base .. 'sessions', at, sid)
  redis.call('PEXPIRE', base .. 'sessions', 2 * keep)
  return sid
end
