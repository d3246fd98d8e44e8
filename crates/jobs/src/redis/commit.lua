-- Makes one change as a whole, or says that something else is there than was read.
--
-- KEYS[1] is the namespace; ARGV[1] is the change, as JSON with every number as text, since Lua would round them.
-- Gives 1 if it was made, and 0 if not.

local ns, change = KEYS[1], cjson.decode(ARGV[1])
local JOBS, GROUP, WAITING = ns .. ':jobs', ns .. ':workers', 'waiting'

local function state_key(id) return ns .. ':state:' .. id end

for _, job in ipairs(change.jobs) do
    if (redis.call('HGET', state_key(job.id), 'version') or '') ~= job.read then return 0 end
end
for _, source in ipairs(change.sources) do
    local known = redis.call('HGET', ns .. ':sources', source.key)
    if (known and string.match(known, '^%d+') or '0') ~= source.read then return 0 end
end

-- If somebody emptied the server, there is no group; if there is one, this says so and no more.
redis.pcall('XGROUP', 'CREATE', JOBS, GROUP, '0', 'MKSTREAM')

-- Everything was looked at: from here on nothing is refused.

-- Reads what is new in the stream, for a consumer that stands for "nobody yet". What others put there is no job.
local function take_in()
    repeat
        local read = redis.call('XREADGROUP', 'GROUP', GROUP, WAITING, 'COUNT', 100, 'STREAMS', JOBS, '>')
        for _, entry in ipairs(read and read[1][2] or {}) do
            local id, fields = entry[1], entry[2]
            local job = fields[1] == 'job' and fields[2]
            local known = job and redis.call('HGET', state_key(job), 'entry')
            if known ~= id and not (job and change.entering[job]) then
                redis.call('XADD', ns .. ':dead', 'MAXLEN', '~', change.letters_max, '*', 'job', job or '',
                    'reason', 'malformed: it was not submitted as a job', 'said', table.concat(fields, ' '))
                redis.call('XACK', JOBS, GROUP, id)
                redis.call('XDEL', JOBS, id)
            end
        end
    until not read
end

local function leave(id, old)
    local state, shelf, worker, lane = old[1], old[2], old[3], old[4]
    if not state then return end
    redis.call('ZREM', ns .. ':index:' .. state, id)
    local tenant = redis.call('HGET', ns .. ':tenants', id)
    if tenant then redis.call('ZREM', ns .. ':of_state:' .. state .. ':' .. tenant, id) end
    if shelf == 'held' then
        redis.call('ZREM', ns .. ':held', id)
        redis.call('SREM', ns .. ':held:' .. worker, id)
    elseif shelf == 'ready' then
        redis.call('ZREM', ns .. ':ready:' .. lane, id)
    elseif shelf == 'due' or shelf == 'ended' then
        redis.call('ZREM', ns .. ':' .. shelf, id)
    end
end

local function out_of_stream(id, entry)
    if not entry then return end
    redis.call('XACK', JOBS, GROUP, entry)
    redis.call('XDEL', JOBS, entry)
    redis.call('HDEL', state_key(id), 'entry')
end

