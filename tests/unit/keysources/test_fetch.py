"""The rules of a URL, before any connection."""

import pytest

from authz.keysources.fetch import FetchError, FetchRules, check_url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "keys.json",
        "/keys.json",
        "//issuer.example/keys",
        "http://issuer.example/keys",
        "ftp://issuer.example/keys",
        "file:///etc/passwd",
        "https://",
        "https:///keys",
        "https://user@issuer.example/keys",
        "https://user:canary@issuer.example/keys",
        "https://issuer.example/keys#fragment",
        "https://issuer.example:999999/keys",
        "https://[::1/keys",
        "unix:/run/socket",
    ],
)
def test_a_url_that_may_not_be_fetched_is_refused(url: str) -> None:
    """Another scheme, no host, credentials, a fragment; and the message repeats no password."""
    with pytest.raises(FetchError) as caught:
        check_url(url, FetchRules())
    assert "canary" not in str(caught.value)


def test_https_is_fetched() -> None:
    """The neighbour of the refused ones; `http` only where it is allowed."""
    assert check_url("https://issuer.example:8443/keys?x=1", FetchRules()).port == 8_443
    assert check_url("http://issuer.example/keys", FetchRules(allow_http=True)).scheme == "http"
    with pytest.raises(FetchError):
        check_url("ftp://issuer.example/keys", FetchRules(allow_http=True))
