-- Returns the sids of sessions of one partition that have no card (sessions/card.py). A session has no card if it has
-- just begun, if no entry of it was written, or if an earlier version of the service recorded it.
-- 
-- KEYS[1] the index `sessions`, KEYS[2] the hash `cards`
-- ARGV[1] how many of the newest sessions to skip, ARGV[2] how many sessions to check
-- ARGV[3] the lowest score of a session to check
-- 
-- Returns how many sessions were checked, and the sids of those without a card, with a space between sids.
local listed = redis.call(
  'ZREVRANGEBYSCORE', KEYS[1], '+inf', ARGV[3], 'LIMIT', ARGV[1], ARGV[2])
local without = {}
for _, sid in ipairs(listed) do
  if redis.call('HEXISTS', KEYS[2], sid) == 0 then without[#without + 1] = sid end
end
return {#listed, table.concat(without, ' ')}
