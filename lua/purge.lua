#!lua flags=allow-oom
-- purge: Delete jobs that failed at or before an instant, oldest first.
-- KEYS: jobs record ready scheduled active failed outcomes progress control wake
-- ARGV: before_ms, limit (1 to 1000)
-- REPLY: now, count
-- IMPLEMENTS: KEY

local unpack = table.unpack or unpack
local JOBS, RECORD, _, _, _, FAILED, OUTCOMES, PROGRESS, CONTROL = unpack(KEYS)
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

local before_ms = number(ARGV[1], 0, 9007199254740991)
if not before_ms then return redis.error_reply('JOBWIRE_ARGUMENT before_ms') end
local limit = number(ARGV[2], 1, 1000)
if not limit then return redis.error_reply('JOBWIRE_ARGUMENT limit') end
local layout = redis.call('HGET', CONTROL, 'layout')
if layout and layout ~= '1' then return redis.error_reply('JOBWIRE_LAYOUT ' .. layout) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local old = redis.call('ZRANGE', FAILED, '-inf', string.format('%.0f', before_ms),
  'BYSCORE', 'LIMIT', 0, string.format('%.0f', limit))
if #old > 0 then
  redis.call('ZREM', FAILED, unpack(old))
  for _, hash in ipairs({ JOBS, RECORD, OUTCOMES, PROGRESS }) do redis.call('HDEL', hash, unpack(old)) end
end
return { now, #old }
