"""One cookie out of a request, read strictly (RFC 6265 section 4.2.1)."""

import re

from authz.errors import Denied, Reason
from authz.request import AccessRequest

_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*\Z")


def find_cookie(request: AccessRequest, name: str) -> str | None:
    """The value of the only cookie of that name, None if there is none.

    Raises `Denied`: `request_ambiguous` where the name comes twice (a neighbouring host can set a cookie beside
    ours, "cookie tossing"), also in another case or with space around it, which some parsers overlook;
    `credential_malformed` for a value that is not plain, quotes included. Other cookies may look as they like: nobody
    reads them, and none of them reaches the warehouse.
    """
    header = request.header("cookie")
    if header is None:
        return None
    wanted = name.lower()
    values: list[str] = []
    for pair in header.split(";"):
        key, equals, value = pair.removeprefix(" ").partition("=")
        if key.strip().lower() != wanted:
            continue
        if key != name or not equals or not _VALUE.match(value):
            raise Denied(Reason.CREDENTIAL_MALFORMED, f"cookie `{name}` is not spelled as it must be")
        values.append(value)
    if len(values) > 1:
        raise Denied(Reason.REQUEST_AMBIGUOUS, f"cookie `{name}` was sent {len(values)} times")
    return values[0] if values else None
