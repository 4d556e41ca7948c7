-- One pixel in each request. The request is always the same, made once: wrk must not be what is measured.
-- Depth comes from the environment (DEPTH=16): that many requests are pipelined, and wrk reads their answers as one. So do
-- another method and another body (METHOD=GET BODY=), which `pixeld bench compare --wrk` takes from its own load, and
-- paths that are asked for in turns (PATHS=/next,/previous), which is a call of Lua for each request.
local depth = tonumber(os.getenv("DEPTH") or "1")

local body = os.getenv("BODY") or '{"x":10,"y":20,"channel":"R","value":128}'
wrk.method = os.getenv("METHOD") or "POST"
if body ~= "" then
   wrk.body = body
   local has_type = false
   for name in pairs(wrk.headers) do
      has_type = has_type or string.lower(name) == "content-type"
   end
   if not has_type then
      wrk.headers["Content-Type"] = "application/json"
   end
end

local paths = {}
for path in string.gmatch(os.getenv("PATHS") or "", "[^,]+") do
   paths[#paths + 1] = path
end

-- Without a request function wrk sends its own copy and calls no Lua at all.
if depth > 1 or #paths > 1 then
   local batches, turn = {}, 0
   function request()
      turn = turn % math.max(#paths, 1) + 1
      batches[turn] = batches[turn] or string.rep(wrk.format(nil, paths[turn]), depth)
      return batches[turn]
   end
end

-- wrk counts each answer of a pipeline, so no correction is due here; anything but a success spoils the run.
function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"duration_us":%d,"p50_us":%.0f,"p99_us":%.0f,"max_us":%.0f,"status":%d,"errors":%d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max, errors.status,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
