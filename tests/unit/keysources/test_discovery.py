"""Discovery documents."""

import json

import pytest

from authz.keysources.discovery import discovery_url, parse_discovery
from authz.keysources.fetch import FetchError
from tests.tokens import ISSUER, make_issuer

OKTA = make_issuer()
GOOD = {"issuer": ISSUER, "jwks_uri": "https://issuer.example/keys"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (json.dumps({**GOOD, "issuer": ISSUER + "/"}).encode(), f"`issuer` is not `{ISSUER}`"),
        (json.dumps({"jwks_uri": "https://x"}).encode(), f"`issuer` is not `{ISSUER}`"),
        (json.dumps({"issuer": ISSUER}).encode(), "`jwks_uri` is no string"),
        (json.dumps({**GOOD, "jwks_uri": ["https://x"]}).encode(), "`jwks_uri` is no string"),
        (
            f'{{"issuer":"{ISSUER}","issuer":"{ISSUER}","jwks_uri":"https://x"}}'.encode(),
            "a name occurs twice",
        ),
    ],
)
def test_a_document_that_is_not_this_issuers_is_refused(body: bytes, message: str) -> None:
    """OpenID Connect Discovery 1.0 section 4.3: exactly the issuer."""
    with pytest.raises(FetchError) as caught:
        parse_discovery(body, OKTA)
    assert message in str(caught.value)
    assert "issuer `okta`" in str(caught.value)


def test_the_key_set_is_where_the_document_says() -> None:
    """The neighbour of the refused ones."""
    assert parse_discovery(json.dumps(GOOD).encode(), OKTA) == "https://issuer.example/keys"


def test_the_document_is_below_the_issuer() -> None:
    """Section 4: a trailing slash goes first."""
    expected = "https://issuer.example/a/.well-known/openid-configuration"
    assert discovery_url("https://issuer.example/a") == expected
    assert discovery_url("https://issuer.example/a/") == expected
