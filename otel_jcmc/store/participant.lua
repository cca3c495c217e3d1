-- Writes one batch of pushes of one partition, by Redis's own clock. Only this script writes these keys.
-- 
-- KEYS[1] the index of live participants: member -> expiry in µs, which each push changes.
-- KEYS[2] the sessions that ended: "member:session" -> until when Redis remembers the end, in ms.
-- KEYS[3] conference -> how many of its members the index has; a conference is the first 12 characters of its members.
-- ARGV[1...4] what to keep of sessions, as in stays.lua, whose text comes before this text.
-- ARGV[5] most participants in a conference, ARGV[6] most ends of sessions to remember; -1: any number.
-- ARGV[7] for how many ms an end is remembered, ARGV[8] how many ms after its expiry a member leaves the index.
-- ARGV[9] most ms for which the first push keeps a participant live, also if the push asks for more; -1: any time.
-- ARGV[10] most live participants in this partition; -1: any number.
-- ARGV[11] the pushes, a msgpack array of arrays: member, session id ("": the server names it), seq (-1: none), ttl in
-- ms (below 0: the participant may not be new), payload ("" for a leave, except a join that failed), digest of the
-- owner ("": pushes have no owner), why the participant leaves ("": no leave), a failure's cause, ms for which a failed
-- join was tried (-1: not a failed join), whether a session that begins is kept, the participant's rating of the call
-- and its text ("": neither), also for a session that has ended.
-- 
-- Stored value, msgpack: array of seven, schema, started (float 64, ms), seq (uint 32), session id (str 8), owner (bin
-- 8), and from the payload attributes and numbers.
-- Returns one digit for each push: 1 stored, 2 superseded, 3 session ended, 4 partition full, 5 conference full, 6 the
-- participant may not be new, 7 the participant belongs to another owner, 8 stored and new (for a failed join: its
-- first push). If ARGV[10] is a limit, a semicolon and the number of live participants of this partition follow.
local ARRAY_OF_SEVEN, SCHEMA, FLOAT_64, UINT_32, STR_8, BIN_8, BIN_16 = 0x97, 3, 0xcb, 0xce, 0xd9, 0xc4, 0xc5
local PRUNED_AT_ONCE = 500
local live, ended, conferences = KEYS[1], KEYS[2], KEYS[3]
local start_of_key = base .. 'participant:'
local most_in_conference, most_ends, remember = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local behind, first_life, most = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local ends, longest = false, 0

local function remember_end(member, session)
  redis.call('ZADD', ended, now + remember, member .. ':' .. session)
  ends = true
end

-- Only the two functions below change the index. So the counts by conference always fit the index.
local function list(member, expiry)
  if redis.call('ZADD', live, expiry, member) == 1 then
    redis.call('HINCRBY', conferences, conference_of(member), 1)
  end
end

local function unlist(member)
  if redis.call('ZREM', live, member) == 0 then return end
  if redis.call('HINCRBY', conferences, conference_of(member), -1) <= 0 then
    redis.call('HDEL', conferences, conference_of(member))
  end
end

-- Returns the digit that refuses a push of a participant that is not live; nil: the participant may join.
local function refusal(member, may_join)
  if not may_join then return 6 end
  if most >= 0 and redis.call('ZCOUNT', live, now_us, '+inf') >= most then return 4 end
  if most_in_conference >= 0 then
    local there = tonumber(redis.call('HGET', conferences, conference_of(member)) or 0)
    -- A participant that has just expired is still counted.
    if there >= most_in_conference and not redis.call('ZSCORE', live, member) then return 5 end
  end
end

-- Returns the struct.unpack format for the bytes after the first byte of a msgpack bin 8, 16 or 32, because cmsgpack
-- can't read a bin.
local function form_of(kind)
  return kind == BIN_8 and '>Bc0' or kind == BIN_16 and '>Hc0' or '>I4c0'
end

-- Keeps the attributes of a session until its log has them. So the session can be listed and erased by name, and its
-- span has a name, even if the recording process is killed before. A payload begins with the attributes, a msgpack bin.
local function note_who(sid, payload)
  local whole, attributes = pcall(struct.unpack, form_of(string.byte(payload)), payload, 2)
  if whole then redis.call('SET', base .. 'who:' .. sid, attributes, 'PX', keep) end
end

-- Keeps the participant's rating of the call and its text with the present leg of the session, or with its last leg. A
-- later rating and text replace the earlier ones.
local function note_word(member, session, word)
  local sid = redis.call('GET', base .. 'stay:' .. member .. ':' .. session)
  local key = sid and base .. 'session:' .. sid
  if not key or redis.call('EXISTS', key) == 0 then return end
  local before = redis.call('HGET', key, 'word')
  if before == word then return end
  local more = #word - (before and #before or 0)
  redis.call('HSET', key, 'word', word)
  redis.call('HINCRBY', key, 'bytes', more)
  redis.call('INCRBY', base .. 'bytes', more)
  redis.call('PEXPIRE', base .. 'bytes', 2 * keep)
end

