-- Makes what finds the jobs of a tenant, for jobs from before there was any.
--
-- KEYS[1] is the namespace; ARGV[1] is the layout that it has then. Gives how many jobs there are. It does no harm
-- to do it twice.

local ns = KEYS[1]
local all = redis.call('ZRANGE', ns .. ':index', 0, -1, 'WITHSCORES')
for place = 1, #all, 2 do
    local id, submitted = all[place], all[place + 1]
    local state, spec = unpack(redis.call('HMGET', ns .. ':state:' .. id, 'state', 'spec'))
    -- One that ended long ago has no hash any more, and what finds it goes soon.
    if state and spec then
        local tenant = cjson.decode(spec).options.tenant
        redis.call('ZADD', ns .. ':of:' .. tenant, submitted, id)
        redis.call('ZADD', ns .. ':of_state:' .. state .. ':' .. tenant, submitted, id)
        redis.call('HSET', ns .. ':tenants', id, tenant)
    end
end
redis.call('HSET', ns .. ':meta', 'layout', ARGV[1])
return #all / 2
