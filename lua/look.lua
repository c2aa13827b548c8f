#!lua flags=no-writes
-- look: Read the state, attempt, stored document and progress of many jobs at once.
-- KEYS: jobs record ready scheduled active failed outcomes progress control wake, then result:<id> per id
-- ARGV: ids (1 to 1000)
-- REPLY: now, then per id: scheduled | ready | active | failed | finished | unknown, attempt, document, progress
-- IMPLEMENTS: WAIT

local unpack = table.unpack or unpack
local _, RECORD, READY, SCHEDULED, ACTIVE, FAILED, OUTCOMES, PROGRESS, CONTROL = unpack(KEYS)
if #ARGV < 1 or #ARGV > 1000 or #KEYS ~= 10 + #ARGV then
  return redis.error_reply('JOBWIRE_ARGUMENT counts of KEYS and ARGV')
end
local layout = redis.call('HGET', CONTROL, 'layout')
if layout and layout ~= '1' then return redis.error_reply('JOBWIRE_LAYOUT ' .. layout) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local sets = {
  { 'scheduled', redis.call('ZMSCORE', SCHEDULED, unpack(ARGV)) },
  { 'ready', redis.call('ZMSCORE', READY, unpack(ARGV)) },
  { 'active', redis.call('ZMSCORE', ACTIVE, unpack(ARGV)) },
  { 'failed', redis.call('ZMSCORE', FAILED, unpack(ARGV)) },
}
local records = redis.call('HMGET', RECORD, unpack(ARGV))
local outcomes = redis.call('HMGET', OUTCOMES, unpack(ARGV))
local progress = redis.call('HMGET', PROGRESS, unpack(ARGV))
local results = redis.call('MGET', unpack(KEYS, 11))

local reply = { now }
for i = 1, #ARGV do
  local state = results[i] and 'finished' or 'unknown'
  for _, set in ipairs(sets) do
    if set[2][i] then state = set[1] end
  end
  local live = state ~= 'finished' and state ~= 'unknown'
  local n = #reply
  reply[n + 1] = state
  reply[n + 2] = live and tonumber(string.match(records[i] or '', '^(%d+) ') or 0) or 0
  reply[n + 3] = live and outcomes[i] or results[i] or ''
  reply[n + 4] = live and progress[i] or ''
end
return reply
