"""A cookie is sent by the browser, whoever wrote the page."""

import pytest

from authz.errors import Denied, Reason
from authz.identity.crosssite import check_own_site
from authz.request import AccessRequest


def ask(method: str = "POST", **headers: str) -> None:
    given = {name.replace("_", "-"): (value,) for name, value in headers.items()}
    check_own_site(AccessRequest(method=method, host="edge.example", path="/", headers=given))


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {"origin": "https://evil.example"}),
        ("GET", {"origin": "https://evil.example"}),
        ("POST", {"origin": "null"}),
        ("POST", {"origin": ""}),
        ("POST", {"origin": "http://edge.example"}),
        ("POST", {"origin": "https://edge.example.evil.example"}),
        ("POST", {"origin": "https://evil.example/edge.example"}),
        ("POST", {"origin": "https://["}),
        ("GET", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}),
        ("GET", {"sec_fetch_site": "cross-site"}),
        ("POST", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}),
    ],
)
def test_another_sites_request_is_refused(method: str, headers: dict[str, str]) -> None:
    """A form, a script, an image of another page would run a query as the person who looks at it."""
    with pytest.raises(Denied) as caught:
        ask(method, **headers)
    assert caught.value.reason is Reason.CREDENTIAL_CROSS_SITE


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {}),
        ("POST", {"origin": "https://edge.example", "sec_fetch_site": "same-origin"}),
        ("POST", {"origin": "https://edge.example:8443"}),
        ("GET", {"sec_fetch_site": "none", "sec_fetch_mode": "navigate"}),
        ("GET", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}),
    ],
)
def test_ones_own_request_passes(method: str, headers: dict[str, str]) -> None:
    """Also that of a tool that is no browser, and a link that somebody followed."""
    ask(method, **headers)
