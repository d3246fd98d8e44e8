-- What wrk asks, and when: each thread keeps to a schedule of its own, so that the rate is constant, whatever the
-- answers take. A request that is sent late because all connections wait is counted as late.
--
--   wrk -s scripts/load.lua URL -- RATE_OF_A_THREAD PATHS_FILE
local ffi = require("ffi")
ffi.cdef([[
typedef struct { long seconds; long nanoseconds; } stele_time;
int clock_gettime(int clock, stele_time *time);
]])
local MONOTONIC = 1
-- Milliseconds behind its schedule from which on a request counts as late.
local LATE_MS = 50

local time = ffi.new("stele_time")
local function now()
  ffi.C.clock_gettime(MONOTONIC, time)
  return tonumber(time.seconds) * 1000 + tonumber(time.nanoseconds) / 1e6
end

local threads = {}
function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(args)
  interval = 1000 / tonumber(args[1])
  requests = {}
  for path in io.lines(args[2]) do
    table.insert(requests, wrk.format("GET", path))
  end
  -- Threads do not all ask the same at once.
  at, sent, late, behind, refused, failed = number * 7, 0, 0, 0, 0, 0
  start = now()
end

function delay()
  local due = start + sent * interval
  sent = sent + 1
  local wait = due - now()
  if wait < -LATE_MS then late = late + 1 end
  if -wait > behind then behind = -wait end
  return wait > 0 and math.floor(wait) or 0
end

function request()
  at = at + 1
  return requests[at % #requests + 1]
end

function response(status, _, body)
  -- Not to be ready is an answer; to be busy is none.
  local unready = body:find('"ready":false', 1, true) and not body:find('"code":"busy"', 1, true)
  if status < 400 or status == 503 and unready then return end
  if status == 503 then refused = refused + 1 else failed = failed + 1 end
  if refused + failed == 1 then io.stderr:write(status, " ", body:sub(1, 300), "\n") end
end

function done(summary, latency)
  local sum = { late = 0, refused = 0, failed = 0, behind = 0 }
  for _, thread in ipairs(threads) do
    for _, name in ipairs({ "late", "refused", "failed" }) do sum[name] = sum[name] + thread:get(name) end
    sum.behind = math.max(sum.behind, thread:get("behind"))
  end
  local broken = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    '\nRESULT {"requests": %d, "seconds": %.2f, "broken": %d, "refused": %d, "failed": %d, "late": %d, "behind_ms": %.0f, ' ..
    '"p50_ms": %.2f, "p95_ms": %.2f, "p99_ms": %.2f, "max_ms": %.1f}\n',
    summary.requests, summary.duration / 1e6, broken, sum.refused, sum.failed, sum.late, sum.behind,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
