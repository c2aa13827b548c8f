#!lua flags=allow-oom
-- claim: Promote what is due, then take over one job whose lease is over, or take jobs from the head of ready.
-- KEYS: jobs record ready scheduled active failed outcomes progress control wake
-- ARGV: nonce, lease_ms, max_jobs (0 to 1000), rescue (0 | 1)
-- REPLY: now, wait_ms, taken (0 | 1), then per job: id, token, attempt, document, envelope
-- IMPLEMENTS: CLAIM

local unpack = table.unpack or unpack
local JOBS, RECORD, READY, SCHEDULED, ACTIVE, FAILED, OUTCOMES, PROGRESS, CONTROL, WAKE = unpack(KEYS)
local PREFIX = string.sub(JOBS or '', 1, -5)

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

if #KEYS ~= 10 or #ARGV ~= 4 then
  return redis.error_reply('JOBWIRE_ARGUMENT counts of KEYS and ARGV')
end
local nonce = ARGV[1]
if #nonce < 16 or #nonce > 64 or string.find(nonce, '[^A-Za-z0-9_-]') then
  return redis.error_reply('JOBWIRE_ARGUMENT nonce')
end
local lease_ms = number(ARGV[2], 1000, 86400000)
if not lease_ms then return redis.error_reply('JOBWIRE_ARGUMENT lease_ms') end
local max_jobs = number(ARGV[3], 0, 1000)
if not max_jobs then return redis.error_reply('JOBWIRE_ARGUMENT max_jobs') end
local rescue = number(ARGV[4], 0, 1)
if not rescue then return redis.error_reply('JOBWIRE_ARGUMENT rescue') end

local control = redis.call('HMGET', CONTROL, 'layout', 'paused', 'max_active', 'failed_ttl_ms')
if control[1] and control[1] ~= '1' then
  return redis.error_reply('JOBWIRE_LAYOUT ' .. control[1])
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = format(DIGITS, now)
if control[2] == '1' then return { now, 2000, 0 } end
local max_active = tonumber(control[3] or '')

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

-- What this call ends by itself: ids without an envelope are dropped, the others go to failed.
local dropped, failed_ids, failed_scores, failed_records, failed_outcomes = {}, {}, {}, {}, {}

