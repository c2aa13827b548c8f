#!lua
-- enqueue, pass: Accept new jobs; an id that is live, failed, or whose outcome is kept stays as it is.
-- pass is the same text with the flag allow-oom: a hand-over goes on at maxmemory, a new job does not.
-- KEYS: jobs record ready scheduled active failed outcomes progress control wake, then result:<id> per job
-- ARGV: per job: id, envelope, run_at (ms, 0 = now), max_attempts, priority
-- REPLY: now, then per job: accepted | duplicate | finished | failed | refused
-- IMPLEMENTS: PROD, FLOW

local unpack = table.unpack or unpack
local JOBS, RECORD, READY, SCHEDULED, _, FAILED, _, _, CONTROL, WAKE = unpack(KEYS)
local count = #ARGV / 5
if #ARGV % 5 ~= 0 or count < 1 or count > 1000 or #KEYS ~= 10 + count then
  return redis.error_reply('JOBWIRE_ARGUMENT counts of KEYS and ARGV')
end

local control = redis.call('HMGET', CONTROL, 'layout', 'paused', 'max_active')
if control[1] and control[1] ~= '1' then
  return redis.error_reply('JOBWIRE_LAYOUT ' .. control[1])
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local format = string.format
-- %d is three times as fast as %.0f, where the server's C can.
local DIGITS = format('%d', 9007199254740991) == '9007199254740991' and '%d' or '%.0f'

-- tonumber() takes 'nan', '0x10' and ' 7 ', so the text is checked first.
local function number(text, low, high)
  if #text > 16 or not string.find(text, '^%d+$') then return nil end
  local value = tonumber(text)
  if value < low or value > high then return nil end
  return value
end

local ids, argv = {}, ARGV
for i = 1, count do ids[i] = argv[i * 5 - 4] end
local known = redis.call('HMGET', JOBS, unpack(ids))
local any_result = redis.call('EXISTS', unpack(KEYS, 11)) > 0

local reply, seen = { now }, {}
local envelopes, records, ready, scheduled = {}, {}, {}, {}
local stored, queued = 0, 0
-- Most jobs of a batch have the same three numbers, so each run of equal ones is read once.
local run_at_text, max_text, priority_text, run_at, max, priority
for i = 1, count do
  local at = i * 5
  local id, envelope = ids[i], argv[at - 3]
  if argv[at] ~= priority_text or argv[at - 1] ~= max_text or argv[at - 2] ~= run_at_text then
    run_at_text, max_text, priority_text = argv[at - 2], argv[at - 1], argv[at]
    run_at, max, priority = number(run_at_text, 0, 9007199254740991), number(max_text, 1, 1000), number(priority_text, 0, 9)
  end
  local answer = 'accepted'
  if not (run_at and max and priority) or #id > 128 or not string.find(id, '^%w[%w_.:-]*$')
    or #envelope < 1 or #envelope > 1048576 then
    answer = 'refused'
  elseif known[i] or seen[id] then
    answer = redis.call('ZSCORE', FAILED, id) and 'failed' or 'duplicate'
  elseif any_result and redis.call('EXISTS', KEYS[10 + i]) == 1 then
    answer = 'finished'
  else
    seen[id] = true
    envelopes[stored + 1], envelopes[stored + 2] = id, envelope
    stored = stored + 2
    if max ~= 3 or priority ~= 4 then
      records[#records + 1] = id
      records[#records + 1] = format('0 %d %d 0 - - -', max, priority)
    end
    if run_at > now then
      scheduled[#scheduled + 1] = format(DIGITS, run_at)
      scheduled[#scheduled + 1] = id
    else
      ready[queued + 1], ready[queued + 2] = (9 - priority) * 281474976710656, id
      queued = queued + 2
    end
  end
  reply[i + 1] = answer
end
if stored == 0 then return reply end

if not control[1] then redis.call('HSET', CONTROL, 'layout', '1') end
redis.call('HSET', JOBS, unpack(envelopes))
if #records > 0 then redis.call('HSET', RECORD, unpack(records)) end
local arm = queued > 0
if queued > 0 then
  local seq = redis.call('HINCRBY', CONTROL, 'seq', format(DIGITS, queued / 2)) - queued / 2
  for i = 1, queued, 2 do
    seq = seq + 1
    ready[i] = format(DIGITS, ready[i] + seq)
  end
  redis.call('ZADD', READY, unpack(ready))
end
if #scheduled > 0 then
  redis.call('ZADD', SCHEDULED, unpack(scheduled))
  arm = arm or seen[redis.call('ZRANGE', SCHEDULED, '0', '0')[1]]
end

if arm and control[2] ~= '1' and redis.call('LLEN', WAKE) == 0 then
  local max_active = tonumber(control[3] or '')
  if not max_active or redis.call('ZCARD', KEYS[5]) < max_active then
    redis.call('LPUSH', WAKE, '1')
  end
end
return reply