local function place(job, old)
    local id, key, entry, letter = job.id, state_key(job.id), old[5], old[6]
    redis.call('HSET', key, 'version', job.version, 'state', job.state, 'shelf', job.shelf, 'worker', job.worker,
        'lane', job.lane, 'stage', job.stage, 'percent', job.percent, 'attempts', job.attempts, 'body', job.body)
    if job.spec then redis.call('HSET', key, 'spec', job.spec) end
    redis.call('ZADD', ns .. ':index', job.submitted, id)
    redis.call('ZADD', ns .. ':index:' .. job.state, job.submitted, id)
    redis.call('ZADD', ns .. ':of:' .. job.tenant, job.submitted, id)
    redis.call('ZADD', ns .. ':of_state:' .. job.state .. ':' .. job.tenant, job.submitted, id)
    redis.call('HSET', ns .. ':tenants', id, job.tenant)
    if job.shelf == 'held' then
        redis.call('ZADD', ns .. ':held', job.at, id)
        redis.call('SADD', ns .. ':held:' .. job.worker, id)
    elseif job.shelf == 'ready' then
        redis.call('ZADD', ns .. ':lanes', 'NX', 0, job.lane)
        redis.call('ZADD', ns .. ':ready:' .. job.lane, job.submitted, id)
    elseif job.shelf == 'due' or job.shelf == 'ended' then
        redis.call('ZADD', ns .. ':' .. job.shelf, job.at, id)
    end
    -- Its entry in the stream: pending for whoever holds it, acknowledged when all of it is durable.
    if job.ended then
        out_of_stream(id, entry)
    else
        if not entry then
            change.entering[id] = true
            entry = redis.call('XADD', JOBS, 'MAXLEN', '~', change.entries_max, '*', 'job', id)
            redis.call('HSET', key, 'entry', entry)
            take_in()
        end
        if job.shelf == 'held' then
            redis.call('XCLAIM', JOBS, GROUP, job.worker, 0, entry, 'FORCE', 'JUSTID')
        elseif old[2] == 'held' then
            redis.call('XCLAIM', JOBS, GROUP, WAITING, 0, entry, 'FORCE', 'JUSTID')
        end
    end
    if job.state == 'dead' and not letter then
        letter = redis.call('XADD', ns .. ':dead', 'MAXLEN', '~', change.letters_max, '*', 'job', id,
            'reason', job.why, 'attempts', job.attempts)
        redis.call('HSET', key, 'letter', letter)
    elseif letter and job.state ~= 'dead' then
        redis.call('XDEL', ns .. ':dead', letter)
        redis.call('HDEL', key, 'letter')
    end
    if job.shelf == 'ended' then redis.call('EXPIRE', key, change.expires_s) else redis.call('PERSIST', key) end
end

-- Whoever counts what ended goes on from a number, so numbers only count up. The first is given; they are exact, being
-- below 2^53. What somebody did to this stream by hand is no reason to leave a change half made.
local function note_ending(job)
    local key, number = ns .. ':endings:' .. job.tenant, job.ending
    local newest = redis.pcall('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
    if newest then number = string.format('%.0f', tonumber(string.match(newest[1], '^%d+')) + 1) end
    redis.pcall('XADD', key, 'MAXLEN', '~', change.endings_max, number .. '-0', 'job', job.id, 'state', job.state)
    redis.call('EXPIRE', key, change.expires_s)
end

for _, job in ipairs(change.jobs) do
    local key = state_key(job.id)
    local old = redis.call('HMGET', key, 'state', 'shelf', 'worker', 'lane', 'entry', 'letter')
    leave(job.id, old)
    if job.gone then
        out_of_stream(job.id, old[5])
        if old[6] then redis.call('XDEL', ns .. ':dead', old[6]) end
        redis.call('ZREM', ns .. ':index', job.id)
        local tenant = redis.call('HGET', ns .. ':tenants', job.id)
        if tenant then redis.call('ZREM', ns .. ':of:' .. tenant, job.id) end
        redis.call('HDEL', ns .. ':tenants', job.id)
        redis.call('DEL', key, ns .. ':events:' .. job.id)
    else
        place(job, old)
    end
    for _, event in ipairs(job.events) do
        local events = ns .. ':events:' .. job.id
        redis.call('XADD', events, 'MAXLEN', change.events_max, event.number .. '-0', 'event', event.body)
        redis.call('EXPIRE', events, change.expires_s)
    end
    if job.ending then note_ending(job) end
end
for _, source in ipairs(change.sources) do
    redis.call('HSET', ns .. ':sources', source.key, source.version .. '\n' .. source.body)
end
if change.served then redis.call('ZADD', ns .. ':lanes', 'GT', change.served.at, change.served.lane) end
return 1
