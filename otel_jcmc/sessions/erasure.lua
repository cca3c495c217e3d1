-- Removes everything that Redis has about one participant: its sessions, and its last push.
-- 
-- KEYS[1] any key of the partition.
-- ARGV[1...4] mode, grace, keep and settle of store/stays.lua, whose text is put before this text.
-- ARGV[5] the member of the participant.
-- ARGV[6] for how many ms from now on a process may still add pushes to an entry that began before the erasure.
-- ARGV[7...] the sids of the participant's sessions.
-- 
-- Returns four values for each session that existed: sid, session, instance ("" if it has none), leg.
local REMEMBER_MS = 3600000
local member, behind = ARGV[5], tonumber(ARGV[6])
local gone = {}

-- The first commands also work in a Redis that is out of memory. Redis then runs the rest of the script too.
redis.call('UNLINK', base .. 'participant:' .. member)
if redis.call('ZREM', live_key, member) == 1 then
  local conference = conference_of(member)
  if redis.call('HINCRBY', base .. 'conferences', conference, -1) <= 0 then
    redis.call('HDEL', base .. 'conferences', conference)
  end
end
-- Processes may still have entries of the participant that they have not written. log.lua reads this key and refuses
-- these entries.
redis.call('ZREMRANGEBYSCORE', base .. 'erased', '-inf', now - REMEMBER_MS)
redis.call('ZADD', base .. 'erased', now + behind, member)
redis.call('PEXPIRE', base .. 'erased', behind + REMEMBER_MS)

for i = 7, #ARGV do
  local sid = ARGV[i]
  local session, instance, leg = unpack(redis.call('HMGET', base .. 'session:' .. sid, 'session', 'instance', 'leg'))
  if session then
    -- The session ends now, but its conference may go on.
    finish(sid, now, 'erased', now)
    redis.call('UNLINK', base .. 'stay:' .. member .. ':' .. session)
    redis.call('ZREM', base .. 'ended', member .. ':' .. session)
    for _, each in ipairs({sid, session, instance or '', leg or '1'}) do gone[#gone + 1] = each end
  end
  forget(sid)
end
return gone
