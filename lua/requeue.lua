#!lua
-- requeue: Put failed jobs back at the end of ready, with all their attempts.
-- KEYS: jobs record ready scheduled active failed outcomes progress control wake
-- ARGV: ids (1 to 1000)
-- REPLY: now, then per id: requeued | unknown
-- IMPLEMENTS: KEY

local unpack = table.unpack or unpack
local JOBS, RECORD, READY, _, _, FAILED, OUTCOMES, PROGRESS, CONTROL, WAKE = unpack(KEYS)
if #ARGV < 1 or #ARGV > 1000 or #KEYS ~= 10 then
  return redis.error_reply('JOBWIRE_ARGUMENT counts of KEYS and ARGV')
end

local format = string.format
-- %d is three times as fast as %.0f, where the server's C can.
local DIGITS = format('%d', 9007199254740991) == '9007199254740991' and '%d' or '%.0f'

local function parse(text)
  if not text then
    return { attempt = 0, max = 3, priority = 4, run = 0, flags = '-', nonce = '-', place = '-' }
  end
  local attempt, max, priority, run, flags, nonce, place =
    string.match(text, '^(%d+) (%d+) (%d) (%d+) ([cs-]+) ([A-Za-z0-9_-]+) ([%d-]+)$')
  if not attempt or #text > 160 or not (place == '-' or tonumber(place)) then return nil end
  return { attempt = tonumber(attempt), max = tonumber(max), priority = tonumber(priority),
    run = tonumber(run), flags = flags, nonce = nonce, place = place }
end

local function write(job)
  return format('%d %d %d ' .. DIGITS .. ' %s %s %s',
    job.attempt, job.max, job.priority, job.run, job.flags, job.nonce, job.place)
end

local layout = redis.call('HGET', CONTROL, 'layout')
if layout and layout ~= '1' then return redis.error_reply('JOBWIRE_LAYOUT ' .. layout) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local reply = { now }
local requeued = 0
for i, id in ipairs(ARGV) do
  reply[i + 1] = 'unknown'
  if redis.call('ZREM', FAILED, id) == 1 then
    if redis.call('HEXISTS', JOBS, id) == 0 then
      for _, hash in ipairs({ RECORD, OUTCOMES, PROGRESS }) do redis.call('HDEL', hash, id) end
    else
      local job = parse(redis.call('HGET', RECORD, id)) or parse('0 1 0 0 - - -')
      job.attempt, job.nonce, job.place = 0, '-', '-'
      redis.call('HSET', RECORD, id, write(job))
      if job.flags == '-' then redis.call('HDEL', OUTCOMES, id) end
      local seq = redis.call('HINCRBY', CONTROL, 'seq', '1')
      redis.call('ZADD', READY, format(DIGITS, (9 - job.priority) * 281474976710656 + seq), id)
      reply[i + 1] = 'requeued'
      requeued = requeued + 1
    end
  end
end

if requeued > 0 and redis.call('LLEN', WAKE) == 0 then redis.call('LPUSH', WAKE, '1') end
return reply
