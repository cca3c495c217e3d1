-- Names sessions of one partition that have no card (sessions/card.py): they have just begun, never pushed anything that
-- is recorded, or were recorded by an earlier version.
-- 
-- KEYS[1] the index `sessions`, KEYS[2] the hash `cards`
-- ARGV[1] how many of the newest to skip, ARGV[2] how many to look at, ARGV[3] the lowest score to look at
-- 
-- Returns how many were looked at, and the sids.
local listed = redis.call(
  'ZREVRANGEBYSCORE', KEYS[1], '+inf', ARGV[3], 'LIMIT', ARGV[1], ARGV[2])
local without = {}
for _, sid in ipairs(listed) do
  if redis.call('HEXISTS', KEYS[2], sid) == 0 then without[#without + 1] = sid end
end
return {#listed, table.concat(without, ' ')}
