-- Asks `keyover verifier` about a request's key (docs/gateways.md). For HAProxy 2.6 or newer, with Lua. In haproxy.cfg:
--
--     lua-load /etc/haproxy/keyover.lua          (in `global`)
--     http-request lua.keyover market:read       (what the request needs; several with commas between; `-` for any accepted key)
--
-- HAProxy's own HTTP client asks: it waits for nothing else meanwhile, and keeps its connections to the verifier open.

local verifier = "unix@/run/keyover/verifier.sock"
local timeout_ms = 2000

-- Copied to the check, each as often as the caller sent it: two of a kind are refused there.
local presented = { "authorization", "x-api-key", "user-agent", "keyover-instance" }
-- Set at the upstream, or taken away: what a caller sends under these names never arrives.
local identity = {
  "keyover-key", "keyover-consumer", "keyover-version", "keyover-environment", "keyover-scopes", "keyover-stale",
}
-- Told to the caller; haproxy.cfg sets them at the response.
local told = { "keyover-rotation", "deprecation", "sunset", "link", "ratelimit", "ratelimit-policy" }
-- Of the connection between the two, or made anew for the caller.
local own = { ["connection"] = true, ["keep-alive"] = true, ["date"] = true, ["content-length"] = true, ["transfer-encoding"] = true }

local nobody = '{"type":"https://keyover.dev/docs/errors#verifier_unavailable","title":"This server can\'t decide on keys at the moment; '
  .. 'try again shortly.","status":503,"code":"verifier_unavailable"}'

local function forwarded_for(txn, headers)
  local seen = txn.f:src()
  local before = headers["x-forwarded-for"]
  if before == nil then return { [0] = seen } end
  local entries = {}
  for i = 0, #before do entries[#entries + 1] = before[i] end
  entries[#entries + 1] = seen
  return { [0] = table.concat(entries, ", ") }
end

local function ask(txn, scope)
  local headers = txn.http:req_get_headers()
  local sent = { ["x-forwarded-for"] = forwarded_for(txn, headers), ["x-forwarded-uri"] = { [0] = txn.f:pathq() } }
  for _, name in ipairs(presented) do sent[name] = headers[name] end
  local query = scope == "-" and "" or "?scope=" .. scope
  return core.httpclient():get{ url = "http://keyover/check" .. query, headers = sent, dst = verifier, timeout = timeout_ms }
end

local function refuse(txn, answer)
  if answer == nil or answer.status == nil or answer.status < 200 then
    local reply = txn:reply{ status = 503, body = nobody }
    reply:add_header("Content-Type", "application/problem+json")
    reply:add_header("Retry-After", "1")
    txn:done(reply)
  end
  local reply = txn:reply{ status = answer.status, body = answer.body or "" }
  for name, values in pairs(answer.headers) do
    if not own[name] then
      for i = 0, #values do reply:add_header(name, values[i]) end
    end
  end
  txn:done(reply)
end

core.register_action("keyover", { "http-req" }, function(txn, scope)
  local answer = ask(txn, scope)
  if answer == nil or answer.status ~= 204 then refuse(txn, answer) end
  for _, name in ipairs(identity) do
    local value = answer.headers[name]
    if value == nil then txn.http:req_del_header(name) else txn.http:req_set_header(name, value[0]) end
  end
  for _, name in ipairs(told) do
    local value = answer.headers[name]
    if value ~= nil then txn:set_var("txn.told_" .. name:gsub("-", "_"), value[0]) end
  end
  txn.http:req_del_header("keyover-rotation")
  -- The secret ends here.
  txn.http:req_del_header("authorization")
  txn.http:req_del_header("x-api-key")
end, 1)
