-- Looks at the open sessions of one partition whose time has come: atomically claims and returns those that are over.
-- 
-- ARGV[5] most to look at; ARGV[1...4] and the keys as in store/stays.lua, which comes before this text.
-- Returns: how many sessions are not known any more, 1 if there is more to look at, and what is over: pairs of
-- {sid, its hash} and of {"conference:instance", its hash and `there` of emptied}. They are returned again a while later
-- unless moves.lua has moved them.
local most_looks = tonumber(ARGV[5])
local sessions, rooms, lost = {}, {}, 0

-- Whether the member's participant is in this session. A value that can't be read counts as there.
local function is_there(member, session)
  local stored = redis.call('GET', base .. 'participant:' .. member)
  if not stored then return false end
  local whole, _, _, _, _, id = pcall(struct.unpack, '>dBI4BBc0', stored, 4)
  return not whole or id == session, whole and id ~= session
end

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
    -- The session was erased, or removed to make room.
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
  -- The session is claimed again later, in case this process ends before it moves the session.
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
