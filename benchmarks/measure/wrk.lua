-- For wrk: sends the requests that wrk.py has written, one after the other, and tells what came of it.

local requests, at = {}, 0

function init(args)
    local file = assert(io.open(args[1], "rb"))
    local text = file:read("*a")
    file:close()
    -- Each with its length before it, in eight digits.
    local from = 1
    while from < #text do
        local length = tonumber(text:sub(from, from + 7))
        requests[#requests + 1] = text:sub(from + 8, from + 7 + length)
        from = from + 8 + length
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.timeout
    io.write(string.format(
        '{"pushes": %d, "seconds": %f, "not_200": %d, "p50": %f, "p99": %f}\n',
        summary.requests, summary.duration / 1e6, failed + errors.status,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
    ))
end
