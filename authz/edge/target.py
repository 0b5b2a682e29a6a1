"""The last correction of a request's target, in the cluster's own filters: they run for the cache's fetches, too.

header_mutation cannot do this. Its `query_parameter_mutations` write every value back decoded (measured on
Envoy 1.40: `a=1%26b%3D2` leaves as `a=1&b=2`), by which a client would slip the warehouse a parameter that
Scopegate never saw; and it may not touch `:authority`. So this is a few lines of Lua that move raw text.
"""

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.filters.http.lua import v3 as lua
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm

from authz.edge.messages import http_filter
from authz.rendering.rewrites import SCOPE_PARAMETER

_ADDRESS = """\
function envoy_on_request(handle)
  local headers = handle:headers()
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


def target_filter(authority: str, *, shared: bool) -> hcm.HttpFilter:
    """Addresses the warehouse by its own name: a client's Host reaches nobody.

    Where answers are `shared`, takes the cache partition out of the query. `authority` has passed `parse_upstream`,
    so it holds nothing that could end the text in the script.
    """
    script = _ADDRESS.format(authority=authority)
    if shared:
        script += _TAKE_PARTITION.format(parameter=SCOPE_PARAMETER)
    return http_filter(
        "envoy.filters.http.lua", lua.Lua(default_source_code=core.DataSource(inline_string=script + "end\n"))
    )
