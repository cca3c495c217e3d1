-- Replaces a session or a conference that is over by its span and its summary: once, however often this is called.
-- 
-- ARGV[1...4] and the keys as in store/stays.lua, which comes before this text.
-- ARGV[5] ms for which a span waits when no replica sends spans, ARGV[6] the span; a session's has its mark
-- (span_marks.py); empty: there is none.
-- A session: ARGV[7] its sid; ARGV[8] its instance, 0: it has none; ARGV[9] 0 if its log is not needed any more.
-- ARGV[10] digest of its client in hex, empty if it is not known.
-- ARGV[11] its summary, empty if there is none; ARGV[12] the list that it joins, ARGV[13] until when that is kept (ms),
-- ARGV[14] bytes that Redis needs for a summary besides.
-- ARGV[15...] pairs for its conference's hash: fields with "+" in front are added up; with "<" and ">" the least and the
-- largest stay; all others are set.
-- A conference: ARGV[7] "conference:instance", ARGV[8] `there` of emptied; there are no more arguments.
-- Returns 1 if it was moved, 0 if it had been moved before, or goes on.
local waits, span, name, instance = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local outbox = base .. 'outbox'

local function put()
  if span == '' then return end
  redis.call('RPUSH', outbox, span)
  redis.call('PEXPIRE', outbox, waits)
end

local function note(key, field, value)
  local how, rest = string.sub(field, 1, 1), string.sub(field, 2)
  if how == '+' then
    redis.call('HINCRBY', key, rest, value)
  elseif how == '<' or how == '>' then
    local old = tonumber(redis.call('HGET', key, rest) or nil)
    local new = tonumber(value)
    if not old or how == '<' and new < old or how == '>' and new > old then redis.call('HSET', key, rest, value) end
  else
    redis.call('HSET', key, field, value)
  end
end

local function sum_up(summary, list, until_ms, besides)
  if summary == '' then return end
  redis.call('RPUSH', base .. list, summary)
  redis.call('PEXPIREAT', base .. list, until_ms)
  redis.call('HINCRBY', base .. 'past', list, #summary + besides)
end

-- The conference of a session that is moved keeps its figures, and goes on without it.
local function leave_room(is_known)
  local room = room_of(name, instance)
  local room_key = base .. 'room:' .. room
  if is_known then
    for i = 15, #ARGV, 2 do note(room_key, ARGV[i], ARGV[i + 1]) end
    redis.call('PEXPIRE', room_key, keep)
    redis.call('PEXPIRE', base .. 'attendees:' .. room, keep)
  end
  depart(name, room)
end

local function move_session()
  if redis.call('ZREM', open_key, name) == 0 then return 0 end
  -- For a join that failed, and for a participant whose log was lost with its process, nothing else has its name:
  -- history lists and erases it by that.
  if ARGV[9] == '0' or redis.call('EXISTS', base .. 'about:' .. name) == 1 then
    redis.call('UNLINK', base .. 'who:' .. name)
  end
  -- The session may have been erased while its span was made: then the span is not stored.
  local is_known = redis.call('EXISTS', base .. 'session:' .. name)
  if is_known == 1 then
    put()
    sum_up(ARGV[11], ARGV[12], ARGV[13], ARGV[14])
  end
  if ARGV[9] == '0' then
    drop_samples(name)
    redis.call('DECRBY', base .. 'bytes', redis.call('HSTRLEN', base .. 'cards', name))
    redis.call('HDEL', base .. 'cards', name)
    -- From now on only this digest shows whose session it was.
    if is_known == 1 and ARGV[10] ~= '' then redis.call('HSET', base .. 'session:' .. name, 'client', ARGV[10]) end
  end
  if instance ~= '0' then leave_room(is_known == 1) end
  return is_known
end

local function move_room()
  -- If `there` has changed, a participant has come to the conference meanwhile, and has perhaps left again.
  if redis.call('ZSCORE', emptied_key, name) ~= instance then return 0 end
  redis.call('ZREM', emptied_key, name)
  put()
  redis.call('DEL', base .. 'room:' .. name)
  local conference, present = conference_of(name), string.sub(name, 14)
  if redis.call('HGET', base .. 'rooms', conference) == present then redis.call('HDEL', base .. 'rooms', conference) end
  return 1
end

return string.find(name, ':', 1, true) and move_room() or move_session()
