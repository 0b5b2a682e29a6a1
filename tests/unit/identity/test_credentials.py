"""Reading credentials from a request: which places are looked at, and that two tokens are none."""

import base64

import pytest

from authz.errors import Denied, Reason
from authz.identity.accepts import (
    BEARER,
    AcceptedCredentials,
    Authentication,
    Basic,
    Cookie,
    Header,
    TokenPlace,
)
from authz.identity.credentials import Credentials, StatedUser, read_credentials
from authz.memory import MAX_REMEMBERED_TEXT
from authz.request import AccessRequest

HEADER = Header("cf-access-jwt-assertion")
COOKIE = Cookie("__Host-warehouse")
ALL = (BEARER, Basic(), HEADER, COOKIE)


def basic(user: str = "ann", password: str = "abc.def.ghi") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def read(
    *authorization: str, places: tuple[TokenPlace, ...] = (BEARER,), pem: str | None = None, **headers: str
) -> Credentials:
    """Header names are written with underscores; a value with a line feed stands for two headers."""
    given = {name.replace("_", "-"): tuple(value.split("\n")) for name, value in headers.items()}
    if authorization:
        given["authorization"] = authorization
    request = AccessRequest(
        method="POST", host="edge.example", path="/api/", headers=given, certificate_pem=pem
    )
    accepts = AcceptedCredentials(
        authentication=Authentication.ANY, issuers=frozenset(), trusts=frozenset(), places=places
    )
    return read_credentials(request, accepts)


def refusal(*authorization: str, places: tuple[TokenPlace, ...] = (BEARER,), **headers: str) -> Reason:
    with pytest.raises(Denied) as caught:
        read(*authorization, places=places, **headers)
    words = [word for value in authorization for word in value.split()[1:]] + [*headers.values()]
    assert not any(word in caught.value.detail for word in words if len(word) > 6)
    return caught.value.reason


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "bearer\tabc",
        "Bearer abc def",
        "Bearer a\u00e9c",
        "Bearer abc\n",
        "Bearer abc\x00",
        "Bearer =",
        "Basic dXNlcjpwYXNz",
        "abc.def.ghi",
        "DPoP abc",
        "Bearerabc",
    ],
)
def test_anything_but_one_bearer_token_is_malformed(value: str) -> None:
    """A header that cannot be read is never the same as no header."""
    assert refusal(value) is Reason.CREDENTIAL_MALFORMED


def test_several_headers_are_ambiguous() -> None:
    """Two values: nobody knows which one the warehouse would read."""
    assert refusal("Bearer abc", "Bearer abc") is Reason.REQUEST_AMBIGUOUS
    assert refusal(places=ALL, cf_access_jwt_assertion="abc\nabc") is Reason.REQUEST_AMBIGUOUS
    assert (
        refusal(places=ALL, cookie="__Host-warehouse=abc\n__Host-warehouse=abc") is Reason.REQUEST_AMBIGUOUS
    )


@pytest.mark.parametrize("value", ["Bearer abc, Bearer def", "Bearer abc,def", "Basic YWJj, Bearer xyz", ","])
@pytest.mark.parametrize("places", [(BEARER,), ALL, (HEADER,)])
def test_joined_values_are_ambiguous(value: str, places: tuple[TokenPlace, ...]) -> None:
    """A proxy joins two headers with a comma."""
    assert refusal(value, places=places) is Reason.REQUEST_AMBIGUOUS


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_a_bearer_token_is_read(scheme: str) -> None:
    """The scheme is case-insensitive (RFC 9110 section 11.1)."""
    assert read(f"{scheme}abc.def-_.ghi").token == "abc.def-_.ghi"


def test_the_same_value_gives_the_same_token_and_a_long_one_is_not_kept() -> None:
    """What is kept of it is not the client's to choose; it is read all the same, and refused for its length by others."""
    first, again = (read(f"Bearer {'a' * 900}").token for _ in range(2))
    assert first is again
    long, other = (read(f"Bearer {'a' * MAX_REMEMBERED_TEXT}").token for _ in range(2))
    assert long == other == "a" * MAX_REMEMBERED_TEXT
    assert long is not other


def test_nothing_presented_is_no_credentials() -> None:
    """Whether that is enough is for the authenticator to say."""
    for places in ((BEARER,), ALL, ()):
        assert read(places=places) == Credentials(token=None, certificate_pem=None)


def test_the_certificate_comes_from_the_handshake() -> None:
    """Never from a header; an empty text is none."""
    assert read(pem="PEM").certificate_pem == "PEM"
    assert read(pem="").certificate_pem is None


def test_credentials_never_show_in_a_repr() -> None:
    """A log line or a traceback of ours must not hold a token."""
    credentials = read(basic("canary", "canary"), places=ALL, pem="canary")
    assert credentials.token == "canary"
    assert "canary" not in repr(credentials)


