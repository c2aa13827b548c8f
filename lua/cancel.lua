#!lua flags=allow-oom
-- cancel: End a job that waits; ask the worker of one that runs to stop.
-- KEYS: jobs record ready scheduled active failed outcomes progress control wake, result:<id>
-- ARGV: id, document, ttl_ms
-- REPLY: now, cancelled | requested | finished | unknown
-- IMPLEMENTS: CANCEL

local unpack = table.unpack or unpack
local JOBS, RECORD, READY, SCHEDULED, ACTIVE, FAILED, OUTCOMES, PROGRESS, CONTROL = unpack(KEYS)
if #KEYS ~= 11 or #ARGV ~= 3 then
  return redis.error_reply('JOBWIRE_ARGUMENT counts of KEYS and ARGV')
end

-- tonumber() takes 'nan', '0x10' and ' 7 ', so the text is checked first.
local function number(text, low, high)
  if #text > 16 or not string.find(text, '^%d+$') then return nil end
  local value = tonumber(text)
  if value < low or value > high then return nil end
  return value
end

local id, document = ARGV[1], ARGV[2]
if #document < 1 or #document > 1048576 then return redis.error_reply('JOBWIRE_ARGUMENT document') end
local ttl_ms = number(ARGV[3], 0, 9007199254740991)
if not ttl_ms then return redis.error_reply('JOBWIRE_ARGUMENT ttl_ms') end
local layout = redis.call('HGET', CONTROL, 'layout')
if layout and layout ~= '1' then return redis.error_reply('JOBWIRE_LAYOUT ' .. layout) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if redis.call('HEXISTS', JOBS, id) == 0 then
  return { now, redis.call('EXISTS', KEYS[11]) == 1 and 'finished' or 'unknown' }
end
if redis.call('ZSCORE', FAILED, id) then return { now, 'finished' } end

local record = redis.call('HGET', RECORD, id)
local head, flags, tail = string.match(record or '0 3 4 0 - - -', '^(%d+ %d+ %d %d+) ([cs-]+) ([A-Za-z0-9_-]+ [%d-]+)$')
if flags == 's' or flags == 'cs' then return { now, 'finished' } end

if redis.call('ZSCORE', ACTIVE, id) then
  -- An unreadable record is for the claim after this lease to report.
  if flags == '-' then
    redis.call('HSET', RECORD, id, head .. ' c ' .. tail)
    redis.call('HSET', OUTCOMES, id, document)
  end
  return { now, 'requested' }
end

redis.call('ZREM', READY, id)
redis.call('ZREM', SCHEDULED, id)
for _, hash in ipairs({ JOBS, RECORD, OUTCOMES, PROGRESS }) do redis.call('HDEL', hash, id) end
if ttl_ms > 0 then redis.call('SET', KEYS[11], document, 'PX', string.format('%.0f', ttl_ms)) end
-- pcall: a user without channel rights must not stop a write that has begun.
redis.pcall('SPUBLISH', KEYS[11], document)
return { now, 'cancelled' }
