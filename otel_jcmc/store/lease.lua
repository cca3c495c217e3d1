-- Shares out what several replicas do together: each is told which shares are its own until it asks again.
--
-- KEYS[1] share, from 0 on -> who has it;  KEYS[2] replicas that are there: name -> until when, in ms
-- ARGV[1] who asks, ARGV[2] ms for which it is there from now on, ARGV[3] how many shares there are
--
-- Share i is for the replica whose place among all that are there, by their names, is i modulo their number. Who has one
-- that is for another gives it up; who is meant takes it when nobody who is there has it. Returns the asker's shares.
local holders, replicas = KEYS[1], KEYS[2]
local me, lasts, shares = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A millisecond that has only begun is not over for who counts them by himself.
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
