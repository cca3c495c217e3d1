-- Makes events.lua refuse, for some time, events which say that an erased client stands out as a sender. A process may
-- have read such an event from the journal before the erasure, and not have sent it to Redis yet.
-- 
-- KEYS[1] the prefix of all keys of the partition in which such events wait
-- ARGV[1] for how many ms events.lua refuses events; ARGV[2...] digests of the erased clients, in hex
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local refused = KEYS[1] .. 'events:refused'
-- The first command also works in a Redis that is out of memory. Redis then runs the rest of the script too.
redis.call('ZREMRANGEBYSCORE', refused, '-inf', now)
for i = 2, #ARGV do redis.call('ZADD', refused, now + ARGV[1], ARGV[i]) end
redis.call('PEXPIRE', refused, ARGV[1])
