-- Adds the changes of one push to the values of its session of a JMMC page, and returns the session's values.
-- 
-- KEYS[1] hash of the session: catalogue id -> number or text; "seq": how many pushes the session has had; "63": which
--         metrics its last push had, a bit for each id.
-- KEYS[2] index of the session's partition: session id -> time of its last push in ms. KEYS[1] ends in ":" and this id.
-- ARGV[1] ms for which a session is kept after a push. ARGV[2] how many sessions this partition may have, -1: no limit.
-- ARGV[3] "1" to open the session.
-- ARGV[4] the value that this push has for "63".
-- ARGV[5...] two arguments for each change: catalogue id, new value ("": not known any more).
-- 
-- Returns the hash of the session as a flat list; nothing if the session does not exist and ARGV[3] does not open it.
-- In the list, "63" still has the metrics of the push before this push.
local keep, most = tonumber(ARGV[1]), tonumber(ARGV[2])
if ARGV[3] ~= '1' and redis.call('EXISTS', KEYS[1]) == 0 then return false end
for i = 5, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('PEXPIRE', KEYS[1], keep)

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], now, string.match(KEYS[1], '[^:]+$'))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - keep)
redis.call('PEXPIRE', KEYS[2], keep)
-- One client can open many sessions. Above the limit, the sessions without a push for the longest time are deleted.
local beyond = redis.call('ZCARD', KEYS[2]) - most
if most >= 0 and beyond > 0 then
  local gone = redis.call('ZPOPMIN', KEYS[2], beyond)
  for i = 1, #gone, 2 do
    redis.call('DEL', KEYS[2] .. ':' .. gone[i])
  end
end
local session = redis.call('HGETALL', KEYS[1])
redis.call('HSET', KEYS[1], '63', ARGV[4])
return session
