"""What the client presented, before anything of it is believed."""

import re
from dataclasses import dataclass, field

from authz.errors import Denied, Reason
from authz.request import AccessRequest

# RFC 6750 section 2.1 (b64token) behind RFC 9110 section 11.1 (a scheme is case-insensitive). A comma is not
# in the alphabet, so two credentials that a proxy has joined cannot pass as one.
_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)\Z", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A bearer token and a client certificate, as presented. Neither ever appears in a `repr`."""

    token: str | None = field(repr=False)
    certificate_pem: str | None = field(repr=False)


def read_credentials(request: AccessRequest) -> Credentials:
    """The credentials of a request: `Authorization: Bearer` and the certificate of the TLS handshake.

    Raises `Denied`: `request_ambiguous` for several or comma-joined values, `credential_malformed` for
    anything else in `Authorization`. A header that cannot be read is never the same as no header (Envoy
    CVE-2021-21378 read an unknown issuer as "no token").
    """
    value = request.header("authorization")
    token = None if value is None else _bearer_token(value)
    return Credentials(token=token, certificate_pem=request.certificate_pem or None)


def _bearer_token(value: str) -> str:
    found = _BEARER.match(value)
    if found is not None:
        return found[1]
    if "," in value:
        raise Denied(Reason.REQUEST_AMBIGUOUS, "`authorization` holds several values joined by a comma")
    scheme, space, _ = value.partition(" ")
    if scheme.lower() == "bearer":
        what = "no token behind it" if not space else "characters that no token has"
        raise Denied(Reason.CREDENTIAL_MALFORMED, f"`authorization` is `Bearer` with {what}")
    raise Denied(Reason.CREDENTIAL_MALFORMED, "`authorization` has another scheme than `Bearer`")
