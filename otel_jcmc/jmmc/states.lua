-- Merges a push into the stored state of one session of a JMMC page, and returns the complete state.
-- 
-- KEYS[1] hash of the session: catalogue id -> number or text; "seq": the number of its pushes; "63": the metrics of its
--         last push, a bit for each catalogue id.
-- KEYS[2] index of the session's partition: id of the session -> time of its last push in ms. KEYS[1] ends in ":" and that
--         id.
-- ARGV[1] ms for which a session is kept after a push, ARGV[2] most sessions in this partition, -1: any number.
-- ARGV[3] "1" to open the session.
-- ARGV[4] the value that this push has for "63".
-- ARGV[5...] two arguments for each change: catalogue id, new value ("": not known any more).
-- 
-- Returns the session as a flat list; nothing if the session does not exist and ARGV[3] does not open it. In the list, "63"
-- still has the metrics of the push before this one.
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
-- A client can open many sessions. If there are more than `most`, delete the sessions that pushed longest ago.
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
