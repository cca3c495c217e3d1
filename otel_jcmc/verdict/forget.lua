-- Erases journal entries of one client, from the newest look and from the entries that are over.
--
-- KEYS[1] the newest look, KEYS[2] the entries that are over.
-- ARGV[1] the look as it was read; "": do not change the look.
-- ARGV[2] the look without the erased entries.
-- ARGV[3...] the entries to erase from KEYS[2].
-- Returns 1, or 0 if another look was written after the read; the look is then unchanged.
for i = 3, #ARGV do redis.call('ZREM', KEYS[2], ARGV[i]) end
if ARGV[1] == '' then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
