-- Begins, continues and ends a participant's stay in a conference. This text comes before each script that touches a
-- stay: participant.lua, sessions/log.lua, sessions/sweep.lua, sessions/moves.lua.
-- 
-- KEYS[1] any key of the partition.
-- ARGV[1] 0: sessions are not kept, 1: they are kept, 2: they also become spans, 3: no spans, but summaries.
-- ARGV[2] grace: a participant that comes back within so many ms after it expired continues its leg.
-- ARGV[3] keep: for how many ms a session is kept in Redis.
-- ARGV[4] settle: for how many ms after a session's last push entries of its log may still come.
-- 
-- A sid names one leg of a session: member (32 hex digits), start in ms (11), digest of the client's session id (5).
-- Keys, all below "jcmc:{03}:" of the partition:
--   stay:<member>:<session>  the sid of the present leg, or of the last one
--   session:<sid>            hash: session (the client's id), started (ms), ttl (ms), leg (from 1), previous (sid),
--                            ended (ms), reason (why it ended), cause (of a failure, where it is known), instance (ms,
--                            start of the conference's instance), former (the previous leg's instance), seen (ms, last
--                            push in the log of sessions/log.lua), bytes (of samples, about and word), card (bytes of
--                            the card), by (the versions that made its newest entry, see sessions/items.py), word (the
--                            participant's rating of the call and its text, as store/participant.py reads them),
--                            client (digest of its client; for a span without history)
--   cards                    sid -> the leg's card (sessions/card.py), if it has one yet; written by sessions/log.lua
--   samples:<sid>            list: the leg's log, written by sessions/log.lua
--   about:<sid>              the leg's latest attributes, in the form in which an entry of the log has them
--   sessions                 sid -> when its participant was last live (ms), rounded up by a 1440th of keep at most.
--                            The index has every session, so that the space of all sessions can be limited
--   crowded                  exists while history has no room for all live participants: then sessions/log.lua does
--                            not begin a log again for a session whose log was dropped
--   places                   how many sessions may begin until sessions/quota.py sets this again; missing: any number
--   bytes                    how many bytes all samples, abouts and cards take
--   erased                   member -> until when entries may have data from before its erasure (ms); for an hour
--   who:<sid>                the leg's attributes from its first push, until about:<sid> has them
--   past                     hash: list of summaries -> its bytes (sessions/summaries.py)
--   past:<day>, named:<day>  lists: a summary of each session that ended on that day, without and with names
-- and for spans and summaries:
--   open                     sid -> when sessions/sweep.lua looks at it (ms): sessions that are not yet a span or
--                            summary
-- and for spans:
--   rooms                    conference -> its present instance (ms)
--   room:<conference>:<instance>       hash: sessions (how many have begun), here (how many have not ended), most (the
--                            highest number at once), there (ms, when a participant was last known to be live), and
--                            from sessions/moves.lua a digest of the sessions that have become spans: last (ms, when
--                            the last of them ended), ...
--   attendees:<conference>:<instance>  the sids of its sessions that are no spans yet
--   emptied                  "conference:instance" -> there, for instances without attendees that are no spans yet
--   outbox                   the spans that wait for their receiver, oldest first; those of sessions with a mark
--                            (sessions/span_marks.py)
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)
local base = string.match(KEYS[1], '^.-}:')
local mode, grace, keep, settle = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
-- When this time has passed after an expiry, the leg can't continue, and no more entries of its log can come.
local wait = math.max(grace, settle)
local ROOM_MS = 24 * 3600 * 1000
-- Whether a session becomes a span or a summary when it is over.
local is_folded = mode >= 2
-- Times in the index `sessions` are rounded up to a multiple of this, so that few entries move their session in the
-- index: a move takes as long as the rest of the work for an entry.
local part_ms = math.max(1000, math.floor(keep / 1440))
-- How many attendees are checked: all attendees of a small conference, and in a large conference enough to find a
-- participant that is live.
local ASKED = 200
local live_key = base .. 'live'
local open_key = base .. 'open'
local emptied_key = base .. 'emptied'

local function conference_of(member)
  return string.sub(member, 1, 12)
end

local function member_of(sid)
  return string.sub(sid, 1, 32)
end

-- Returns the score in the index `sessions` for a session whose participant was last live at this time.
local function place_of(at)
  return (math.floor(at / part_ms) + 1) * part_ms - 1
end

-- Returns the name of a conference's instance, as in the keys room: and attendees:, for the leg `sid`.
local function room_of(sid, instance)
  return conference_of(sid) .. ':' .. instance
end

-- Returns when a member's participant expired or will expire, in ms; nil: it expired long ago, or has left.
local function expiry_of(member)
  local expiry = redis.call('ZSCORE', live_key, member)
  return expiry and math.floor(expiry / 1000)
end

-- Stores that a participant of the instance was live at this time.
local function note_there(room, at)
  local there = redis.call('HGET', base .. 'room:' .. room, 'there')
  if not there or tonumber(there) < at then redis.call('HSET', base .. 'room:' .. room, 'there', at) end
end

-- Marks the leg as ended. Returns true for the first call only; later calls change nothing.
local function finish(sid, at, reason, there)
  local key = base .. 'session:' .. sid
  if redis.call('EXISTS', key) == 0 or redis.call('HSETNX', key, 'ended', at) == 0 then return false end
  redis.call('HSET', key, 'reason', reason)
  local card = redis.call('HGET', base .. 'cards', sid)
  if card then
    local line = 'e=' .. reason .. '\n'
    redis.call('HSET', base .. 'cards', sid, card .. line)
    redis.call('HINCRBY', key, 'card', #line)
    redis.call('INCRBY', base .. 'bytes', #line)
  end
  if not is_folded then return true end
  redis.call('ZADD', open_key, 'XX', now + settle, sid)
  local instance = redis.call('HGET', key, 'instance')
  if instance then
    redis.call('HINCRBY', base .. 'room:' .. room_of(sid, instance), 'here', -1)
    note_there(room_of(sid, instance), there)
  end
  return true
end

-- Ends the leg of a participant that expired. The leg ends at the participant's last push, if its time is known.
local function expire(sid, expiry)
  local started, ttl, seen = unpack(redis.call('HMGET', base .. 'session:' .. sid, 'started', 'ttl', 'seen'))
  local at = math.max(tonumber(started or 0), tonumber(seen or 0), expiry and expiry - tonumber(ttl or 0) or 0)
  -- For its conference the participant counts as live until its expiry.
  finish(sid, at, 'expired', expiry or at)
end

-- Returns whether a participant of the instance is live, or was live within the last `grace` ms.
local function goes_on(room)
  local there = redis.call('HGET', base .. 'room:' .. room, 'there')
  if there and now - there <= grace then return true end
  for _, sid in ipairs(redis.call('SRANDMEMBER', base .. 'attendees:' .. room, ASKED)) do
    local expiry = expiry_of(member_of(sid))
    if expiry and now - expiry <= grace then return true end
  end
  return false
end

-- Adds the leg to its conference's present instance, and returns the instance. If that instance is over or a day old, a
-- new instance begins.
local function attend(sid, at)
  local conference = conference_of(sid)
  local instance = redis.call('HGET', base .. 'rooms', conference)
  if not instance or now - instance >= ROOM_MS or not goes_on(conference .. ':' .. instance) then
    instance = string.format('%d', at)
    redis.call('HSET', base .. 'rooms', conference, instance)
    redis.call('PEXPIRE', base .. 'rooms', keep + ROOM_MS)
  end
  local room = conference .. ':' .. instance
  local room_key, attendees = base .. 'room:' .. room, base .. 'attendees:' .. room
  local sessions = redis.call('HINCRBY', room_key, 'sessions', 1)
  local here = redis.call('HINCRBY', room_key, 'here', 1)
  local most = redis.call('HGET', room_key, 'most')
  redis.call('HSET', room_key, 'there', now, 'most', math.max(here, tonumber(most or 0)))
  redis.call('SADD', attendees, sid)
  -- Later, sessions/sweep.lua and sessions/moves.lua renew these expiries.
  if sessions == 1 then
    redis.call('PEXPIRE', room_key, keep)
    redis.call('PEXPIRE', attendees, keep)
  end
  redis.call('ZREM', emptied_key, room)
  return instance
end

-- Removes the log of a leg, and returns how many bytes the log had; if this is unknown, the average of all logs.
local function drop_samples(sid)
  local key = base .. 'session:' .. sid
  local bytes = redis.call('HGET', key, 'bytes')
  if not bytes and redis.call('EXISTS', key) == 0 then
    local all, count = redis.call('GET', base .. 'bytes') or 0, redis.call('ZCARD', base .. 'sessions')
    bytes = math.max(0, math.floor(all / math.max(count, 1)) - redis.call('HSTRLEN', base .. 'cards', sid))
  end
  bytes = tonumber(bytes or 0)
  -- UNLINK comes first: it works even if Redis is out of memory. After a first write, Redis lets the script finish.
  redis.call('UNLINK', base .. 'samples:' .. sid)
  -- The span needs the attributes.
  if is_folded and redis.call('EXISTS', base .. 'about:' .. sid) == 1 and redis.call('ZSCORE', open_key, sid) then
    redis.call('RENAME', base .. 'about:' .. sid, base .. 'who:' .. sid)
  else
    redis.call('UNLINK', base .. 'about:' .. sid)
  end
  redis.call('HDEL', key, 'bytes', 'word')
  redis.call('DECRBY', base .. 'bytes', bytes)
  return bytes
end

-- Removes the leg from its conference's instance. If no leg is left, adds the instance to `emptied`.
local function depart(sid, room)
  local attendees = base .. 'attendees:' .. room
  redis.call('SREM', attendees, sid)
  if redis.call('EXISTS', attendees) == 1 then return end
  redis.call('ZADD', emptied_key, redis.call('HGET', base .. 'room:' .. room, 'there') or now, room)
  redis.call('PEXPIRE', emptied_key, keep + ROOM_MS)
end

-- Forgets an instance if none of its legs has become a span or can become one.
local function forget_room(room)
  local room_key = base .. 'room:' .. room
  if redis.call('EXISTS', base .. 'attendees:' .. room) + redis.call('HEXISTS', room_key, 'last') > 0 then return end
  redis.call('ZREM', emptied_key, room)
  redis.call('UNLINK', room_key)
  local conference, instance = string.match(room, '^(.-):(.*)$')
  if redis.call('HGET', base .. 'rooms', conference) == instance then redis.call('HDEL', base .. 'rooms', conference) end
end

-- Removes the card of a leg.
local function drop_card(sid)
  redis.call('DECRBY', base .. 'bytes', redis.call('HSTRLEN', base .. 'cards', sid))
  redis.call('HDEL', base .. 'cards', sid)
end

-- Removes everything about a leg.
local function forget(sid)
  local key = base .. 'session:' .. sid
  local session, instance = unpack(redis.call('HMGET', key, 'session', 'instance'))
  drop_samples(sid)
  drop_card(sid)
  redis.call('UNLINK', key, base .. 'who:' .. sid)
  if session then
    local pointer = base .. 'stay:' .. member_of(sid) .. ':' .. session
    if redis.call('GET', pointer) == sid then redis.call('UNLINK', pointer) end
  end
  if redis.call('ZREM', open_key, sid) == 1 and instance then
    depart(sid, room_of(sid, instance))
    forget_room(room_of(sid, instance))
  end
  redis.call('ZREM', base .. 'sessions', sid)
end

-- Ends the present leg of a session now, with this reason, and with a cause if the reason is a failure.
local function leave(member, session, reason, cause)
  local sid = redis.call('GET', base .. 'stay:' .. member .. ':' .. session)
  if sid and finish(sid, now, reason, now) and cause and cause ~= '' then
    redis.call('HSET', base .. 'session:' .. sid, 'cause', cause)
  end
end

-- Takes one of the places that history has for new sessions, and returns whether a place was free.
local function take_place()
  local places = tonumber(redis.call('GET', base .. 'places') or nil)
  if places and places > 0 then redis.call('DECR', base .. 'places') end
  return not places or places > 0
end

-- Handles a push whose session is not the stored session. If its session comes back in time, its leg continues.
-- Otherwise a new leg begins at the time `at` (nil: now), if history has a place. Returns the sid of the new leg; nil
-- if no leg begins. `another` is the session id that was stored, if any. Then the member's expiry belongs to that
-- session, and a former leg of this push's session does not continue.
local function begin(member, session, ttl, at, another)
  local pointer = base .. 'stay:' .. member .. ':' .. session
  local previous, started, leg, former = redis.call('GET', pointer), at or now, 1, nil
  if previous then
    local of_previous = redis.call('HMGET', base .. 'session:' .. previous,
      'ended', 'leg', 'started', 'ttl', 'seen', 'instance')
    local ended, before, began, lived, seen, instance = unpack(of_previous)
    if before then
      if not ended then
        -- If the index has lost the member, for example after Redis was emptied, the expiry is calculated from the
        -- times that sessions/log.lua wrote.
        local expiry = not another and expiry_of(member) or math.max(began, seen or 0) + lived
        if not another and now - expiry <= grace then return end
        expire(previous, expiry)
      end
      -- The new leg must begin in another ms than the previous leg, otherwise both would have the same sid.
      leg, started, former = before + 1, math.max(started, began + 1), instance
    end
  end
  if not take_place() then return end
  local sid = member .. string.format('%011x', started) .. string.sub(redis.sha1hex(session), 1, 5)
  local key = base .. 'session:' .. sid
  local fields = {'session', session, 'started', started, 'ttl', ttl, 'leg', leg}
  local function put(field, value)
    fields[#fields + 1], fields[#fields + 2] = field, value
  end
  if leg > 1 then put('previous', previous) end
  if former then put('former', former) end
  if is_folded then
    redis.call('ZADD', open_key, now + ttl + wait, sid)
    redis.call('PEXPIRE', open_key, keep + ROOM_MS)
  end
  if mode == 2 then put('instance', attend(sid, started)) end
  redis.call('HSET', key, unpack(fields))
  redis.call('PEXPIRE', key, keep)
  redis.call('SET', pointer, sid, 'PX', keep)
  -- The score is the score that the leg's first entry will give it, plus a fraction. So the leg is behind all sessions
  -- with that score: otherwise it would be dropped before it has an entry.
  redis.call('ZADD', base .. 'sessions', place_of(started + settle) + started % part_ms / part_ms, sid)
  redis.call('PEXPIRE', base .. 'sessions', 2 * keep)
  return sid
end
