-- Replaces a finished session by its span and its summary, or a finished instance of a conference by its span. A second
-- call for the same session or instance changes nothing.
-- 
-- ARGV[1...4] and the keys as in store/stays.lua, which comes before this text.
-- ARGV[5] for how many ms a span waits in Redis if no replica sends spans.
-- ARGV[6] the span, empty if there is no span. The span of a session has a mark (span_marks.py).
-- To replace a session:
-- ARGV[7] its sid, ARGV[8] its conference's instance (0: none), ARGV[9] 0: remove its log and card, 1: keep them.
-- ARGV[10] digest of its client in hex, empty if the client is not known.
-- ARGV[11] its summary, empty if there is no summary; ARGV[12] the list to which the summary is added, ARGV[13] when
-- this list expires (Unix time in ms), ARGV[14] bytes that Redis needs for a summary besides the summary's own bytes.
-- ARGV[15...] pairs of field and value for the hash of the conference's instance. "+field" adds the value to the field,
-- "<field" keeps the smaller value, ">field" keeps the larger value, and a field without these signs is set.
-- To replace an instance of a conference:
-- ARGV[7] "conference:instance", ARGV[8] its score in the index `emptied`; there are no more arguments.
-- 
-- Returns 1 if this call has replaced the session or instance. Returns 0 if an earlier call has replaced it, if it has
-- been erased, or if the instance goes on.
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

-- Removes the session from its conference's instance, after the session's figures were added to the instance's hash.
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
  -- `who` stays if no `about` was written: after a failed join, or if the process was killed before it wrote the log.
  -- Then only `who` has the participant's attributes, and history needs them to list and to erase the session.
  if ARGV[9] == '0' or redis.call('EXISTS', base .. 'about:' .. name) == 1 then
    redis.call('UNLINK', base .. 'who:' .. name)
  end
  -- If the session was erased while its span was made, the span is not stored.
  local is_known = redis.call('EXISTS', base .. 'session:' .. name)
  if is_known == 1 then
    put()
    sum_up(ARGV[11], ARGV[12], ARGV[13], ARGV[14])
  end
  if ARGV[9] == '0' then
    drop_samples(name)
    redis.call('DECRBY', base .. 'bytes', redis.call('HSTRLEN', base .. 'cards', name))
    redis.call('HDEL', base .. 'cards', name)
    -- From now on, only this digest shows which client the session belongs to.
    if is_known == 1 and ARGV[10] ~= '' then redis.call('HSET', base .. 'session:' .. name, 'client', ARGV[10]) end
  end
  if instance ~= '0' then leave_room(is_known == 1) end
  return is_known
end

local function move_room()
  -- If the score in `emptied` has changed, a participant has joined the conference since sweep.lua read the score. This
  -- participant may already have left again.
  if redis.call('ZSCORE', emptied_key, name) ~= instance then return 0 end
  redis.call('ZREM', emptied_key, name)
  put()
  redis.call('DEL', base .. 'room:' .. name)
  local conference, present = conference_of(name), string.sub(name, 14)
  if redis.call('HGET', base .. 'rooms', conference) == present then redis.call('HDEL', base .. 'rooms', conference) end
  return 1
end

return string.find(name, ':', 1, true) and move_room() or move_session()