-- Stores a join that failed, and returns the push's digit. A failed join is a session of its own, with only this push.
local function fail_to_join(member, session, tried, may_join, is_kept, payload, another)
  if not may_join then return 6 end
  if mode == 0 or not is_kept then return 8 end
  -- The session exists: its join worked after all, or the client pushes the same failure again much later.
  if redis.call('EXISTS', base .. 'stay:' .. member .. ':' .. session) == 1 then return 1 end
  local sid = begin(member, session, 0, now - tried, another)
  if not sid then return 8 end
  note_who(sid, payload)
  redis.call('HSET', base .. 'session:' .. sid, 'seen', now)
  redis.call('ZADD', base .. 'sessions', place_of(now) + now % part_ms / part_ms, sid)
  return 8
end

local function write(member, session, seq, ttl, payload, owner, reason, cause, tried, is_kept)
  if session ~= '' then
    local until_ms = redis.call('ZSCORE', ended, member .. ':' .. session)
    if until_ms and tonumber(until_ms) > now then
      return reason ~= '' and 1 or 3
    end
  end

  local key = start_of_key .. member
  local stored, started, stored_seq, stored_session = redis.call('GET', key), now, 0, nil
  if stored and string.byte(stored, 2) == SCHEMA then
    -- A damaged value must not make the whole batch fail: it is treated as the value of another session.
    local whole, at, _, number, _, id, _, whose = pcall(struct.unpack, '>dBI4BBc0BBc0', stored, 4)
    if whole then
      if whose ~= '' and whose ~= owner then return 7 end
      started, stored_seq, stored_session, owner = at, number, id, whose
    end
  end
  local same = stored_session == session

  if reason ~= '' then
    local answer = 1
    -- A late leave of an earlier session must not end the present session.
    if same then
      redis.call('DEL', key)
      unlist(member)
    elseif tried >= 0 then
      answer = fail_to_join(member, session, tried, ttl >= 0, is_kept, payload, stored_session)
      if answer == 6 then return answer end
    end
    if session ~= '' then remember_end(member, session) end
    if mode > 0 then leave(member, session, reason, cause) end
    return answer
  end

  if same and seq >= 0 and seq < stored_seq then return 2 end
  local refused = not stored and refusal(member, ttl >= 0)
  if refused then return refused end
  if not same then
    -- The participant has joined again, with another session. Later pushes of the former session are refused.
    if session ~= '' and stored_session and stored_session ~= '' then remember_end(member, stored_session) end
    if mode > 0 then
      if stored_session then leave(member, stored_session, 'replaced') end
      local sid = is_kept and begin(member, session, math.abs(ttl), nil, stored_session)
      if sid then note_who(sid, payload) end
    end
    started, stored_seq = now, 0
  end
  if seq < 0 then seq = stored_seq end
  ttl = math.abs(ttl)
  -- Only a first push is limited: a participant that pushes again has shown that its client is running.
  if not stored and first_life >= 0 and ttl > first_life then ttl = first_life end
  local head = struct.pack('>BBBdBI4BB', ARRAY_OF_SEVEN, SCHEMA, FLOAT_64, started, UINT_32, seq, STR_8, #session)
  head = head .. session .. string.char(BIN_8, #owner) .. owner
  redis.call('SET', key, head .. payload, 'PX', ttl)
  list(member, now_us + ttl * 1000)
  if ttl > longest then longest = ttl end
  return stored and 1 or 8
end

local pushes, answers = ARGV[11], {}

-- The array of pushes begins with one byte (fixarray) or three bytes (array 16), and each push with one byte. These
-- bytes are skipped.
local at = string.byte(pushes) == 0xdc and 3 or 1
while at >= 0 do
  local member, session, seq, ttl, payload, owner, reason, cause, tried, is_kept, word
  at, member, session, seq, ttl = cmsgpack.unpack_limit(pushes, 4, at + 1)
  payload, at = struct.unpack(form_of(string.byte(pushes, at + 1)), pushes, at + 2)
  owner, at = struct.unpack('>Bc0', pushes, at + 1)
  at, reason, cause, tried, is_kept, word = cmsgpack.unpack_limit(pushes, 5, at - 1)
  local answer = write(member, session, seq, ttl, payload, owner, reason, cause, tried, is_kept)
  if mode > 0 and word ~= '' and (answer == 1 or answer == 8) then note_word(member, session, word) end
  answers[#answers + 1] = answer
end

-- Members are removed from the index some time after their expiry. If a script removed the members that have no value,
-- it could remove a member that has just pushed again.
for _, member in ipairs(redis.call('ZRANGEBYSCORE', live, '-inf', now_us - behind * 1000, 'LIMIT', 0, PRUNED_AT_ONCE)) do
  unlist(member)
end
if longest > 0 and redis.call('PTTL', live) < longest + behind then
  redis.call('PEXPIRE', live, longest + behind)
  redis.call('PEXPIRE', conferences, longest + behind)
end
if ends then
  redis.call('ZREMRANGEBYSCORE', ended, '-inf', now)
  -- A client can end any number of sessions, so only a limited number of ends is remembered.
  local beyond = redis.call('ZCARD', ended) - most_ends
  if most_ends >= 0 and beyond > 0 then redis.call('ZPOPMIN', ended, beyond) end
  redis.call('PEXPIRE', ended, remember)
end
local said = table.concat(answers)
if most < 0 then return said end
return said .. ';' .. redis.call('ZCOUNT', live, now_us, '+inf')
