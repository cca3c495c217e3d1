-- Replaces an old value by a new value, if the key still has the old value. Then corrects the counted bytes of the
-- session and of the partition.
-- 
-- KEYS[1] a string, or a list of which one element is replaced. KEYS[2] the session's hash, KEYS[3] the partition's key
-- `bytes`.
-- ARGV[1] the old value, ARGV[2] the new value.
-- 
-- Returns 1 if it has replaced the value, 0 if the old value was not found.
if redis.call('TYPE', KEYS[1]).ok == 'list' then
  local at = redis.call('LPOS', KEYS[1], ARGV[1])
  if not at then return 0 end
  redis.call('LSET', KEYS[1], at, ARGV[2])
else
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
end
local more = #ARGV[2] - #ARGV[1]
if redis.call('HEXISTS', KEYS[2], 'bytes') == 1 then
  redis.call('HINCRBY', KEYS[2], 'bytes', more)
  redis.call('INCRBY', KEYS[3], more)
end
return 1