@pytest.mark.parametrize(
    ("authorization", "headers"),
    [
        (("Bearer abc",), {"cf_access_jwt_assertion": "abc"}),
        (("Bearer abc",), {"cookie": "__Host-warehouse=abc"}),
        ((basic(),), {"cookie": "__Host-warehouse=abc"}),
        ((), {"cookie": "__Host-warehouse=abc", "cf_access_jwt_assertion": "abc"}),
    ],
)
def test_two_tokens_in_two_places_are_ambiguous(
    authorization: tuple[str, ...], headers: dict[str, str]
) -> None:
    """Also where they are equal: whoever reads the request next may look at the other place only."""
    assert refusal(*authorization, places=ALL, **headers) is Reason.REQUEST_AMBIGUOUS


@pytest.mark.parametrize("value", ["Bearer abc", basic(), "Negotiate abc", "", "abc"])
def test_authorization_is_never_passed_over(value: str) -> None:
    """Where no token may stand in it, it is somebody's credential all the same."""
    assert refusal(value, places=(HEADER, COOKIE)) is Reason.CREDENTIAL_MALFORMED
    assert refusal(value, places=(HEADER,), cf_access_jwt_assertion="abc") is Reason.CREDENTIAL_MALFORMED


def test_a_place_that_is_not_configured_is_not_read() -> None:
    """A token there is no token; it never reaches the warehouse either."""
    assert read(cf_access_jwt_assertion="abc", cookie="__Host-warehouse=abc").token is None
    assert read(cookie="__Host-warehouse=abc", places=(HEADER,)).token is None


@pytest.mark.parametrize(
    "value", ["", " ", "Bearer", "Bearer ", "Basic abc", "abc def", "abc,def", "a\u00e9"]
)
def test_a_configured_header_with_something_else_is_malformed(value: str) -> None:
    """An empty one, too: it was meant to say something."""
    assert refusal(places=(HEADER,), cf_access_jwt_assertion=value) is Reason.CREDENTIAL_MALFORMED


@pytest.mark.parametrize("value", ["abc.def.ghi", "Bearer abc.def.ghi", "bearer  abc.def.ghi"])
def test_a_configured_header_holds_a_bare_token_or_bearer(value: str) -> None:
    """Cloudflare sends it bare, others copy `Authorization`."""
    assert read(places=(HEADER,), cf_access_jwt_assertion=value).token == "abc.def.ghi"


def test_a_token_in_a_cookie_is_read() -> None:
    """Among others, whatever those look like."""
    cookie = "theme=dark; __Host-warehouse=abc.def.ghi; junk; odd=a,b \u00e9"
    assert read(places=(COOKIE,), cookie=cookie).token == "abc.def.ghi"
    assert read(places=(COOKIE,), cookie="theme=dark").token is None
    assert refusal(places=(COOKIE,), cookie="__Host-warehouse=") is Reason.CREDENTIAL_MALFORMED
    assert refusal(places=(COOKIE,), cookie="__Host-warehouse=Bearer abc") is Reason.CREDENTIAL_MALFORMED


def test_basic_is_a_token_with_a_user_name() -> None:
    """Who compares the name is the authenticator; what it is compared with is configured."""
    credentials = read(basic("Ann \u00c9"), places=(Basic("email"),))
    assert (credentials.token, credentials.user) == (
        "abc.def.ghi",
        StatedUser(name="Ann \u00c9", claim="email"),
    )
    assert read("Bearer abc", places=(Basic(), BEARER)).user is None
    assert refusal("Bearer abc", places=(Basic(),)) is Reason.CREDENTIAL_MALFORMED
    assert refusal(basic(), places=(BEARER,)) is Reason.CREDENTIAL_MALFORMED


def with_chain(*values: str, pem: str | None, believed: bool = True) -> Credentials:
    request = AccessRequest(
        method="GET",
        host="edge.example",
        path="/api/",
        headers={"x-forwarded-client-cert": values} if values else {},
        certificate_pem=pem,
    )
    accepts = AcceptedCredentials(
        authentication=Authentication.CERTIFICATE,
        issuers=frozenset(),
        trusts=frozenset(),
        client_chain=believed,
    )
    return read_credentials(request, accepts)


def test_what_a_header_says_of_a_certificate_is_looked_at_only_where_that_is_declared() -> None:
    """A header alone is no certificate, two are none, and where it is not declared it does not exist."""
    for values, pem in ((("x",), None), (("x", "y"), "pem")):
        with pytest.raises(Denied) as caught:
            with_chain(*values, pem=pem)
        assert caught.value.reason is Reason.REQUEST_AMBIGUOUS
    assert with_chain("x", pem="pem").client_chain == "x"
    assert with_chain(pem="pem").client_chain is None
    assert with_chain("x", "y", pem="pem", believed=False).client_chain is None
    assert with_chain("x", pem=None, believed=False) == Credentials(token=None, certificate_pem=None)
    assert "x-secret" not in repr(with_chain("x-secret", pem="pem"))


def test_another_sites_page_gets_nothing_out_of_a_cookie() -> None:
    """The browser adds it whoever asks; a header has to be put there by somebody who knows the token."""
    assert (
        refusal(places=ALL, cookie="__Host-warehouse=abc.def.ghi", origin="https://evil.example")
        is Reason.CREDENTIAL_CROSS_SITE
    )
    assert read(places=ALL, cf_access_jwt_assertion="abc.def.ghi", origin="https://evil.example").token
    assert read("Bearer abc.def.ghi", places=ALL, origin="https://evil.example").token
