-- Makes events.lua refuse events about an erased client that stands out, for a while: a process may have read such an
-- event from the journal and not sent it to Redis yet.
-- 
-- KEYS[1] the base of the keys of the partition in which such events wait
-- ARGV[1] for how many ms events are refused; ARGV[2...] digests of clients, in hex
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local refused = KEYS[1] .. 'events:refused'
-- First the command that also works in a Redis that is out of memory: then Redis runs the whole script.
redis.call('ZREMRANGEBYSCORE', refused, '-inf', now)
for i = 2, #ARGV do redis.call('ZADD', refused, now + ARGV[1], ARGV[i]) end
redis.call('PEXPIRE', refused, ARGV[1])
