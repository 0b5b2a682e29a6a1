"""The generic headers of a scope."""

import json
from datetime import date
from typing import Any

import pytest

from authz.errors import Denied, Reason
from authz.policy.policyset import CacheRule, HeaderForm
from authz.rendering.headers import MAX_HEADER_BYTES, header_names, scope_headers
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import Between, OneOf, one_of
from authz.scopes.rowfilter import EVERYTHING, NOTHING, RowFilter, any_of, where
from tests.allows import EU, EU_A_OR_US_B, POLICY_VERSION, allow, allow_tables, principal

VALUES, JSON, SQL = (HeaderForm.VALUES,), (HeaderForm.JSON,), (HeaderForm.SQL,)


def _headers(rows: RowFilter = EU, *, subject: str = "alice", **changes: Any) -> dict[str, str]:
    return dict(scope_headers(allow(rows, **changes), principal(subject), POLICY_VERSION))


@pytest.mark.parametrize("rows", [EU_A_OR_US_B, NOTHING])
def test_values_refuse_what_they_cannot_say(rows: RowFilter) -> None:
    """{EU, A} or {US, B} as two lists would be four combinations."""
    with pytest.raises(Denied) as caught:
        _headers(rows, headers=VALUES)
    assert caught.value.reason is Reason.SCOPE_NOT_EXPRESSIBLE


@pytest.mark.parametrize("dimension", ["id", "subject", "json", "decision_id"])
def test_a_dimension_never_takes_the_header_of_something_else(dimension: str) -> None:
    """`x-scope-id` is the scope id."""
    with pytest.raises(Denied, match="has no header of its own"):
        _headers(EVERYTHING, headers=VALUES, columns={dimension: "c"})


def test_two_dimensions_never_share_a_header() -> None:
    """`a_b` and `a-b` would."""
    with pytest.raises(Denied, match="has no header of its own"):
        _headers(EVERYTHING, headers=VALUES, columns={"a_b": "x", "a-b": "y"})


@pytest.mark.parametrize("form", [JSON, SQL, VALUES])
def test_a_header_that_is_too_large_is_refused(form: tuple[HeaderForm, ...]) -> None:
    """Cut, it would say something else; and a server would drop it or the request."""
    rows = where({"region": one_of([f"region-{n:04d}" for n in range(1_000)])})
    with pytest.raises(Denied) as caught:
        _headers(rows, headers=form)
    assert caught.value.reason is Reason.SCOPE_TOO_LARGE


def test_a_scope_that_cannot_fit_is_not_even_written() -> None:
    """Its size is known from the number of its values."""
    rows = where({"region": one_of([f"{n}" for n in range(100_000)])})
    with pytest.raises(Denied, match="`sql` of 100000 values"):
        _headers(rows, headers=SQL)


def test_all_headers_together_have_a_limit() -> None:
    """Each of them may fit, and the request not."""
    rows = where({f"d{n}": one_of([f"region-{m:04d}" for m in range(600)]) for n in range(4)})
    with pytest.raises(Denied, match="bytes of headers, at most 24576"):
        _headers(rows, headers=VALUES, columns={f"d{n}": "c" for n in range(4)})


