-- Writes a look at everybody, unless somebody else holds the lease by now.
-- KEYS: the lease, what stands out now, what is over (a sorted set by its end).
-- ARGV: holder, the look, for how long both are kept (ms), the oldest end that is kept (ms), how
-- many that are over are kept, the SHA-1 of the look that was there, since what is erased meanwhile is not to come
-- back, then end and entry of each that is over now.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.sha1hex(redis.call('GET', KEYS[2]) or '') ~= ARGV[6] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
for at = 7, #ARGV, 2 do redis.call('ZADD', KEYS[3], ARGV[at], ARGV[at + 1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[4])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return 1
