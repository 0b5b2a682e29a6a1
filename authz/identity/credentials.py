"""What the client presented, before anything of it is believed.

INVARIANT: a credential that cannot be read is never the same as none (Envoy CVE-2021-21378 read an unknown
issuer as "no token"), and two tokens are never one of them: another reader of the same request could choose the
other.
"""

import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, assert_never

from authz.errors import Denied, Reason
from authz.identity.accepts import AcceptedCredentials, Basic, Bearer, Cookie, Header
from authz.identity.basicauth import parse_basic
from authz.identity.cookies import find_cookie
from authz.identity.crosssite import check_own_site
from authz.memory import remembering_texts
from authz.request import AccessRequest

# RFC 6750 section 2.1 (b64token). A comma is not in the alphabet, so two credentials that a proxy has joined
# cannot pass as one.
_TOKEN_BYTES = (string.ascii_letters + string.digits + "-._~+/").encode()


CLIENT_CHAIN_HEADER = "x-forwarded-client-cert"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedUser:
    """The user name beside a token, and the claim that it must equal (the subject, if None)."""

    name: str = field(repr=False)
    claim: str | None


# Not frozen, as `AccessRequest` is not.
@dataclass(slots=True, kw_only=True)
class Credentials:
    """A token and a client certificate, as presented. Neither ever appears in a `repr`."""

    token: Final[str | None] = field(repr=False)
    certificate_pem: Final[str | None] = field(repr=False)
    user: Final[StatedUser | None] = None
    client_chain: Final[str | None] = field(default=None, repr=False)
    """What Envoy says of the certificates that came along with the client's own, where that is believed."""


@dataclass(frozen=True, slots=True)
class _Found:
    where: str
    token: str = field(repr=False)
    user: StatedUser | None = None


def read_credentials(request: AccessRequest, accepts: AcceptedCredentials) -> Credentials:
    """The token in the one place where it may stand, and the certificate of the TLS handshake.

    Raises `Denied`: `request_ambiguous` for several values or tokens, `credential_malformed` for anything else in
    `Authorization` or in a configured place, `credential_cross_site` for a cookie that another site made a
    browser send.
    """
    if accepts.is_plain:
        return _plain(request)
    found = [*_in_authorization(request, accepts), *_in_own_places(request, accepts)]
    if len(found) > 1:
        where = " and in ".join(each.where for each in found)
        raise Denied(Reason.REQUEST_AMBIGUOUS, f"tokens in {where}: nobody knows which one is meant")
    pem = request.certificate_pem or None
    chain = request.header(CLIENT_CHAIN_HEADER) if accepts.client_chain else None
    if chain is not None and pem is None:
        # Envoy writes the header for the certificate of a handshake only.
        raise Denied(Reason.REQUEST_AMBIGUOUS, f"`{CLIENT_CHAIN_HEADER}` without a client certificate")
    if not found:
        return Credentials(token=None, certificate_pem=pem, client_chain=chain)
    return Credentials(token=found[0].token, certificate_pem=pem, user=found[0].user, client_chain=chain)


def _plain(request: AccessRequest) -> Credentials:
    """The same where a token may stand behind `Bearer` only, in few steps: most requests come this way."""
    value = request.header("authorization")
    pem = request.certificate_pem or None
    if value is None:
        return Credentials(token=None, certificate_pem=pem)
    token = _bearer_token(value)
    if token is None:
        scheme, space, _ = value.partition(" ")
        raise _unreadable(value, scheme, ["Bearer"], has_value=bool(space))
    return Credentials(token=token, certificate_pem=pem)


def _in_authorization(request: AccessRequest, accepts: AcceptedCredentials) -> Iterator[_Found]:
    value = request.header("authorization")
    if value is None:
        return
    scheme, space, rest = value.partition(" ")
    known = []
    for place in accepts.places:
        match place:
            case Bearer():
                token = _bearer_token(value)
                if token is not None:
                    yield _Found("`authorization`", token)
                    return
                known.append("Bearer")
            case Basic(user_claim=claim):
                if scheme.lower() == "basic" and "," not in rest:
                    name, token = parse_basic(rest.strip(" "))
                    yield _Found("`authorization`", token, StatedUser(name=name, claim=claim))
                    return
                known.append("Basic")
            case Header() | Cookie():
                pass
            case _:
                assert_never(place)
    raise _unreadable(value, scheme, known, has_value=bool(space))


def _unreadable(value: str, scheme: str, known: list[str], *, has_value: bool) -> Denied:
    if "," in value:
        return Denied(Reason.REQUEST_AMBIGUOUS, "`authorization` holds several values joined by a comma")
    if scheme.lower() == "bearer" and "Bearer" in known:
        what = "characters that no token has" if has_value else "no token behind it"
        return Denied(Reason.CREDENTIAL_MALFORMED, f"`authorization` is `Bearer` with {what}")
    if not known:
        # It is somebody's credential all the same: to let it pass unread would be to guess.
        return Denied(Reason.CREDENTIAL_MALFORMED, "`authorization` is no place for a token here")
    expected = " or ".join(f"`{name}`" for name in known)
    return Denied(Reason.CREDENTIAL_MALFORMED, f"`authorization` has another scheme than {expected}")


def _in_own_places(request: AccessRequest, accepts: AcceptedCredentials) -> Iterator[_Found]:
    for place in accepts.places:
        match place:
            case Header(name=name):
                value = request.header(name)
                if value is not None:
                    behind = _behind_bearer(value)
                    yield _Found(
                        f"header `{name}`", _token_of(value if behind is None else behind, f"header `{name}`")
                    )
            case Cookie(name=name):
                value = find_cookie(request, name)
                if value is not None:
                    check_own_site(request)
                    yield _Found(f"cookie `{name}`", _token_of(value, f"cookie `{name}`"))
            case Bearer() | Basic():
                pass
            case _:
                assert_never(place)


def _behind_bearer(value: str) -> str | None:
    """What stands behind `Bearer`; None for another scheme (RFC 9110 section 11.1: case does not matter)."""
    return value[6:].lstrip(" ") if value[:6].lower() == "bearer" and value[6:7] in {" ", ""} else None


@remembering_texts
def _bearer_token(value: str) -> str | None:
    """The token behind `Bearer`; the same object for the same value, so that its hash is there for whoever looks it up."""
    token = _behind_bearer(value)
    return token if token is not None and _is_token(token) else None


def _is_token(text: str) -> bool:
    # bytes.translate, because a regular expression costs five times as much for a kilobyte, on every request.
    try:
        body = text.encode("ascii").rstrip(b"=")
    except UnicodeEncodeError:
        return False
    return bool(body) and not body.translate(None, _TOKEN_BYTES)


def _token_of(text: str, where: str) -> str:
    if not _is_token(text):
        raise Denied(Reason.CREDENTIAL_MALFORMED, f"{where} holds something else than one token")
    return text