local function fail(id, record, code, message, attempt, details)
  failed_ids[#failed_ids + 1] = id
  failed_scores[#failed_scores + 1] = now_text
  failed_scores[#failed_scores + 1] = id
  failed_records[#failed_records + 1] = id
  failed_records[#failed_records + 1] = record
  if code then
    failed_outcomes[#failed_outcomes + 1] = id
    failed_outcomes[#failed_outcomes + 1] = format('{"jobwire":"1.0","id":"%s","state":"failed",'
      .. '"attempt":%d,"error":{"code":"%s","message":"%s"%s},"finished_at":%s}',
      id, attempt, code, message, details or '', now_text)
  end
end

local function unreadable(id)
  fail(id, '0 1 0 0 - - -', 'invalid', 'the record of this job is not readable', 0, ',"details":{"field":"record"}')
end

local function end_failed()
  if #dropped > 0 then
    for _, set in ipairs({ READY, ACTIVE }) do redis.call('ZREM', set, unpack(dropped)) end
    for _, hash in ipairs({ RECORD, OUTCOMES, PROGRESS }) do redis.call('HDEL', hash, unpack(dropped)) end
  end
  if #failed_ids == 0 then return end
  for _, set in ipairs({ READY, SCHEDULED, ACTIVE }) do redis.call('ZREM', set, unpack(failed_ids)) end
  redis.call('ZADD', FAILED, unpack(failed_scores))
  redis.call('HSET', RECORD, unpack(failed_records))
  if #failed_outcomes > 0 then redis.call('HSET', OUTCOMES, unpack(failed_outcomes)) end
  local told = redis.call('HMGET', OUTCOMES, unpack(failed_ids))
  redis.call('HDEL', PROGRESS, unpack(failed_ids))
  local keep_ms = tonumber(control[4] or '') or 604800000
  local old = redis.call('ZRANGE', FAILED, '-inf', format(DIGITS, now - keep_ms),
    'BYSCORE', 'LIMIT', '0', format(DIGITS, 4 * #failed_ids))
  if #old > 0 then
    redis.call('ZREM', FAILED, unpack(old))
    for _, hash in ipairs({ JOBS, RECORD, OUTCOMES, PROGRESS }) do redis.call('HDEL', hash, unpack(old)) end
  end
  -- pcall: a user without channel rights must not stop a write that has begun.
  for i, id in ipairs(failed_ids) do redis.pcall('SPUBLISH', PREFIX .. 'result:' .. id, told[i] or '') end
end

local next_due = redis.call('ZRANGE', SCHEDULED, '0', '0', 'WITHSCORES')[2]
if next_due and tonumber(next_due) <= now then
  local due = redis.call('ZRANGE', SCHEDULED, '-inf', now_text, 'BYSCORE', 'LIMIT', '0', '64')
  local records = redis.call('HMGET', RECORD, unpack(due))
  local seq = redis.call('HINCRBY', CONTROL, 'seq', format(DIGITS, #due)) - #due
  local ready = {}
  for i, id in ipairs(due) do
    local job = parse(records[i])
    if job then
      ready[#ready + 1] = format(DIGITS, (9 - job.priority) * 281474976710656 + seq + i)
      ready[#ready + 1] = id
    elseif redis.call('HEXISTS', JOBS, id) == 0 then
      dropped[#dropped + 1] = id
    else
      unreadable(id)
    end
  end
  redis.call('ZREM', SCHEDULED, unpack(due))
  if #ready > 0 then redis.call('ZADD', READY, unpack(ready)) end
  next_due = redis.call('ZRANGE', SCHEDULED, '0', '0', 'WITHSCORES')[2]
end

local reply = { now, 0, 0 }
local given, given_records, given_leases = {}, {}, {}
local lease_text = format(DIGITS, now + lease_ms)

local given_count = 0
local function give(id, record, token, attempt, document, envelope)
  given_count = given_count + 1
  given[given_count] = id
  local n = given_count * 2
  given_records[n - 1], given_records[n] = id, record
  given_leases[n - 1], given_leases[n] = lease_text, id
  n = given_count * 5
  reply[n - 1], reply[n], reply[n + 1], reply[n + 2], reply[n + 3] = id, token, attempt, document, envelope
end

local known_given = false
local function give_known(id, job, document, envelope)
  known_given = true
  job.attempt, job.run, job.nonce = job.attempt + 1, job.run + 1, nonce
  give(id, write(job), format(DIGITS, job.run) .. '.' .. nonce, job.attempt, document, envelope)
end

-- A job without a record: the default policy, never claimed.
local first_record, first_token = '1 3 4 1 - ' .. nonce .. ' ', '1.' .. nonce

local next_over = rescue == 1 and redis.call('ZRANGE', ACTIVE, '0', '0', 'WITHSCORES')[2]
if next_over and max_jobs > 0 and tonumber(next_over) <= now then
  local over = redis.call('ZRANGE', ACTIVE, '-inf', now_text, 'BYSCORE', 'LIMIT', '0', '64')
  local records = #over > 0 and redis.call('HMGET', RECORD, unpack(over)) or {}
  for i, id in ipairs(over) do
    local job = parse(records[i])
    if redis.call('HEXISTS', JOBS, id) == 0 then
      dropped[#dropped + 1] = id
    elseif not job then
      unreadable(id)
    elseif job.flags == '-' and job.attempt >= job.max then
      job.nonce, job.place = '-', '-'
      fail(id, write(job), 'lease_expired', 'the lease of the last attempt ran out', job.attempt)
    elseif job.flags ~= '-' and job.attempt >= job.max + 3 then
      job.nonce, job.place = '-', '-'
      fail(id, write(job))
    else
      local document = job.flags ~= '-' and redis.call('HGET', OUTCOMES, id) or ''
      give_known(id, job, document, redis.call('HGET', JOBS, id))
      reply[3] = 1
      break
    end
  end
  next_over = nil
end

-- Whether ready holds more than what this call takes, where it has seen that already.
local more
if reply[3] == 0 then
  local room = max_jobs
  if max_active then room = math.min(room, max_active - redis.call('ZCARD', ACTIVE)) end
  local head = room > 0 and redis.call('ZRANGE', READY, '0', format('%d', room)) or {}
  local many = math.min(#head, math.max(room, 0))
  -- Printing a score is dear, so consecutive ones are counted up from the first.
  local places, place = nil, 0
  if many > 0 then
    place = tonumber(redis.call('ZSCORE', READY, head[1]))
    if many > 1 and tonumber(redis.call('ZSCORE', READY, head[many])) ~= place + many - 1 then
      places = redis.call('ZMSCORE', READY, unpack(head))
    end
  end
  local bytes, full, walked = 0, false, 0
  -- 32 at a time, so that a batch of the largest envelopes is not all in memory before the size stops it.
  for first = 1, many, 32 do
    local last = math.min(first + 31, many)
    local envelopes = redis.call('HMGET', JOBS, unpack(head, first, last))
    local records = redis.call('HMGET', RECORD, unpack(head, first, last))
    for i = first, last do
      local id, envelope, record = head[i], envelopes[i - first + 1], records[i - first + 1]
      if not envelope then
        dropped[#dropped + 1] = id
      elseif not record then
        give(id, first_record .. (places and places[i] or format(DIGITS, place + i - 1)), first_token, 1, '', envelope)
        bytes = bytes + #envelope
      else
        local job = parse(record)
        if not job then
          unreadable(id)
        else
          local document = job.flags ~= '-' and redis.call('HGET', OUTCOMES, id) or ''
          local last_attempt = document == '' and job.attempt + 1 >= job.max
          if last_attempt and given_count > 0 then full = true break end
          job.place = places and places[i] or format(DIGITS, place + i - 1)
          give_known(id, job, document, envelope)
          bytes = bytes + #envelope + #document
          full = last_attempt
        end
      end
      walked = i
      if bytes >= 4194304 then full = true end
      if full then break end
    end
    if full then break end
  end
  if walked > 0 then redis.call('ZREMRANGEBYRANK', READY, '0', format('%d', walked - 1)) end
  if room > 0 then more = #head > walked end
end

if given_count > 0 then
  redis.call('HSET', RECORD, unpack(given_records))
  redis.call('ZADD', ACTIVE, unpack(given_leases))
  -- A job in its first run can have none.
  if known_given then redis.call('HDEL', PROGRESS, unpack(given)) end
end
end_failed()

if more == nil then more = redis.call('ZCARD', READY) > 0 end
if more and not (max_active and redis.call('ZCARD', ACTIVE) >= max_active) then
  if redis.call('LLEN', WAKE) == 0 then redis.call('LPUSH', WAKE, '1') end
else
  local wait_ms = 2000
  if next_due then wait_ms = math.min(wait_ms, tonumber(next_due) - now) end
  if rescue == 1 then
    if next_over == nil then next_over = redis.call('ZRANGE', ACTIVE, '0', '0', 'WITHSCORES')[2] end
    if next_over then wait_ms = math.min(wait_ms, tonumber(next_over) - now) end
    if given_count > 0 then wait_ms = math.min(wait_ms, lease_ms) end
  end
  reply[2] = math.max(wait_ms, 10)
end
return reply
