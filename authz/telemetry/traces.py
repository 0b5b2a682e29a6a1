"""The trace that a request belongs to."""

import re
from typing import Final

TRACEPARENT: Final = "traceparent"

# https://www.w3.org/TR/trace-context/#traceparent-header, version 00; the last bit of the flags says `sampled`.
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f][13579bdf]\Z")
_NO_TRACE: Final = "0" * 32


def sampled_trace_id(traceparent: str) -> str | None:
    """The trace id (32 hex digits) of a request whose trace is kept; None for any other text.

    INVARIANT: nothing else of a client's text gets out of here, so that it can stand in an exemplar.
    """
    match = _TRACEPARENT.match(traceparent)
    return None if match is None or match[1] == _NO_TRACE else match[1]
