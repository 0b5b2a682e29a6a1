"""The last corrections of a request, and the first of its answer, in the cluster's own filters.

There they hold for the cache's own fetches, too. header_mutation cannot do this: its `query_parameter_mutations`
write every value back decoded (measured on Envoy 1.40: `a=1%26b%3D2` leaves as `a=1&b=2`), by which a client would
slip the warehouse a parameter that Scopegate never saw; it may not touch `:authority`; and it knows no conditions.
So this is a few lines of Lua that move raw text.
"""

import re

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.filters.http.lua import v3 as lua
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm

from authz.edge.messages import EdgeError, http_filter
from authz.policy.policyset import CacheRule
from authz.rendering.rewrites import SCOPE_PARAMETER

_HEADER_NAME = re.compile(r"[a-z0-9\-]+\Z")

# Headers that the warehouse never sees of a client, so that nothing can depend on them.
_NEVER_SENT = ("accept-encoding", "authorization", "cookie", "origin")

_BEGIN = """\
function envoy_on_request(handle)
  local headers = handle:headers()
"""

# Trino writes it into the addresses of its answers, which a client has to reach.
_TELL_HOST = """\
  headers:replace("x-forwarded-host", headers:get(":authority"))
"""

_ADDRESS = """\
  headers:replace(":authority", "{authority}")
"""

# `string.find` with `true` takes the name as plain text, not as a pattern.
_TAKE_PARTITION = """\
  local path, query = string.match(headers:get(":path"), "^([^?]*)%?(.*)$")
  if query == nil then return end
  local kept = {{}}
  for part in string.gmatch(query, "[^&]+") do
    if string.find(part, "{parameter}=", 1, true) ~= 1 then kept[#kept + 1] = part end
  end
  if #kept > 0 then path = path .. "?" .. table.concat(kept, "&") end
  headers:replace(":path", path)
"""

# 206 and 304 are answers to the cache's own questions about what it keeps.
_LIFETIME = """\
local keepable = {{["200"] = true, ["206"] = true, ["304"] = true}}
local in_partition = {{{vary}}}
function envoy_on_response(handle)
  local headers = handle:headers()
  if not keepable[headers:get(":status")] then
    headers:replace("cache-control", "no-store")
    return
  end
  local said = string.lower(headers:get("cache-control") or "")
  for _, word in ipairs({{"no-store", "no-cache", "private"}}) do
    if string.find(said, word, 1, true) then return end
  end
  local age = {ttl}
  for given in string.gmatch(said, "max%-?age=(%d+)") do age = math.min(age, tonumber(given)) end
  headers:replace("cache-control", "max-age=" .. age)
  for name in string.gmatch(string.lower(headers:get("vary") or ""), "[^,%s]+") do
    if not in_partition[name] then return end
  end
  headers:remove("vary")
end
"""


def corrections_filter(
    authority: str, cache: CacheRule | None, *, tells_host: bool = False
) -> hcm.HttpFilter:
    """Addresses the warehouse by its own name: a client's Host reaches nobody as such; `tells_host` names it beside.

    Where answers are shared, takes the cache partition out of the query, and says how long the answer may be kept: as
    long as the policy says, or less if the warehouse says less; not at all if the warehouse forbids it, if it failed,
    or if its answer varies by a header that is not in the partition (Envoy keeps nothing that has `Vary`).
    `authority` has passed `parse_upstream`, so it holds nothing that could end the text in the script.

    Raises `EdgeError`.
    """
    script = _BEGIN + (_TELL_HOST if tells_host else "") + _ADDRESS.format(authority=authority)
    if cache is None:
        script += "end\n"
    else:
        script += _TAKE_PARTITION.format(parameter=SCOPE_PARAMETER) + "end\n"
        script += _LIFETIME.format(ttl=cache.ttl_seconds, vary=_set_of(*_NEVER_SENT, *cache.vary))
    return http_filter(
        "envoy.filters.http.lua", lua.Lua(default_source_code=core.DataSource(inline_string=script))
    )


def _set_of(*names: str) -> str:
    for name in names:
        if not _HEADER_NAME.match(name):
            raise EdgeError(f"cache.vary: got `{name}`, expected the name of a header in lower case")
    return ", ".join(f'["{name}"] = true' for name in sorted(set(names)))
