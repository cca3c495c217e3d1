-- Keeps away for a while what stands out of an erased client, which somebody may have read of the journal and not told yet.
--
-- KEYS[1] the base of the keys of the partition in which such events wait
-- ARGV[1] ms; ARGV[2...] digests of the client, in hex
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local refused = KEYS[1] .. 'events:refused'
-- First what Redis does when it is out of memory too: what follows is then done as well.
redis.call('ZREMRANGEBYSCORE', refused, '-inf', now)
for i = 2, #ARGV do redis.call('ZADD', refused, now + ARGV[1], ARGV[i]) end
redis.call('PEXPIRE', refused, ARGV[1])
