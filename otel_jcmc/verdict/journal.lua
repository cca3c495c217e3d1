-- Writes a look at all participants, unless another replica holds the lease by now.
-- KEYS: the lease, what stands out now, what is over (a sorted set by its end).
-- ARGV[1] the holder, ARGV[2] the look, ARGV[3] ms for which both are kept.
-- ARGV[4] the oldest end that is kept (ms), ARGV[5] how many of those that are over are kept.
-- ARGV[6] the SHA-1 of the look before: an entry that was erased meanwhile must not come back.
-- ARGV[7...] end and entry of each that is over now.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.sha1hex(redis.call('GET', KEYS[2]) or '') ~= ARGV[6] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
for at = 7, #ARGV, 2 do redis.call('ZADD', KEYS[3], ARGV[at], ARGV[at + 1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[4])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return 1
