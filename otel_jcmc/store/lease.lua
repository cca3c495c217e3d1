-- Shares out the work that several replicas do together: each asker learns which shares are its own until it asks again.
-- 
-- KEYS[1] share, from 0 on -> the replica that has it.  KEYS[2] the replicas that are there: name -> until when, in ms.
-- ARGV[1] the replica that asks, ARGV[2] for how many ms it counts as there from now on, ARGV[3] how many shares there are.
-- 
-- Share i belongs to the replica at place i modulo their number, among all that are there, sorted by name. A replica gives
-- up a share that belongs to another. A replica takes its share when no replica that is there has it. Returns the asker's
-- shares.
local holders, replicas = KEYS[1], KEYS[2]
local me, lasts, shares = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A millisecond that has only begun is not over for a replica that counts the time itself.
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
