-- Checks the sessions of one partition that are due in the index `open`: claims and returns those that are over.
-- Also returns the conferences that are over.
-- 
-- ARGV[5] most sessions, and most conferences, to check; ARGV[1...4] and the keys are as in store/stays.lua, which
-- comes before this text.
-- Returns four values. First: how many sessions are gone from Redis. Second: 1 if there are more to check, otherwise 0.
-- Third: a list with the sid and the hash of each session that is over. Fourth: a list with "conference:instance" and
-- the hash of each conference that is over. This script adds the field `emptied` to a conference's hash: when a
-- participant was last known to be live in it (ms).
-- A claimed session is returned again after `settle` ms, unless moves.lua has moved it by then. A conference is
-- returned by each call until moves.lua has moved it.
local most_looks = tonumber(ARGV[5])
local sessions, rooms, lost = {}, {}, 0

-- Returns whether the member's participant is live in this session, and whether it is live in another session. A value
-- that can't be read counts as live in this session.
local function is_there(member, session)
  local stored = redis.call('GET', base .. 'participant:' .. member)
  if not stored then return false end
  local whole, _, _, _, _, id = pcall(struct.unpack, '>dBI4BBc0', stored, 4)
  return not whole or id == session, whole and id ~= session
end

-- For a session whose participant is still live: sets the time of the next check, which is `wait` ms after the
-- participant's expiry, and keeps the keys of the session and of its conference for longer.
local function put_off(sid, member, session, room)
  redis.call('ZADD', open_key, (expiry_of(member) or now) + wait, sid)
  redis.call('PEXPIRE', open_key, keep + ROOM_MS)
  if redis.call('EXISTS', base .. 'about:' .. sid) == 1 then redis.call('UNLINK', base .. 'who:' .. sid) end
  for _, key in ipairs({'session:' .. sid, 'stay:' .. member .. ':' .. session}) do
    redis.call('PEXPIRE', base .. key, keep)
  end
  if not room then return end
  note_there(room, now)
  for _, key in ipairs({'room:' .. room, 'attendees:' .. room}) do redis.call('PEXPIRE', base .. key, keep) end
  redis.call('PEXPIRE', base .. 'rooms', keep + ROOM_MS)
end

local function look(sid, known_expiry)
  local key, member = base .. 'session:' .. sid, member_of(sid)
  local session, ended, instance = unpack(redis.call('HMGET', key, 'session', 'ended', 'instance'))
  if not session then
    -- The session was erased, or history dropped it to make room for other sessions.
    redis.call('ZREM', open_key, sid)
    local present = redis.call('HGET', base .. 'rooms', conference_of(sid))
    if present then depart(sid, room_of(sid, present)) end
    lost = lost + 1
    return
  end
  if not ended then
    local there, is_another = is_there(member, session)
    if there then return put_off(sid, member, session, instance and room_of(sid, instance)) end
    local expiry = not is_another and expiry_of(member) or known_expiry
    if expiry + wait > now then
      redis.call('ZADD', open_key, expiry + wait, sid)
      return
    end
    expire(sid, expiry)
  end
  -- The session stays in the index, so that it is claimed again if this process ends before it moves the session.
  redis.call('ZADD', open_key, now + settle, sid)
  sessions[#sessions + 1] = sid
  sessions[#sessions + 1] = redis.call('HGETALL', key)
end

local looked = redis.call('ZRANGEBYSCORE', open_key, '-inf', now, 'WITHSCORES', 'LIMIT', 0, most_looks)
for i = 1, #looked, 2 do look(looked[i], looked[i + 1] - wait) end

local over = redis.call('ZRANGEBYSCORE', emptied_key, '-inf', now - grace, 'WITHSCORES', 'LIMIT', 0, most_looks)
for i = 1, #over, 2 do
  local hash = redis.call('HGETALL', base .. 'room:' .. over[i])
  hash[#hash + 1] = 'emptied'
  hash[#hash + 1] = over[i + 1]
  rooms[#rooms + 1] = over[i]
  rooms[#rooms + 1] = hash
end
return {lost, (#looked == 2 * most_looks or #over == 2 * most_looks) and 1 or 0, sessions, rooms}
