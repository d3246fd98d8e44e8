-- Says in which layout the keys are, and takes the namespace if nobody has: as one, since two may begin at once.
--
-- KEYS[1] is the namespace; ARGV[1] is the layout of this program. Gives the layout, and what is in the place of the
-- stream if that is somebody else's.

local ns = KEYS[1]
local layout = redis.call('HGET', ns .. ':meta', 'layout')
if layout then return {layout, ''} end
local kind = redis.call('TYPE', ns .. ':jobs').ok
if kind ~= 'none' then return {'', kind} end
redis.call('HSET', ns .. ':meta', 'made_by', 'stele', 'layout', ARGV[1])
return {ARGV[1], ''}
