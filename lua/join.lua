#!lua flags=allow-oom
-- join: Store the outcome of one member of a group; give all of them once the last is there, and again when asked again.
-- KEYS: join:<group>, in the queue of then[0]
-- ARGV: index (0 to size - 1), size (1 to 1000), value, ttl_ms
-- REPLY: now, count (-1: over 1048576 bytes in all), size, then all values in index order once complete
-- IMPLEMENTS: FLOW

local unpack = table.unpack or unpack
if #KEYS ~= 1 or #ARGV ~= 4 then
  return redis.error_reply('JOBWIRE_ARGUMENT counts of KEYS and ARGV')
end

-- tonumber() takes 'nan', '0x10' and ' 7 ', so the text is checked first.
local function number(text, low, high)
  if #text > 16 or not string.find(text, '^%d+$') then return nil end
  local value = tonumber(text)
  if value < low or value > high then return nil end
  return value
end

local size = number(ARGV[2], 1, 1000)
if not size then return redis.error_reply('JOBWIRE_ARGUMENT size') end
local index = number(ARGV[1], 0, size - 1)
if not index then return redis.error_reply('JOBWIRE_ARGUMENT index') end
local value = ARGV[3]
if #value < 1 then return redis.error_reply('JOBWIRE_ARGUMENT value') end
local ttl_ms = number(ARGV[4], 1, 9007199254740991)
if not ttl_ms then return redis.error_reply('JOBWIRE_ARGUMENT ttl_ms') end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local size_text, index_text = string.format('%.0f', size), string.format('%.0f', index)
local have = redis.call('HMGET', KEYS[1], 'size', 'bytes', index_text)
if have[1] and have[1] ~= size_text then
  return redis.error_reply('JOBWIRE_ARGUMENT size differs from that of the first member')
end

if not have[3] then
  local bytes = tonumber(have[2] or '0') + #value
  if bytes > 1048576 then return { now, -1, size } end
  redis.call('HSET', KEYS[1], 'size', size_text, 'bytes', string.format('%.0f', bytes), index_text, value)
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ttl_ms))

local count = redis.call('HLEN', KEYS[1]) - 2
local reply = { now, count, size }
if count == size then
  local fields = {}
  for i = 1, size do fields[i] = string.format('%.0f', i - 1) end
  for i, each in ipairs(redis.call('HMGET', KEYS[1], unpack(fields))) do reply[i + 3] = each end
end
return reply
