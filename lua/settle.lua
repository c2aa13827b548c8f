#!lua flags=allow-oom
-- settle: End the run of held jobs: succeed, expire, cancel, fail, retry, release, or decide before a hand-over.
-- KEYS: jobs record ready scheduled active failed outcomes progress control wake, then result:<id> per job
-- ARGV: per job: id, token, verb, document, number (ttl or delay in ms)
-- REPLY: now, then per job: done | lost | cancel | refused
-- IMPLEMENTS: RUN, RETRY, FLOW

local unpack = table.unpack or unpack
local JOBS, RECORD, READY, SCHEDULED, ACTIVE, FAILED, OUTCOMES, PROGRESS, CONTROL, WAKE = unpack(KEYS)
local count = #ARGV / 5
if #ARGV % 5 ~= 0 or count < 1 or count > 1000 or #KEYS ~= 10 + count then
  return redis.error_reply('JOBWIRE_ARGUMENT counts of KEYS and ARGV')
end

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

local control = redis.call('HMGET', CONTROL, 'layout', 'paused', 'max_active', 'failed_ttl_ms')
if control[1] and control[1] ~= '1' then
  return redis.error_reply('JOBWIRE_LAYOUT ' .. control[1])
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = format(DIGITS, now)
local max_active = tonumber(control[3] or '')
local was_full = max_active and redis.call('ZCARD', ACTIVE) >= max_active

-- The record of each id as this call leaves it; nil once it has none, or never had a readable one.
local ids, records, argv = {}, {}, ARGV
for i = 1, count do ids[i] = argv[i * 5 - 4] end
for i, record in ipairs(redis.call('HMGET', RECORD, unpack(ids))) do records[ids[i]] = record or nil end

local ENDS = { succeed = true, expire = true, cancel = true }
local DOCUMENTED = { succeed = true, expire = true, cancel = true, fail = true, retry = true, decide = true }
local reply, told = { now }, {}
local ended, left, failed, scheduled, ready = {}, {}, {}, {}, {}
local new_records, outcomes = {}, {}
local told_count, ended_count = 0, 0

local function put(list, a, b)
  local n = #list
  list[n + 1] = a
  list[n + 2] = b
end

local function keep(id, job)
  records[id] = write(job)
  put(new_records, id, records[id])
end

local function leave(id, job)
  job.nonce, job.place = '-', '-'
  left[#left + 1] = id
  keep(id, job)
end

local function holds(record, token)
  local run, nonce = string.match(record, '^%d+ %d+ %d (%d+) [cs-]+ ([A-Za-z0-9_-]+) [%d-]+$')
  return run and nonce ~= '-' and token == run .. '.' .. nonce
end

-- Most jobs of a batch have the same token and number, so each run of equal ones is read once.
local token, fresh, amount_text, amount, expiry
for i = 1, count do
  local at = i * 5
  local id, verb, document = ids[i], argv[at - 2], argv[at - 1]
  if argv[at] ~= amount_text then
    amount_text = argv[at]
    amount = number(amount_text, 0, 9007199254740991)
    expiry = amount and format(DIGITS, now + amount)
  end
  if argv[at - 3] ~= token then
    token = argv[at - 3]
    -- What the record of a default job in its first run begins with.
    local nonce = string.match(token, '^1%.([A-Za-z0-9_-]+)$')
    fresh = nonce and '1 3 4 1 - ' .. nonce .. ' '
  end
  local record = records[id]
  local answer = 'done'
  if not amount or #document > 1048576 or not (verb == 'release' or DOCUMENTED[verb] and #document > 0) then
    answer = 'refused'
  elseif not record or not (fresh and string.find(record, fresh, 1, true) == 1 or holds(record, token)) then
    answer = 'lost'
  elseif ENDS[verb] then
    records[id] = nil
    ended_count = ended_count + 1
    ended[ended_count] = id
    told_count = told_count + 1
    told[told_count] = i
    if amount > 0 then redis.call('SET', KEYS[10 + i], document, 'PXAT', expiry) end
  else
    local job = parse(records[id])
    if not job then
      answer = 'lost'
    elseif verb == 'decide' then
      if job.flags == '-' or job.flags == 'c' then
        job.flags = job.flags == 'c' and 'cs' or 's'
        keep(id, job)
        put(outcomes, id, document)
      end
    elseif verb == 'fail' then
      job.flags = '-'
      leave(id, job)
      put(failed, now_text, id)
      put(outcomes, id, document)
      told_count = told_count + 1
      told[told_count] = i
    elseif verb == 'retry' then
      if job.flags == 'c' then
        answer = 'cancel'
      else
        leave(id, job)
        put(scheduled, expiry, id)
        if job.flags == '-' then put(outcomes, id, document) end
      end
    else
      local place = job.place
      if place == '-' then
        place = format(DIGITS, (9 - job.priority) * 281474976710656 + redis.call('HINCRBY', CONTROL, 'seq', '1'))
      end
      job.attempt = math.max(job.attempt - 1, 0)
      leave(id, job)
      put(ready, place, id)
    end
  end
  reply[i + 1] = answer
end

if #new_records > 0 then redis.call('HSET', RECORD, unpack(new_records)) end
if #outcomes > 0 then redis.call('HSET', OUTCOMES, unpack(outcomes)) end
if ended_count > 0 then
  redis.call('ZREM', ACTIVE, unpack(ended))
  redis.call('HDEL', JOBS, unpack(ended))
  redis.call('HDEL', RECORD, unpack(ended))
  if redis.call('EXISTS', OUTCOMES, PROGRESS) > 0 then
    redis.call('HDEL', OUTCOMES, unpack(ended))
    redis.call('HDEL', PROGRESS, unpack(ended))
  end
end
if #left > 0 then
  redis.call('ZREM', ACTIVE, unpack(left))
  redis.call('HDEL', PROGRESS, unpack(left))
end
local arm = #ready > 0
if #ready > 0 then redis.call('ZADD', READY, unpack(ready)) end
if #scheduled > 0 then
  redis.call('ZADD', SCHEDULED, unpack(scheduled))
  local head = redis.call('ZRANGE', SCHEDULED, '0', '0')[1]
  for i = 2, #scheduled, 2 do arm = arm or scheduled[i] == head end
end
if #failed > 0 then
  redis.call('ZADD', FAILED, unpack(failed))
  local keep_ms = tonumber(control[4] or '') or 604800000
  local old = redis.call('ZRANGE', FAILED, '-inf', format(DIGITS, now - keep_ms),
    'BYSCORE', 'LIMIT', '0', format(DIGITS, 2 * #failed))
  if #old > 0 then
    redis.call('ZREM', FAILED, unpack(old))
    for _, hash in ipairs({ JOBS, RECORD, OUTCOMES, PROGRESS }) do redis.call('HDEL', hash, unpack(old)) end
  end
end

if was_full then arm = arm or redis.call('ZCARD', READY) > 0 end
if arm and control[2] ~= '1' and not (max_active and redis.call('ZCARD', ACTIVE) >= max_active)
  and redis.call('LLEN', WAKE) == 0 then
  redis.call('LPUSH', WAKE, '1')
end
-- pcall: a user without channel rights must not stop a write that has begun.
for _, i in ipairs(told) do redis.pcall('SPUBLISH', KEYS[10 + i], argv[i * 5 - 1]) end
return reply
