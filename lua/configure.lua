#!lua flags=allow-oom
-- configure: Set or unset one setting of a queue, and wake a worker to see it.
-- KEYS: jobs record ready scheduled active failed outcomes progress control wake
-- ARGV: field (paused | max_active | failed_ttl_ms), value ("" = unset)
-- REPLY: now, ok
-- IMPLEMENTS: KEY

local unpack = table.unpack or unpack
local _, _, _, _, _, _, _, _, CONTROL, WAKE = unpack(KEYS)
if #KEYS ~= 10 or #ARGV ~= 2 then
  return redis.error_reply('JOBWIRE_ARGUMENT counts of KEYS and ARGV')
end

-- tonumber() takes 'nan', '0x10' and ' 7 ', so the text is checked first.
local function number(text, low, high)
  if #text > 16 or not string.find(text, '^%d+$') then return nil end
  local value = tonumber(text)
  if value < low or value > high then return nil end
  return value
end

local RANGES = { paused = { 0, 1 }, max_active = { 1, 1000000000 }, failed_ttl_ms = { 1, 9007199254740991 } }
local field, value = ARGV[1], ARGV[2]
local range = RANGES[field]
if not range then return redis.error_reply('JOBWIRE_ARGUMENT field') end
local amount = number(value, range[1], range[2])
if value ~= '' and not amount then return redis.error_reply('JOBWIRE_ARGUMENT value') end
local layout = redis.call('HGET', CONTROL, 'layout')
if layout and layout ~= '1' then return redis.error_reply('JOBWIRE_LAYOUT ' .. layout) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if value == '' then
  redis.call('HDEL', CONTROL, field)
else
  redis.call('HSET', CONTROL, 'layout', '1', field, string.format('%.0f', amount))
end
if redis.call('LLEN', WAKE) == 0 then redis.call('LPUSH', WAKE, '1') end
return { now, 'ok' }
