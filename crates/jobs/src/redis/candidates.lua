-- Finds jobs that a worker may be able to take, in the order in which it should try them.
--
-- KEYS[1] is the namespace; ARGV are the worker, now, how many of each kind, how many of each lane, and before when
-- what ended has expired. Gives ids; some may be there twice.

local ns = KEYS[1]
local worker, now, limit, heads, expired = unpack(ARGV)
local found = redis.call('SRANDMEMBER', ns .. ':held:' .. worker, limit)
table.sort(found)

local function add(ids)
    for _, id in ipairs(ids) do found[#found + 1] = id end
end

add(redis.call('ZRANGE', ns .. ':held', '-inf', now, 'BYSCORE', 'LIMIT', 0, limit))
add(redis.call('ZRANGE', ns .. ':due', '-inf', now, 'BYSCORE', 'LIMIT', 0, limit))
local lanes, places = redis.call('ZRANGE', ns .. ':lanes', 0, -1), {}
for _, lane in ipairs(lanes) do
    local first = redis.call('ZRANGE', ns .. ':ready:' .. lane, 0, heads - 1)
    for place, id in ipairs(first) do
        places[place] = places[place] or {}
        table.insert(places[place], id)
    end
    -- A lane that had no turn for so long and has nobody waiting has the next one first anyway.
    if #first == 0 and tonumber(redis.call('ZSCORE', ns .. ':lanes', lane)) < tonumber(expired) then
        redis.call('ZREM', ns .. ':lanes', lane)
    end
end
for _, ids in ipairs(places) do add(ids) end

-- The hashes of what ended long ago have gone by themselves; here goes what found them.
for _, id in ipairs(redis.call('ZRANGE', ns .. ':ended', '-inf', expired, 'BYSCORE', 'LIMIT', 0, 100)) do
    if redis.call('EXISTS', ns .. ':state:' .. id) == 0 then
        redis.call('ZREM', ns .. ':ended', id)
        redis.call('ZREM', ns .. ':index', id)
        local tenant = redis.call('HGET', ns .. ':tenants', id)
        if tenant then redis.call('ZREM', ns .. ':of:' .. tenant, id) end
        redis.call('HDEL', ns .. ':tenants', id)
        for _, state in ipairs({'done', 'failed', 'cancelled'}) do
            redis.call('ZREM', ns .. ':index:' .. state, id)
            if tenant then redis.call('ZREM', ns .. ':of_state:' .. state .. ':' .. tenant, id) end
        end
    end
end
return found
