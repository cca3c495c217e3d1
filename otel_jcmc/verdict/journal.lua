-- Writes the result of a look at all participants, if this replica still holds the lease.
-- KEYS: the lease, the newest look, the entries that are over (a sorted set by their end).
-- ARGV[1] the replica, ARGV[2] its look, ARGV[3] ms for which the last two keys are kept.
-- ARGV[4] entries that ended before this time (ms) are removed.
-- ARGV[5] at most this many entries that are over are kept.
-- ARGV[6] the SHA-1 of the look that this replica read last. If another look is stored, nothing is
-- written: an entry that was erased since that read would come back.
-- ARGV[7...] end and entry of each thing that is over since that read.
-- Returns 1 if the look was written, otherwise 0.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.sha1hex(redis.call('GET', KEYS[2]) or '') ~= ARGV[6] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
for at = 7, #ARGV, 2 do redis.call('ZADD', KEYS[3], ARGV[at], ARGV[at + 1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[4])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return 1
