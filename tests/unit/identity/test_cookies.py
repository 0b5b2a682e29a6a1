"""One cookie out of a request."""

import pytest

from authz.errors import Denied, Reason
from authz.identity.cookies import find_cookie
from authz.request import AccessRequest


def find(*values: str, name: str = "CF_Authorization") -> str | None:
    headers = {"cookie": values} if values else {}
    return find_cookie(AccessRequest(method="GET", host="edge.example", path="/", headers=headers), name)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("CF_Authorization=a; CF_Authorization=b", Reason.REQUEST_AMBIGUOUS),
        ("CF_Authorization=a; CF_Authorization=a", Reason.REQUEST_AMBIGUOUS),
        ("CF_Authorization=a;CF_Authorization=a", Reason.REQUEST_AMBIGUOUS),
        ("CF_Authorization=a; cf_authorization=b", Reason.CREDENTIAL_MALFORMED),
        ("CF_Authorization =a", Reason.CREDENTIAL_MALFORMED),
        ("  CF_Authorization=a", Reason.CREDENTIAL_MALFORMED),
        ("x=1;\tCF_Authorization=a", Reason.CREDENTIAL_MALFORMED),
        ("CF_Authorization", Reason.CREDENTIAL_MALFORMED),
        ('CF_Authorization="a"', Reason.CREDENTIAL_MALFORMED),
        ("CF_Authorization=a b", Reason.CREDENTIAL_MALFORMED),
        ("CF_Authorization=a,b", Reason.CREDENTIAL_MALFORMED),
        ("CF_Authorization=\u00e9", Reason.CREDENTIAL_MALFORMED),
        ("CF_Authorization=a\\b", Reason.CREDENTIAL_MALFORMED),
    ],
)
def test_a_cookie_that_two_parsers_would_read_differently_is_refused(value: str, reason: Reason) -> None:
    """Twice (cookie tossing), in another case, with spaces, quotes or other odd characters."""
    with pytest.raises(Denied) as caught:
        find(value)
    assert caught.value.reason is reason


def test_two_cookie_headers_are_ambiguous() -> None:
    """Some servers join them, some read one."""
    with pytest.raises(Denied) as caught:
        find("CF_Authorization=a", "x=1")
    assert caught.value.reason is Reason.REQUEST_AMBIGUOUS


def test_the_one_cookie_is_found() -> None:
    """By its exact name; others are nobody's business."""
    assert find("a=1; CF_Authorization=abc.def.ghi; CF_AuthorizationX=2") == "abc.def.ghi"
    assert find("XCF_Authorization=1; =; ;x") is None
    assert find("a=CF_Authorization=1") is None
    assert find("CF_Authorization=") == ""
    assert find() is None
