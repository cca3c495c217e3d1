-- For a while refuses events about an erased client that stands out: a process may have read them from the journal and not
-- told them yet.
-- 
-- KEYS[1] the base of the keys of the partition in which such events wait
-- ARGV[1] ms; ARGV[2...] digests of the client, in hex
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local refused = KEYS[1] .. 'events:refused'
-- First the command that works in a Redis that is out of memory too: then the rest is done as well.
redis.call('ZREMRANGEBYSCORE', refused, '-inf', now)
for i = 2, #ARGV do redis.call('ZADD', refused, now + ARGV[1], ARGV[i]) end
redis.call('PEXPIRE', refused, ARGV[1])
