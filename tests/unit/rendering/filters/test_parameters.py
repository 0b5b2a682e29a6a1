"""A raw query is read in one way only, or refused; what is written can be read in one way only."""

import pytest

from authz.errors import Denied, Reason
from authz.rendering.filters.parameters import check_value, read_parameters, written
from authz.rendering.headers import MAX_HEADER_BYTES
from authz.request import MAX_TARGET_CHARACTERS


def _refused(query: str) -> Reason:
    with pytest.raises(Denied) as caught:
        read_parameters(query)
    return caught.value.reason


def test_names_and_values_are_decoded_once() -> None:
    """A plus is a space; empty parts are nothing; an order is kept, and duplicates are, too."""
    assert read_parameters("") == ()
    assert read_parameters("&a=1&&b%2Bc=x+y%2Bz&a==") == (("a", "1"), ("b+c", "x y+z"), ("a", "="))
    assert read_parameters("q=%C3%A9%25") == (("q", "é%"),)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("a=1;b=2", Reason.REQUEST_AMBIGUOUS),
        ("a=%2527", Reason.REQUEST_AMBIGUOUS),
        ("%2524filter=x", Reason.REQUEST_AMBIGUOUS),
        ("a", Reason.REQUEST_MALFORMED),
        ("a=%FF", Reason.REQUEST_MALFORMED),
        ("a=%00", Reason.REQUEST_MALFORMED),
        ("a=x%0Ay", Reason.REQUEST_MALFORMED),
        ("a=%C2%85", Reason.REQUEST_MALFORMED),
        ("a=%ED%A0%80", Reason.REQUEST_MALFORMED),
    ],
)
def test_what_two_servers_read_differently_is_refused(query: str, reason: Reason) -> None:
    """Another separator, a second decoding, no UTF-8, a line break."""
    assert _refused(query) is reason


def test_everything_that_is_no_letter_is_encoded() -> None:
    """But the `$` of a name: some servers know no other spelling."""
    assert written([("$filter", "a eq 'x&y;z+%#'"), ("é", "1,2")]) == (
        "$filter=a%20eq%20%27x%26y%3Bz%2B%25%23%27&%C3%A9=1%2C2"
    )


def test_a_query_too_long_for_servers_is_refused() -> None:
    """Encoding makes it longer than it was."""
    most = (MAX_TARGET_CHARACTERS - len("a=")) // 3
    assert len(written([("a", "'" * most)])) <= MAX_TARGET_CHARACTERS
    with pytest.raises(Denied) as caught:
        written([("a", "'" * (most + 1))])
    assert caught.value.reason is Reason.REQUEST_TOO_LARGE


def test_a_filter_of_ours_is_short_and_reads_as_it_is() -> None:
    """One byte more is one too many; what another decoding would change is refused."""
    assert check_value("x" * MAX_HEADER_BYTES)
    assert check_value("100% of it")
    for text, reason in (
        ("x" * (MAX_HEADER_BYTES + 1), Reason.SCOPE_TOO_LARGE),
        ("'" * (MAX_HEADER_BYTES // 3 + 1), Reason.SCOPE_TOO_LARGE),
        ("region.eq.%22", Reason.SCOPE_NOT_EXPRESSIBLE),
    ):
        with pytest.raises(Denied) as caught:
            check_value(text)
        assert caught.value.reason is reason
