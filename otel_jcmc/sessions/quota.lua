-- Removes sessions of one partition: sessions that have been kept long enough, and the oldest if there are too many.
-- 
-- KEYS[1] any key of the partition.
-- ARGV[1...4] what is kept of sessions, as in store/stays.lua, which comes before this text.
-- ARGV[5] most sessions, ARGV[6] most bytes, -1: any number.
-- ARGV[7...9] bytes of memory besides logs: for a session, more for a session that waits for its span, for a conference.
-- ARGV[10] ms: a session that was there later is not removed because of number or bytes, -1: any session may be.
-- ARGV[11] most sessions that this call removes.
-- ARGV[12] 1 if all partitions together are about full.
-- 
-- Returns, between semicolons: 1 if Redis is out of memory, how many went because of their age, how many because of
-- their number or bytes, how many sessions are left, the bytes of all, when the oldest was last there (ms), the time (ms),
-- and how many have no entry yet.
local most_sessions, most_bytes = tonumber(ARGV[5]), tonumber(ARGV[6])
local each, each_open, each_room = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
-- Valkey packs small values closer than Redis does, and only Valkey has this global.
if not rawget(_G, 'server') then each = each + 350 end
local not_after, at_once = tonumber(ARGV[10]), tonumber(ARGV[11])
if not_after < 0 then not_after = math.huge end
local sessions = base .. 'sessions'
local old, over = 0, 0
local AWAITED_MS = 600000
-- A session without an entry cannot have begun longer ago than this, in parts of the day.
local PARTS = 12
-- A participant that was there within this time counts as there; and how long "crowded" is remembered.
local PRESENT_MS, CROWDED_MS = 600000, 30000

-- Asked before anything is written: after its first write a script may go beyond the memory limit.
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

-- A session that is to become a span or a summary goes last, after its log; but it does not stay for ever if no replica
-- makes spans.
local function is_awaited(sid)
  local at = is_folded and redis.call('ZSCORE', open_key, sid)
  return at and now - at < AWAITED_MS
end

-- How many have begun and have no entry yet: their places are between two ms (store/stays.lua).
local function fresh()
  local count = 0
  for part = -1, PARTS do
    local place = place_of(now + settle - part * part_ms)
    count = count + redis.call('ZCOUNT', sessions, '(' .. place, '(' .. place + 1)
  end
  return count
end

-- Removes the oldest sessions, awaited sessions (see above) only if `must`; returns how many sessions it has skipped.
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

-- An earlier version leaves the cards of sessions that it removes.
if redis.call('HLEN', base .. 'cards') > redis.call('ZCARD', sessions) then
  for _, sid in ipairs(redis.call('HRANDFIELD', base .. 'cards', at_once)) do
    if not redis.call('ZSCORE', sessions, sid) then drop_card(sid) end
  end
end

-- A session that has just begun has a place between two ms: rounded up, so that all of them go together.
local oldest = tonumber(redis.call('ZRANGE', sessions, 0, 0, 'WITHSCORES')[2] or 0)
if ARGV[12] == '1' and oldest > now - PRESENT_MS then
  redis.pcall('SET', base .. 'crowded', '', 'PX', CROWDED_MS)
end
return string.format(
  '%d;%d;%d;%d;%d;%d;%d;%d', is_full, old, over, redis.call('ZCARD', sessions), bytes(), math.ceil(oldest), now, fresh()
)
