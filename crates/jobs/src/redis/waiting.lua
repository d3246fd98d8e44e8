-- Finds when the oldest job that a worker could take now was submitted.
--
-- KEYS[1] is the namespace; ARGV[1] is now, and ARGV[2] a tenant, or nothing for all. Gives a time as text, or nothing.

local ns, now, tenant = KEYS[1], ARGV[1], ARGV[2]
local oldest

-- Those that wait for nothing but a worker, by the time of their submission. A lane is no name of one tenant (`a/b` is
-- one, too), so that each job of a lane that may be the tenant's is asked whose it is, until one is.
local function look_at(lane)
    local key, place = ns .. ':ready:' .. lane, 0
    while true do
        local found = redis.call('ZRANGE', key, place, place, 'WITHSCORES')
        if #found == 0 then return end
        if not tenant or redis.call('HGET', ns .. ':tenants', found[1]) == tenant then
            if not oldest or tonumber(found[2]) < tonumber(oldest) then oldest = found[2] end
            return
        end
        place = place + 1
    end
end

for _, lane in ipairs(redis.call('ZRANGE', ns .. ':lanes', 0, -1)) do
    if not tenant or string.sub(lane, 1, #tenant + 1) == tenant .. '/' then look_at(lane) end
end

for _, id in ipairs(redis.call('ZRANGE', ns .. ':due', '-inf', now, 'BYSCORE')) do
    if not tenant or redis.call('HGET', ns .. ':tenants', id) == tenant then
        local submitted = redis.call('ZSCORE', ns .. ':index', id)
        if submitted and (not oldest or tonumber(submitted) < tonumber(oldest)) then oldest = submitted end
    end
end
return oldest
