-- One participant's stay in one conference: when it begins, goes on and ends. Stands before each script that touches it:
-- participant.lua, sessions/log.lua, sessions/sweep.lua, sessions/moves.lua.
--
-- KEYS[1] any key of the partition
-- ARGV[1] 0: nothing is kept of sessions, 1: they are, 2: they also become spans, 3: no spans, but summaries
-- ARGV[2] grace: ms after an expiry in which who comes back goes on with the same stay
-- ARGV[3] keep: ms for which a session is kept in Redis
-- ARGV[4] settle: ms after a session's last push in which some of its log may still come
--
-- A sid names one leg of a session: member (32 hex), start in ms (11 hex), 5 hex of the client's session id.
-- Keys, all below "jcmc:{03}:" of the partition:
--   stay:<member>:<session>  the sid of the present leg, or of the last one
--   session:<sid>            hash: session, started (ms), ttl (ms), leg (from 1), previous (sid), ended (ms), reason,
--                            cause (of a failure, where it is known), instance (ms, start of the conference's instance),
--                            former (the previous leg's instance), seen (ms, last push that sessions/log.lua has),
--                            bytes (of samples, about and word), card (bytes of it), by (the versions that have made
--                            its newest entry, see sessions/items.py), word (what the participant said of the call, as
--                            store/participant.py reads it),
--                            client (digest of whose it was, of a span where no history is kept)
--   cards                    sid -> its card (sessions/card.py), written by sessions/log.lua, where it has one yet
--   samples:<sid>            list: its log, written by sessions/log.lua
--   about:<sid>              its latest attributes, as an entry of the log has them
--   sessions                 sid -> when it was last there (ms), by a minute of a day of keep too late at most: every
--                            session, so that all can be bounded
--   crowded                  is there while history has no room for those who are there: sessions/log.lua begins nobody again
--   places                   so many sessions may begin before sessions/quota.py looks again; not there: any number
--   bytes                    of all samples, abouts and cards
--   erased                   member -> until when entries may have what was before its erasure (ms); for an hour
--   who:<sid>                its attributes at first, until about has them
--   past                     hash: list of summaries -> its bytes (sessions/summaries.py)
--   past:<day>, named:<day>  lists: a summary of each session that ended on it, without and with names
-- and for spans and summaries:
--   open                     sid -> when to look at it (ms): the sessions that are neither yet
-- and for spans:
--   rooms                    conference -> its present instance (ms)
--   room:<conference>:<instance>       hash: sessions (how many there were), here (how many there are), most (at once),
--                            there (ms, when somebody was last known to be there), and of sessions/moves.lua what those were like
--                            that are spans: last (ms, when the last one ended), ...
--   attendees:<conference>:<instance>  the sids of those that are no spans yet
--   emptied                  "conference:instance" -> there, of those without attendees: they are no spans yet
--   outbox                   the spans that wait for their receiver, oldest first, those of sessions with a mark
--                            (sessions/span_marks.py)
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)
local base = string.match(KEYS[1], '^.-}:')
local mode, grace, keep, settle = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
-- So long after an expiry nothing can change any more.
local wait = math.max(grace, settle)
local ROOM_MS = 24 * 3600 * 1000
-- Whether something is made of a session when it is over.
local is_folded = mode >= 2
-- A session's place in the index is the end of such a part of the day: to move it for each entry would cost as much as
-- the entry does.
local part_ms = math.max(1000, math.floor(keep / 1440))
-- All of a small conference; of a large one enough to find somebody who is there.
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

-- Where in the index a session is that was last there at this time.
local function place_of(at)
  return (math.floor(at / part_ms) + 1) * part_ms - 1
end

-- A leg's instance of its conference, as the keys of both are named.
local function room_of(sid, instance)
  return conference_of(sid) .. ':' .. instance
end

-- When a member's participant expired or will, in ms; nil: it is long gone, or has left.
local function expiry_of(member)
  local expiry = redis.call('ZSCORE', live_key, member)
  return expiry and math.floor(expiry / 1000)
end

-- Takes note that somebody of the instance was there at this time.
local function note_there(room, at)
  local there = redis.call('HGET', base .. 'room:' .. room, 'there')
  if not there or tonumber(there) < at then redis.call('HSET', base .. 'room:' .. room, 'there', at) end
end

-- Marks the leg as ended, and says whether it did: the first word counts.
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

-- Ends the leg as one whose participant expired: at its last push, as far as that is known.
local function expire(sid, expiry)
  local started, ttl, seen = unpack(redis.call('HMGET', base .. 'session:' .. sid, 'started', 'ttl', 'seen'))
  local at = math.max(tonumber(started or 0), tonumber(seen or 0), expiry and expiry - tonumber(ttl or 0) or 0)
  -- For its conference it was there until nobody could expect it any more.
  finish(sid, at, 'expired', expiry or at)
end

-- Whether somebody of the instance is there, or was a moment ago.
local function goes_on(room)
  local there = redis.call('HGET', base .. 'room:' .. room, 'there')
  if there and now - there <= grace then return true end
  for _, sid in ipairs(redis.call('SRANDMEMBER', base .. 'attendees:' .. room, ASKED)) do
    local expiry = expiry_of(member_of(sid))
    if expiry and now - expiry <= grace then return true end
  end
  return false
end

-- Takes the leg into its conference's instance, a new one if the former is over or a day old; returns it.
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
  -- Later on who is there is looked at and who is over moved: sessions/sweep.lua and sessions/moves.lua see to it then.
  if sessions == 1 then
    redis.call('PEXPIRE', room_key, keep)
    redis.call('PEXPIRE', attendees, keep)
  end
  redis.call('ZREM', emptied_key, room)
  return instance
end

-- Takes the log of a leg away, and returns how many bytes it had: as many as one has on the average if that is unknown.
local function drop_samples(sid)
  local key = base .. 'session:' .. sid
  local bytes = redis.call('HGET', key, 'bytes')
  if not bytes and redis.call('EXISTS', key) == 0 then
    local all, count = redis.call('GET', base .. 'bytes') or 0, redis.call('ZCARD', base .. 'sessions')
    bytes = math.max(0, math.floor(all / math.max(count, 1)) - redis.call('HSTRLEN', base .. 'cards', sid))
  end
  bytes = tonumber(bytes or 0)
  -- First what Redis does when it is out of memory too: what follows is then done as well.
  redis.call('UNLINK', base .. 'samples:' .. sid)
  -- Who it was is wanted for the span.
  if is_folded and redis.call('EXISTS', base .. 'about:' .. sid) == 1 and redis.call('ZSCORE', open_key, sid) then
    redis.call('RENAME', base .. 'about:' .. sid, base .. 'who:' .. sid)
  else
    redis.call('UNLINK', base .. 'about:' .. sid)
  end
  redis.call('HDEL', key, 'bytes', 'word')
  redis.call('DECRBY', base .. 'bytes', bytes)
  return bytes
end

-- Takes the leg out of its conference's instance, which is empty if it was the last.
local function depart(sid, room)
  local attendees = base .. 'attendees:' .. room
  redis.call('SREM', attendees, sid)
  if redis.call('EXISTS', attendees) == 1 then return end
  redis.call('ZADD', emptied_key, redis.call('HGET', base .. 'room:' .. room, 'there') or now, room)
  redis.call('PEXPIRE', emptied_key, keep + ROOM_MS)
end

-- Forgets an instance of which no leg has become a span, nor will.
local function forget_room(room)
  local room_key = base .. 'room:' .. room
  if redis.call('EXISTS', base .. 'attendees:' .. room) + redis.call('HEXISTS', room_key, 'last') > 0 then return end
  redis.call('ZREM', emptied_key, room)
  redis.call('UNLINK', room_key)
  local conference, instance = string.match(room, '^(.-):(.*)$')
  if redis.call('HGET', base .. 'rooms', conference) == instance then redis.call('HDEL', base .. 'rooms', conference) end
end

-- Takes the card of a leg away.
local function drop_card(sid)
  redis.call('DECRBY', base .. 'bytes', redis.call('HSTRLEN', base .. 'cards', sid))
  redis.call('HDEL', base .. 'cards', sid)
end

-- Takes all away that there is of a leg.
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

-- Ends the present leg of a session for this reason, at once; a failure has a cause.
local function leave(member, session, reason, cause)
  local sid = redis.call('GET', base .. 'stay:' .. member .. ':' .. session)
  if sid and finish(sid, now, reason, now) and cause and cause ~= '' then
    redis.call('HSET', base .. 'session:' .. sid, 'cause', cause)
  end
end

-- Takes one of the places that history has for those who begin, and says whether there was one.
local function take_place()
  local places = tonumber(redis.call('GET', base .. 'places') or nil)
  if places and places > 0 then redis.call('DECR', base .. 'places') end
  return not places or places > 0
end

-- A push of a session that is not the one stored: its leg goes on if it came back in time, else another begins, at `at`
-- or now, if there is a place. Returns the sid of one that begins.
-- Another session was stored: then the member's expiry is that one's, and who was replaced does not go on.
local function begin(member, session, ttl, at, another)
  local pointer = base .. 'stay:' .. member .. ':' .. session
  local previous, started, leg, former = redis.call('GET', pointer), at or now, 1, nil
  if previous then
    local of_previous = redis.call('HMGET', base .. 'session:' .. previous,
      'ended', 'leg', 'started', 'ttl', 'seen', 'instance')
    local ended, before, began, lived, seen, instance = unpack(of_previous)
    if before then
      if not ended then
        -- Where the index has lost it, as with a Redis that was emptied, what sessions/log.lua knows has to do.
        local expiry = not another and expiry_of(member) or math.max(began, seen or 0) + lived
        if not another and now - expiry <= grace then return end
        expire(previous, expiry)
      end
      -- Its own millisecond, or both legs would have one sid.
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
  -- Where its first entry will bring it, and behind all whose entries are of that part of the day: or it would go before
  -- it has one.
  redis.call('ZADD', base .. 'sessions', place_of(started + settle) + started % part_ms / part_ms, sid)
  redis.call('PEXPIRE', base .. 'sessions', 2 * keep)
  return sid
end
