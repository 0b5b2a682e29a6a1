"""Requests that another site made a browser send, with the cookie that the browser adds by itself.

A token in a header has to be put there by somebody who knows it; a cookie has not. So where the token is a
cookie, what browsers say of a request's origin counts, and may only refuse.
"""

from urllib.parse import urlsplit

from authz.errors import Denied, Reason
from authz.request import AccessRequest, normal_host


def check_own_site(request: AccessRequest) -> None:
    """Raise `Denied(credential_cross_site)` if a browser says that another site asks.

    `Origin` (RFC 6454 section 7) is there on every request of a script to another origin and on every form post;
    Fetch Metadata (https://www.w3.org/TR/fetch-metadata/) on the rest. Following a link from elsewhere is no attack.
    """
    origin = request.header("origin")
    if origin is not None and not _is_origin_of(origin, request.host):
        raise Denied(Reason.CREDENTIAL_CROSS_SITE, "`origin` is another site, and the token is a cookie")
    if request.header("sec-fetch-site") == "cross-site" and not (
        request.header("sec-fetch-mode") == "navigate" and request.method in {"GET", "HEAD"}
    ):
        raise Denied(
            Reason.CREDENTIAL_CROSS_SITE, "`sec-fetch-site` is `cross-site`, and the token is a cookie"
        )


def _is_origin_of(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
        return parts.scheme == "https" and normal_host(parts.netloc) == host
    except (ValueError, Denied):
        return False
