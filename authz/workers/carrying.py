"""Checks whose question stands in the request line, by a script in the Envoy around a worker.

pyvoy calls an application when the headers of a request are there, and hands it the body when it is asked for: from Envoy's
thread to the interpreter's, and all that once more for the body. At low load each of these steps wakes somebody, and takes
longer than the check (docs/performance.md). So the script waits for the body of a check, which has arrived with its headers
anyway, and puts the message behind the path. Whatever it does not understand is left as it was, and read as a body.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/lua_filter
"""

from typing import Any, Final

from authz.transport.asgi import CARRIED_PATH, CHECK_PATH
from authz.transport.framing import PREFIX_BYTES

# A header ends at a zero byte for Lua, so a message that holds one cannot stand in it: fields of protobuf that are zero are
# left out, so it takes the body of a request, or somebody's pains. After `body` has waited, `handle:headers()` is another.
_SCRIPT: Final = f"""
local check, carried, prefix = "{CHECK_PATH}", "{CARRIED_PATH}?", {PREFIX_BYTES}

function envoy_on_request(handle)
  if handle:headers():get(":path") ~= check then return end
  local body = handle:body()
  if body == nil then return end
  local size = body:length()
  if size <= prefix then return end
  local bytes = body:getBytes(0, size)
  local compressed, a, b, c, d = string.byte(bytes, 1, prefix)
  if compressed ~= 0 or ((a * 256 + b) * 256 + c) * 256 + d ~= size - prefix then return end
  if string.find(bytes, "\\0", prefix + 1, true) then return end
  handle:headers():replace(":path", carried .. string.sub(bytes, prefix + 1))
end
"""


def carrying_filter() -> dict[str, Any]:
    """The filter with that script, to stand before pyvoy's."""
    return {
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": _SCRIPT},
        },
    }
