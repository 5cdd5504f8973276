-- SPDX-License-Identifier: Apache-2.0
-- wrk asks a forward proxy: the request target is the absolute URL given after `--`; a second word "close" asks for a new connection each time.
function init(args)
    if args[2] == "close" then wrk.headers["Connection"] = "close" end
    wrk.headers["Host"] = args[1]:match("^http://([^/]+)") or wrk.headers["Host"]
    request_text = wrk.format("GET", args[1])
end

function request()
    return request_text
end
