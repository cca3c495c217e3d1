-- Removes everything about one participant: its sessions, and its last push.
-- 
-- KEYS[1] any key of the partition.
-- ARGV[1...4] what is kept of sessions, as in store/stays.lua, which comes before this text.
-- ARGV[5] the member, ARGV[6] ms from now on in which a push may become part of an entry that began before the erasure.
-- ARGV[7...] sids of its sessions.
-- 
-- Returns four values of each session that existed: sid, session, instance ("" if none), leg.
local REMEMBER_MS = 3600000
local member, behind = ARGV[5], tonumber(ARGV[6])
local gone = {}

-- First the commands that also work in a Redis that is out of memory: then Redis runs the whole script.
redis.call('UNLINK', base .. 'participant:' .. member)
if redis.call('ZREM', live_key, member) == 1 then
  local conference = conference_of(member)
  if redis.call('HINCRBY', base .. 'conferences', conference, -1) <= 0 then
    redis.call('HDEL', base .. 'conferences', conference)
  end
end
-- Processes may still have entries of the participant that are not written: log.lua must refuse these entries.
redis.call('ZREMRANGEBYSCORE', base .. 'erased', '-inf', now - REMEMBER_MS)
redis.call('ZADD', base .. 'erased', now + behind, member)
redis.call('PEXPIRE', base .. 'erased', behind + REMEMBER_MS)

for i = 7, #ARGV do
  local sid = ARGV[i]
  local session, instance, leg = unpack(redis.call('HMGET', base .. 'session:' .. sid, 'session', 'instance', 'leg'))
  if session then
    -- The conference goes on without this session.
    finish(sid, now, 'erased', now)
    redis.call('UNLINK', base .. 'stay:' .. member .. ':' .. session)
    redis.call('ZREM', base .. 'ended', member .. ':' .. session)
    for _, each in ipairs({sid, session, instance or '', leg or '1'}) do gone[#gone + 1] = each end
  end
  forget(sid)
end
return gone
