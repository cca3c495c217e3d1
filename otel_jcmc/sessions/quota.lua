-- Takes sessions of one partition away: those that have been kept for long enough, and the oldest if there are too many.
--
-- KEYS[1] any key of the partition
-- ARGV[1...4] what is kept of sessions, as store/stays.lua has it, which stands before this
-- ARGV[5] most sessions, ARGV[6] most bytes, -1: any number; ARGV[7] bytes that each session takes besides its log
-- ARGV[8] ms: none that was there later goes for being too many, -1: any may; ARGV[9] most that go at once
--
-- Returns, between semicolons: 1 if Redis is out of memory, how many went because of their age, how many because of
-- their number or bytes, how many sessions are left, the bytes of their logs, and when the oldest was last there (ms).
local most_sessions, most_bytes, each = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local not_after, at_once = tonumber(ARGV[8]), tonumber(ARGV[9])
if not_after < 0 then not_after = math.huge end
local sessions = base .. 'sessions'
local old, over = 0, 0
local AWAITED_MS = 600000

-- Asked before anything is written: from then on a script may go on whatever it takes.
local probe = redis.pcall('SET', base .. 'probe', '', 'PX', 1)
local is_full = type(probe) == 'table' and probe.err and string.find(probe.err, 'OOM', 1, true) and 1 or 0

local function is_beyond()
  local count = redis.call('ZCARD', sessions)
  if most_sessions >= 0 and count > most_sessions then return true end
  return most_bytes >= 0 and (redis.call('GET', base .. 'bytes') or 0) + count * each > most_bytes
end

-- Who is still to become a span goes last, without the log first; but not for ever if nobody makes spans.
local function is_awaited(sid)
  local at = mode == 2 and redis.call('ZSCORE', open_key, sid)
  return at and now - at < AWAITED_MS
end

-- Takes the oldest away, or who is awaited only if it must be; returns how many it has passed over.
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

local oldest = redis.call('ZRANGE', sessions, 0, 0, 'WITHSCORES')
return string.format(
  '%d;%d;%d;%d;%d;%d', is_full, old, over,
  redis.call('ZCARD', sessions), redis.call('GET', base .. 'bytes') or 0, oldest[2] or 0
)
