-- Takes some of what stands out away, as one look has it and as it was written when it was over.
--
-- KEYS: what stands out now, what is over
-- ARGV[1] the look as it was read, "" if nothing is to change of it, ARGV[2] what it is to be, ARGV[3...] what goes of
-- what is over
-- Returns 1, 0 if another look has been written meanwhile.
for i = 3, #ARGV do redis.call('ZREM', KEYS[2], ARGV[i]) end
if ARGV[1] == '' then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
