-- Erases entries about what stands out, from the present look and from the list of what is over.
--
-- KEYS[1] the present look, KEYS[2] what is over.
-- ARGV[1] the look as it was read, "": leave it.
-- ARGV[2] the new look.
-- ARGV[3...] the entries to erase from what is over.
-- Returns 1, or 0 if another look has been written meanwhile.
for i = 3, #ARGV do redis.call('ZREM', KEYS[2], ARGV[i]) end
if ARGV[1] == '' then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
