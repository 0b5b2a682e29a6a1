"""Reading credentials from a request."""

import pytest

from authz.errors import Denied, Reason
from authz.identity.credentials import read_credentials
from authz.request import AccessRequest


def request(*values: str, certificate_pem: str | None = None) -> AccessRequest:
    headers = {"authorization": values} if values else {}
    return AccessRequest(
        method="GET", host="edge.example", path="/api/", headers=headers, certificate_pem=certificate_pem
    )


def refusal(*values: str) -> Reason:
    with pytest.raises(Denied) as caught:
        read_credentials(request(*values))
    assert not any(word in caught.value.detail for value in values for word in value.split()[1:])
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


@pytest.mark.parametrize("value", ["Bearer abc, Bearer def", "Bearer abc,def", "Basic YWJj, Bearer xyz", ","])
def test_joined_values_are_ambiguous(value: str) -> None:
    """A proxy joins two headers with a comma."""
    assert refusal(value) is Reason.REQUEST_AMBIGUOUS


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_a_bearer_token_is_read(scheme: str) -> None:
    """The scheme is case-insensitive (RFC 9110 section 11.1)."""
    assert read_credentials(request(f"{scheme}abc.def-_.ghi")).token == "abc.def-_.ghi"


def test_nothing_presented_is_no_credentials() -> None:
    """Whether that is enough is for the authenticator to say."""
    credentials = read_credentials(request())
    assert (credentials.token, credentials.certificate_pem) == (None, None)


def test_the_certificate_comes_from_the_handshake() -> None:
    """Never from a header; an empty text is none."""
    assert read_credentials(request(certificate_pem="PEM")).certificate_pem == "PEM"
    assert read_credentials(request(certificate_pem="")).certificate_pem is None


def test_credentials_never_show_in_a_repr() -> None:
    """A log line or a traceback of ours must not hold a token."""
    credentials = read_credentials(request("Bearer canary", certificate_pem="canary"))
    assert "canary" not in repr(credentials)
