#!lua flags=allow-oom
-- extend: Set the leases of held jobs to now + lease_ms and store what progress they report.
-- KEYS: jobs record ready scheduled active failed outcomes progress control wake
-- ARGV: lease_ms, then per job: id, token, progress ("" = none, at most 65536 bytes)
-- REPLY: now, then per job: ok | cancel | lost
-- IMPLEMENTS: LEASE

local unpack = table.unpack or unpack
local _, RECORD, _, _, ACTIVE, _, _, PROGRESS, CONTROL = unpack(KEYS)
local count = (#ARGV - 1) / 3
if #KEYS ~= 10 or (#ARGV - 1) % 3 ~= 0 or count < 1 or count > 1000 then
  return redis.error_reply('JOBWIRE_ARGUMENT counts of KEYS and ARGV')
end

-- tonumber() takes 'nan', '0x10' and ' 7 ', so the text is checked first.
local function number(text, low, high)
  if #text > 16 or not string.find(text, '^%d+$') then return nil end
  local value = tonumber(text)
  if value < low or value > high then return nil end
  return value
end

local lease_ms = number(ARGV[1], 1000, 86400000)
if not lease_ms then return redis.error_reply('JOBWIRE_ARGUMENT lease_ms') end
local layout = redis.call('HGET', CONTROL, 'layout')
if layout and layout ~= '1' then return redis.error_reply('JOBWIRE_LAYOUT ' .. layout) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease_text = string.format('%.0f', now + lease_ms)

local ids = {}
for i = 1, count do ids[i] = ARGV[i * 3 - 1] end
local records = redis.call('HMGET', RECORD, unpack(ids))
local reply, leases, progress = { now }, {}, {}
for i, id in ipairs(ids) do
  local run, flags, nonce = string.match(records[i] or '', '^%d+ %d+ %d (%d+) ([cs-]+) ([A-Za-z0-9_-]+) [%d-]+$')
  if not run or nonce == '-' or ARGV[i * 3] ~= run .. '.' .. nonce then
    reply[i + 1] = 'lost'
  else
    reply[i + 1] = flags == 'c' and 'cancel' or 'ok'
    leases[#leases + 1] = lease_text
    leases[#leases + 1] = id
    local document = ARGV[i * 3 + 1]
    if #document > 0 and #document <= 65536 then
      progress[#progress + 1] = id
      progress[#progress + 1] = document
    end
  end
end
if #leases > 0 then redis.call('ZADD', ACTIVE, 'XX', unpack(leases)) end
if #progress > 0 then redis.call('HSET', PROGRESS, unpack(progress)) end
return reply
