-- Removes the oldest summaries of a list until enough bytes are free.
-- 
-- KEYS[1] any key of the partition
-- ARGV[1] the list's name, ARGV[2] bytes that Redis needs for a row besides the row's own bytes, ARGV[3] bytes to free,
-- ARGV[4] most rows to remove
-- Returns how many bytes the list still has.
local base = string.match(KEYS[1], '^.-}:')
local list, besides, wanted, most = base .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local rows = redis.call('LRANGE', list, 0, most - 1)
local gone, freed = 0, 0
while gone < #rows and freed < wanted do
  gone = gone + 1
  freed = freed + #rows[gone] + besides
end
redis.call('LTRIM', list, gone, -1)
if redis.call('EXISTS', list) == 0 then
  -- The list has expired, or has just become empty.
  redis.call('HDEL', base .. 'past', ARGV[1])
  return 0
end
return redis.call('HINCRBY', base .. 'past', ARGV[1], -freed)