def test_a_subject_that_is_too_large_is_refused() -> None:
    """A token may be larger than a header."""
    with pytest.raises(Denied) as caught:
        _headers(subject="\u00e9" * (MAX_HEADER_BYTES // 6 + 1))
    assert caught.value.reason is Reason.SCOPE_TOO_LARGE


@pytest.mark.parametrize("changes", [{"identity_headers": False}, {"cache": CacheRule(ttl_seconds=60)}])
def test_nobody_is_named_where_answers_are_shared(changes: dict[str, Any]) -> None:
    """The first one's name would be in everybody's answer."""
    headers = _headers(**changes)
    assert "x-scope-subject" not in headers
    assert "x-scope-issuer" not in headers


def test_who_asks_is_named_otherwise() -> None:
    """Safely, whatever the subject holds."""
    headers = _headers(subject="al\r\nice\u2019")
    assert headers["x-scope-subject"] == "al%0D%0Aice%E2%80%99"
    assert headers["x-scope-issuer"] == "okta"


def test_what_a_scope_is_for_is_always_said() -> None:
    """So that a warehouse can refuse a scope for another one."""
    headers = _headers(headers=())
    assert headers["x-scope-warehouse"] == "sales"
    assert headers["x-scope-policy"] == POLICY_VERSION
    assert headers["x-scope-id"] == allow(EU).scope.id


def test_values_name_every_dimension() -> None:
    """A free one with `*`; a header that is missing is a mistake then."""
    rows = where(
        {
            "region": OneOf(("EU", "UK")),
            "ordered_at": Between(low=date(2025, 10, 19), high=date(2026, 11, 23)),
        }
    )
    headers = _headers(rows, headers=VALUES, columns={"region": "r", "ordered_at": "o", "product": "p"})
    assert headers["x-scope-region"] == "EU,UK"
    assert headers["x-scope-ordered-at"] == "2025-10-19..2026-11-23"
    assert headers["x-scope-product"] == "*"
    assert _headers(EVERYTHING, headers=VALUES)["x-scope-region"] == "*"


def test_json_says_the_whole_scope() -> None:
    """Rows by dimension, columns by name, and which column a dimension is."""
    treatments = {"email": ColumnMask.HIDDEN, "phone": ColumnMask.LAST4}
    document = json.loads(_headers(EU_A_OR_US_B, headers=JSON, treatments=treatments)["x-scope-json"])
    assert document == {
        "format": 1,
        "id": allow(EU_A_OR_US_B, treatments).scope.id,
        "warehouse": "sales",
        "columns": {"region": "sales_region", "product": "product"},
        "rows": [
            {"product": {"type": "string", "in": ["A"]}, "region": {"type": "string", "in": ["EU"]}},
            {"product": {"type": "string", "in": ["B"]}, "region": {"type": "string", "in": ["US"]}},
        ],
        "hidden": ["email"],
        "masked": {"phone": "last4"},
    }


def test_json_is_ascii_and_compact() -> None:
    r"""`\u` escapes, no spaces."""
    text = _headers(where({"region": OneOf(("Zo\u00eb \x7f",))}), headers=JSON)["x-scope-json"]
    assert text.isascii()
    assert text.isprintable()
    assert r"Zo\u00eb \u007f" in text
    assert ": " not in text


def test_sql_is_in_the_dialect_of_the_warehouse() -> None:
    """And names columns, not dimensions."""
    assert _headers(headers=SQL)["x-scope-sql"] == "\"sales_region\" = 'EU'"
    assert _headers(headers=SQL, dialect="mysql")["x-scope-sql"] == "`sales_region` = 'EU'"
    assert _headers(EVERYTHING, headers=SQL)["x-scope-sql"] == "1 = 1"
    assert _headers(NOTHING, headers=SQL)["x-scope-sql"] == "1 = 0"
    assert _headers(where({"region": OneOf(("100%",))}), headers=SQL)["x-scope-sql"].endswith("'100%25'")


def test_columns_are_named_only_if_there_are_any() -> None:
    """By column; the mask follows `=`."""
    assert not {"x-scope-hidden", "x-scope-masked"} & set(_headers())
    treatments = {
        "b": ColumnMask.HIDDEN,
        "a,=": ColumnMask.HIDDEN,
        "c": ColumnMask.HASH,
        "d": ColumnMask.NULL,
    }
    headers = _headers(treatments=treatments)
    assert headers["x-scope-hidden"] == "a%2C%3D,b"
    assert headers["x-scope-masked"] == "c=hash,d=null"


@pytest.mark.parametrize(
    "headers", [(), JSON, SQL, VALUES, (HeaderForm.VALUES, HeaderForm.JSON, HeaderForm.SQL)]
)
@pytest.mark.parametrize("mask", [None, ColumnMask.HIDDEN, ColumnMask.HASH])
@pytest.mark.parametrize("identity", [True, False])
def test_the_announced_names_are_the_names(
    headers: tuple[HeaderForm, ...],
    mask: ColumnMask | None,
    identity: bool,  # noqa: FBT001 - a table of cases
) -> None:
    """Whatever a client sent under another name is removed, so a name that is wrong here would let it pass."""
    decision = allow(EU, {} if mask is None else {"email": mask}, headers=headers, identity_headers=identity)
    assert tuple(name for name, _ in scope_headers(decision, principal(), POLICY_VERSION)) == header_names(
        decision
    )


def test_alternatives_that_merge_can_be_said() -> None:
    """They differ in one dimension only."""
    rows = any_of(where({"region": OneOf((region,))}) for region in ("UK", "EU"))
    assert _headers(rows, headers=VALUES)["x-scope-region"] == "EU,UK"


def test_a_warehouse_of_tables_is_told_each_table() -> None:
    """In a format of its own, so that no reader of the other takes the scope for one without columns."""
    told = allow_tables(EU_A_OR_US_B, pii=ColumnMask.HASH, financial=ColumnMask.HIDDEN)
    headers = dict(scope_headers(told, principal(), POLICY_VERSION))
    assert tuple(headers) == header_names(told)
    assert headers["x-scope-hidden"] == "lake.sales.orders.amount"
    assert headers["x-scope-masked"] == "lake.sales.orders.email=hash"
    scope = json.loads(headers["x-scope-json"])
    assert scope["format"] == 2
    assert scope["labels"] == {"financial": "hidden", "pii": "hash"}
    assert "columns" not in scope
    assert scope["tables"]["lake.sales.targets"] == {
        "columns": {"region": "area"},
        "hidden": [],
        "masked": {},
        "rows": [{"region": {"in": ["EU", "US"], "type": "string"}}],
    }


def test_one_predicate_is_never_that_of_several_tables() -> None:
    """The policy does not load with it; a decision that comes here all the same is a denial."""
    with pytest.raises(Denied) as caught:
        scope_headers(allow_tables(headers=SQL), principal(), POLICY_VERSION)
    assert caught.value.reason is Reason.SCOPE_NOT_EXPRESSIBLE
