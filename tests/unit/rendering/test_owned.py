"""The one list of owned and removed names."""

import re

import pytest

from authz.identity.accepts import AcceptedCredentials, Authentication, Cookie, Header
from authz.rendering.owned import (
    CREDENTIAL_HEADERS,
    OWNED_HEADERS,
    REMOVED_HEADERS,
    RESERVED_DIMENSIONS,
    dimension_header,
    is_owned,
    mutable_headers_expression,
    removed_headers,
)
from tests.allows import warehouse

PLAIN = warehouse()
TOKENS = warehouse(
    accepts=AcceptedCredentials(
        authentication=Authentication.TOKEN,
        issuers=frozenset(),
        trusts=frozenset(),
        places=(Header("x-database-token"), Cookie("session")),
    ),
    token_headers=frozenset({"x-other-token"}),
)
MUTABLE = mutable_headers_expression([PLAIN])


@pytest.mark.parametrize(
    "name",
    ["host", ":path", ":authority", ":method", "x-forwarded-for", "x-forwarded-proto", "x-request-id", "accept",
     "x-scope-", "x-scope-a\nhost", "x-scope-a b", "ax-scope-id", "authorization2", "x-authorization"],
)  # fmt: skip
def test_an_answer_may_not_touch_anything_else(name: str) -> None:
    """Least of all what Envoy decides by."""
    assert not re.fullmatch(MUTABLE, name)
    assert not re.fullmatch(mutable_headers_expression([PLAIN, TOKENS]), name)


@pytest.mark.parametrize(
    "name", [*REMOVED_HEADERS, "x-scope-id", "x-scope-order-date", "x-scope-decision-id"]
)
def test_an_answer_may_touch_what_it_sets_and_removes(name: str) -> None:
    """Or Envoy would answer 500."""
    assert re.fullmatch(MUTABLE, name)
    assert is_owned(name, PLAIN)


def test_what_scopegate_reads_is_not_removed_before_it_reads_it() -> None:
    """Credentials go with the answer; the rest goes early."""
    assert not set(CREDENTIAL_HEADERS) & set(OWNED_HEADERS)
    assert {"authorization", "cookie", "proxy-authorization", "x-forwarded-client-cert"} <= set(
        CREDENTIAL_HEADERS
    )


def test_no_name_stands_twice_and_all_are_lower_case() -> None:
    """Envoy compares lower-case names."""
    assert len(set(REMOVED_HEADERS)) == len(REMOVED_HEADERS)
    assert all(name == name.lower() and "_" not in name for name in REMOVED_HEADERS)


def test_dimensions_whose_header_means_something_else_are_reserved() -> None:
    """A dimension `id` would overwrite the scope id."""
    assert {"id", "subject", "sql", "json", "hidden", "decision_id"} <= RESERVED_DIMENSIONS
    assert "region" not in RESERVED_DIMENSIONS
    assert dimension_header("ordered_at") == "x-scope-ordered-at"


def test_ordinary_headers_are_not_owned() -> None:
    """They pass."""
    assert not is_owned("accept", TOKENS)
    assert not is_owned("x-scopes", TOKENS)


def test_every_place_of_a_token_is_removed_and_may_be() -> None:
    """Also where the token is meant for another warehouse, which must not come to hold it."""
    for name in ("x-database-token", "x-other-token"):
        assert not is_owned(name, PLAIN)
        assert is_owned(name, TOKENS)
        assert name in removed_headers(TOKENS)
        assert not re.fullmatch(MUTABLE, name)
        assert re.fullmatch(mutable_headers_expression([PLAIN, TOKENS]), name)
    assert set(removed_headers(PLAIN)) == set(REMOVED_HEADERS)
    assert len(set(removed_headers(TOKENS))) == len(removed_headers(TOKENS))
