-- Shares out the work that several replicas do together: a replica that asks learns which shares it has until it asks
-- again.
-- 
-- KEYS[1] share, from 0 on -> the replica that has it.  KEYS[2] the replicas that are there: name -> until when, in ms.
-- ARGV[1] the replica that asks, ARGV[2] for how many ms it counts as there from now on, ARGV[3] how many shares there
-- are.
-- 
-- The replicas that are there are sorted by name, and share i belongs to the replica at place i modulo the number of
-- replicas. A replica gives up a share that belongs to another replica. A replica takes a share that belongs to it when
-- no replica that is there has it. Returns the shares of the replica that asks.
local holders, replicas = KEYS[1], KEYS[2]
local me, lasts, shares = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A replica counts the time itself, more exactly than in ms: its time is not over while its last millisecond runs.
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
