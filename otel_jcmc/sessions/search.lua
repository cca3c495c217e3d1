-- Reads some cards (sessions/card.py) of one partition, and returns the sessions whose cards match a search.
-- 
-- A place is the text by which the results of a search are sorted, the largest first. If the worst sessions come first,
-- a place begins with four hex digits of badness. Then come the sid's start and session id, and then its member.
-- 
-- KEYS[1] the hash `cards`, KEYS[2] the index `live`.
-- ARGV[1] the cursor from which HSCAN continues, ARGV[2] about how many cards to read.
-- ARGV[3] 1: the worst sessions come first, 0: the newest come first.
-- ARGV[4] only sessions with a place below this place match; empty: any place.
-- ARGV[5] only places above this place are returned; empty: all.
-- ARGV[6] the session began at this time or earlier, 11 hex digits of Unix time in ms; empty: at any time.
-- ARGV[7] the participant was there at this time or later, tenths of a second since 2024; 0: at any time.
-- ARGV[8] a session may go on for so many tenths of a second after the last push that its card counts.
-- ARGV[9] 1: only sessions that go on match, 0: only sessions that have expired match, empty: all match.
-- ARGV[10] 1: cards are not enough to decide, because they have names in lower case and cut long names.
-- ARGV[11...] conditions, all of which must be met. A condition is the number of ways to meet it, then three arguments
-- for each way: the mark of a line, a text, and `part` (the line contains the text), `whole` (the line equals the text)
-- or `none` (the card has no line with this mark).
-- 
-- Returns the cursor for the next call (0: all cards were read), how many sessions surely match, the places of these
-- sessions if they are above ARGV[5], and the places of sessions for which the card is not enough to decide.
local by_badness, below, above = ARGV[3] == '1', ARGV[4], ARGV[5]
local latest, since, behind = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local goes_on, is_unsure = ARGV[9], ARGV[10] == '1'
local find, sub, byte = string.find, string.sub, string.byte

local conditions, at = {}, 11
while ARGV[at] do
  local ways = {}
  for n = 1, tonumber(ARGV[at]) do
    local mark, text, how = '\n' .. ARGV[at + 3 * n - 2] .. '=', ARGV[at + 3 * n - 1], ARGV[at + 3 * n]
    ways[n] = {mark, how == 'whole' and mark .. text .. '\n' or text, how}
  end
  conditions[#conditions + 1] = ways
  at = at + 1 + 3 * #ways
end
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]

local function is_met(way, card, start)
  local mark, text, how = way[1], way[2], way[3]
  if how == 'none' then return not find(card, mark, start, true) end
  local found = find(card, text, start, true)
  if how == 'whole' or not found then return found end
  -- The card contains the text. Check whether the text is in the line with this mark.
  local line = find(card, mark, start, true)
  local _, to = find(card, text, line and line + #mark or #card + 1, true)
  return to and to < find(card, '\n', line + #mark, true)
end

local function is_one_met(ways, card, start)
  for _, way in ipairs(ways) do
    if is_met(way, card, start) then return true end
  end
  return false
end

local function is_live(sid)
  local expiry = redis.call('ZSCORE', KEYS[2], sub(sid, 1, 32))
  return expiry and tonumber(expiry) > now_us
end

-- Returns nil if the session does not match, true if it surely matches, false if its card is not enough to decide.
local function look(sid, card)
  local start = 9 + 256 * byte(card, 7) + byte(card, 8)
  for _, ways in ipairs(conditions) do
    if not is_one_met(ways, card, start) then return nil end
  end
  -- Nearly every search is for any time and any end: it needs no further checks.
  if goes_on == '' and since == 0 then return not is_unsure end
  local reason = find(card, '\ne=', start, true)
  if goes_on == '1' and (reason or not is_live(sid)) then return nil end
  if goes_on == '0' and (reason and not find(card, '\ne=expired\n', start, true) or not reason and is_live(sid)) then
    return nil
  end
  local last = struct.unpack('>I4', card)
  if last >= since then return not is_unsure end
  -- The last push that the card counts came before ARGV[7]. The session may still match: it may go on, or it may have
  -- ended some time after this push.
  if reason and last < since - behind then return nil end
  if not reason and not is_live(sid) then return nil end
  return false
end

local function place_of(sid, card)
  local place = sub(sid, 33) .. sub(sid, 1, 32)
  return by_badness and string.format('%02x%02x', byte(card, 5), byte(card, 6)) .. place or place
end

local cursor, cards = unpack(redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2]))
local count, sure, others = 0, {}, {}
-- Sessions with less badness than this are not among the first results, so the script does not make their places.
local least = by_badness and tonumber(sub(above, 1, 4), 16) or 0
for n = 1, #cards, 2 do
  local sid, card = cards[n], cards[n + 1]
  local is_sure
  if #card >= 8 and (latest == '' or sub(sid, 33, 43) <= latest) then is_sure = look(sid, card) end
  if is_sure ~= nil then
    local is_told = not is_sure or not by_badness or 256 * byte(card, 5) + byte(card, 6) >= least
    local place = (is_told or below ~= '') and place_of(sid, card)
    if below == '' or place < below then
      if not is_sure then
        others[#others + 1] = place
      else
        count = count + 1
        if place and place > above then sure[#sure + 1] = place end
      end
    end
  end
end
return {cursor, count, table.concat(sure, ' '), table.concat(others, ' ')}
