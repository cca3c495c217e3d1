-- Takes away all that there is of one participant: its sessions, and its last push.
--
-- KEYS[1] any key of the partition
-- ARGV[1...4] what is kept of sessions, as store/stays.lua has it, which stands before this
-- ARGV[5] the member, ARGV[6] ms from now on in which pushes may be part of an entry that began before
-- ARGV[7...] sids of its sessions
--
-- Returns four of each session that there was: sid, session, instance ("" if none), leg.
local REMEMBER_MS = 3600000
local member, behind = ARGV[5], tonumber(ARGV[6])
local gone = {}

-- First what Redis does when it is out of memory too: what follows is then done as well.
redis.call('UNLINK', base .. 'participant:' .. member)
if redis.call('ZREM', live_key, member) == 1 then
  local conference = conference_of(member)
  if redis.call('HINCRBY', base .. 'conferences', conference, -1) <= 0 then
    redis.call('HDEL', base .. 'conferences', conference)
  end
end
-- Processes have of it what was not written yet: log.lua is not to take that.
redis.call('ZREMRANGEBYSCORE', base .. 'erased', '-inf', now - REMEMBER_MS)
redis.call('ZADD', base .. 'erased', now + behind, member)
redis.call('PEXPIRE', base .. 'erased', behind + REMEMBER_MS)

for i = 7, #ARGV do
  local sid = ARGV[i]
  local session, instance, leg = unpack(redis.call('HMGET', base .. 'session:' .. sid, 'session', 'instance', 'leg'))
  if session then
    -- Its conference goes on without it.
    finish(sid, now, 'erased', now)
    redis.call('UNLINK', base .. 'stay:' .. member .. ':' .. session)
    redis.call('ZREM', base .. 'ended', member .. ':' .. session)
    for _, each in ipairs({sid, session, instance or '', leg or '1'}) do gone[#gone + 1] = each end
  end
  forget(sid)
end
return gone
