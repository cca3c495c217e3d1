-- Removes sessions of one partition: sessions that are older than history keeps them, and the oldest sessions if the
-- partition has too many sessions or bytes.
-- 
-- KEYS[1] any key of the partition.
-- ARGV[1...4] what is kept of sessions, as in store/stays.lua. The text of that file comes before this text.
-- ARGV[5] most sessions of the partition, ARGV[6] most bytes of the partition; -1: any number.
-- ARGV[7...9] bytes of memory besides the bytes of logs: ARGV[7] for each session, ARGV[8] in addition for each session
-- that waits for its span, ARGV[9] for each conference.
-- ARGV[10] Unix time in ms: if the participant of a session was there after this time, the session is not removed
-- because of number or bytes. -1: any session may be removed.
-- ARGV[11] most sessions that this call removes.
-- ARGV[12] 1 if all partitions together have nearly reached their limits.
-- 
-- Returns eight numbers, separated by semicolons:
--   1 if Redis is out of memory, otherwise 0
--   how many sessions were removed because of their age
--   how many sessions were removed because of the limits for number and bytes
--   how many sessions the partition has now
--   how many bytes these sessions take
--   when the participant of the oldest session was last there, Unix time in ms
--   the time now, Unix time in ms
--   how many sessions have no entry yet
local most_sessions, most_bytes = tonumber(ARGV[5]), tonumber(ARGV[6])
local each, each_open, each_room = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
-- Redis needs 350 bytes more for a session than Valkey. Only Valkey has the global `server`.
if not rawget(_G, 'server') then each = each + 350 end
local not_after, at_once = tonumber(ARGV[10]), tonumber(ARGV[11])
if not_after < 0 then not_after = math.huge end
local sessions = base .. 'sessions'
local old, over = 0, 0
local AWAITED_MS = 600000
-- A session without an entry has begun within the last PARTS times `part_ms`.
local PARTS = 12
-- PRESENT_MS: if the last push of a session came within this time, its participant may still be there. CROWDED_MS:
-- after this time the key `crowded` expires.
local PRESENT_MS, CROWDED_MS = 600000, 30000

-- This must be the first write of the script: after a first write, Redis lets a script use more than its memory limit.
local probe = redis.pcall('SET', base .. 'probe', '', 'PX', 1)
local is_full = type(probe) == 'table' and probe.err and string.find(probe.err, 'OOM', 1, true) and 1 or 0

local function bytes()
  return (redis.call('GET', base .. 'bytes') or 0) + redis.call('ZCARD', sessions) * each
    + redis.call('ZCARD', open_key) * each_open + redis.call('HLEN', base .. 'rooms') * each_room
end

local function is_beyond()
  if most_sessions >= 0 and redis.call('ZCARD', sessions) > most_sessions then return true end
  return most_bytes >= 0 and bytes() > most_bytes
end

-- Says whether a session still waits for its span or summary. Such a session loses its log first, and is itself removed
-- last. After AWAITED_MS it does not wait any more, because perhaps no replica makes spans.
local function is_awaited(sid)
  local at = is_folded and redis.call('ZSCORE', open_key, sid)
  return at and now - at < AWAITED_MS
end

-- Returns how many sessions have begun and have no entry yet. In the index `sessions`, only the scores of these
-- sessions have a fraction of a ms (store/stays.lua).
local function fresh()
  local count = 0
  for part = -1, PARTS do
    local place = place_of(now + settle - part * part_ms)
    count = count + redis.call('ZCOUNT', sessions, '(' .. place, '(' .. place + 1)
  end
  return count
end

-- Removes the oldest sessions. If `must` is false, sessions that wait for their span or summary lose only their log.
-- Returns how many sessions have lost only their log.
local function take_away(must)
  local passed = 0
  for _ = 1, at_once do
    local sid, seen = unpack(redis.call('ZRANGE', sessions, passed, passed, 'WITHSCORES'))
    if not sid then break end
    seen = tonumber(seen)
    local is_old = seen < now - keep
    if not is_old and not (seen <= not_after and is_beyond()) then break end
    if not must and is_awaited(sid) then
      drop_samples(sid)
      passed = passed + 1
    else
      if is_old then old = old + 1 else over = over + 1 end
      forget(sid)
    end
  end
  return passed
end

if take_away(false) > 0 and old + over == 0 then take_away(true) end

-- If a replica with an earlier version removes a session, it does not remove the card: do it here.
if redis.call('HLEN', base .. 'cards') > redis.call('ZCARD', sessions) then
  for _, sid in ipairs(redis.call('HRANDFIELD', base .. 'cards', at_once)) do
    if not redis.call('ZSCORE', sessions, sid) then drop_card(sid) end
  end
end

-- The score of a session without an entry has a fraction of a ms. The score is rounded up below, so that
-- all such sessions can be removed together.
local oldest = tonumber(redis.call('ZRANGE', sessions, 0, 0, 'WITHSCORES')[2] or 0)
if ARGV[12] == '1' and oldest > now - PRESENT_MS then
  redis.pcall('SET', base .. 'crowded', '', 'PX', CROWDED_MS)
end
return string.format(
  '%d;%d;%d;%d;%d;%d;%d;%d', is_full, old, over, redis.call('ZCARD', sessions), bytes(), math.ceil(oldest), now, fresh()
)
