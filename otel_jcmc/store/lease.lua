-- Divides the shares of a task among replicas. Each replica calls this script again and again. It returns the numbers
-- of the shares that the calling replica has until its next call.
-- 
-- KEYS[1] hash: number of a share, from 0 -> the replica that has the share.
-- KEYS[2] sorted set: the replicas that are running -> the time until which each counts as running, in ms.
-- ARGV[1] the calling replica, ARGV[2] for how many ms it counts as running from now on, ARGV[3] the number of shares.
-- 
-- The running replicas are sorted by name, and share i belongs to the replica at place i modulo the number of replicas.
-- A replica gives up a share that belongs to another replica. A replica takes a share that belongs to it when no
-- running replica has the share.
local holders, replicas = KEYS[1], KEYS[2]
local me, lasts, shares = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A replica measures its own time in parts of a ms, so here its time is over only when its last ms has passed.
redis.call('ZREMRANGEBYSCORE', replicas, '-inf', '(' .. now)
redis.call('ZADD', replicas, now + lasts, me)
local there = redis.call('ZRANGE', replicas, 0, -1)
table.sort(there)
local mine = {}
for share = 0, shares - 1 do
  local meant = there[share % #there + 1]
  local holder = redis.call('HGET', holders, share)
  if holder and not redis.call('ZSCORE', replicas, holder) then holder = false end
  if meant == me and (not holder or holder == me) then
    redis.call('HSET', holders, share, me)
    mine[#mine + 1] = share
  elseif holder == me then
    redis.call('HDEL', holders, share)
  end
end
redis.call('PEXPIRE', replicas, lasts)
redis.call('PEXPIRE', holders, lasts)
return mine
