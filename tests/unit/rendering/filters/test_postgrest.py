"""PostgREST's parameters: ours say the scope exactly; of a client's, what is not known to narrow is refused."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from authz.errors import Denied, Reason
from authz.rendering.filters.parameters import read_parameters
from authz.rendering.filters.postgrest import query, row_conditions
from authz.scopes.constraints import Between, Constraint, OneOf
from authz.scopes.rowfilter import EVERYTHING, NOTHING, RowFilter, any_of, where
from tests.allows import EU, EU_A_OR_US_B

COLUMNS = {"region": "sales_region", "product": "product", "day": "day", "at": "at", "x": "Order of"}
OURS = 'sales_region.eq."EU"'


def _of(constraint: Constraint, dimension: str = "day") -> tuple[str, ...]:
    return row_conditions(where({dimension: constraint}), COLUMNS)


def _asked(text: str, rows: RowFilter = EU) -> dict[str, str]:
    found = query(row_conditions(rows, COLUMNS), read_parameters(text))
    assert len({name for name, _ in found}) == len(found)
    return dict(found)


def _refused(text: str) -> Reason:
    with pytest.raises(Denied) as caught:
        query(row_conditions(EU, COLUMNS), read_parameters(text))
    return caught.value.reason


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (OneOf((7,)), ('day.eq."7"',)),
        (OneOf((-1, 2**63 - 1)), ('day.in.("-1","9223372036854775807")',)),
        (OneOf((Decimal("1.50"),)), ('day.eq."1.50"',)),
        (OneOf((True,)), ("day.is.true",)),
        (OneOf((False,)), ("day.is.false",)),
        (OneOf((False, True)), ("day.not.is.null",)),
        (OneOf((date(2026, 1, 1),)), ('day.eq."2026-01-01"',)),
        (OneOf(("a,b", 'c"d', "e\\", "f)")), ('day.in.("a,b","c\\"d","e\\\\","f)")',)),
        (Between(low=1, high=5), ('day.gte."1"', 'day.lte."5"')),
        (Between(low=Decimal("1.5"), low_open=True), ('day.gt."1.5"',)),
        (Between(high=datetime(2026, 1, 1, 12, 0, 0, 5, UTC), high_open=True), ('day.lt."2026-01-01T12:00:00.000005+00:00"',)),
    ],
)  # fmt: skip
def test_every_constraint_is_written_as_postgrest_has_it(
    constraint: Constraint, expected: tuple[str, ...]
) -> None:
    """Values in quotes, moments with their zone."""
    assert _of(constraint) == expected


def test_alternatives_are_one_group_and_names_are_quoted_where_they_must_be() -> None:
    """Each of them whole."""
    assert row_conditions(EU_A_OR_US_B, COLUMNS) == (
        'or(and(product.eq."A",sales_region.eq."EU"),and(product.eq."B",sales_region.eq."US"))',
    )
    assert row_conditions(where({"x": OneOf(("a",))}), COLUMNS) == ('"Order of".eq."a"',)
    assert row_conditions(where({"x": OneOf(("a",))}), {"x": "not"}) == ('"not".eq."a"',)
    either = any_of([where({"region": OneOf(("EU",))}), where({"product": OneOf(("A",))})])
    assert row_conditions(either, COLUMNS) == ('or(product.eq."A",sales_region.eq."EU")',)


def test_nothing_is_a_contradiction_and_everything_is_no_condition() -> None:
    """No row satisfies both."""
    assert row_conditions(NOTHING, COLUMNS) == ("sales_region.is.null", "sales_region.not.is.null")
    assert row_conditions(EVERYTHING, COLUMNS) == ()
    assert _asked("", EVERYTHING) == {}
    assert _asked("or=(a.eq.1)", EVERYTHING) == {"and": '(or(a.eq."1"))'}


@pytest.mark.parametrize(
    ("dimension", "constraint"),
    [
        ("region", Between(low="A")),
        ("region", OneOf(("%27",))),
        ("nowhere", OneOf(("a",))),
        ("y", OneOf((1,))),
    ],
)
def test_what_cannot_be_said_exactly_is_refused(dimension: str, constraint: Constraint) -> None:
    """A range of texts is the collation's; what looks encoded may be decoded; a dimension has a column."""
    with pytest.raises(Denied) as caught:
        row_conditions(where({dimension: constraint}), {**COLUMNS, "y": 'a"b'})
    assert caught.value.reason is Reason.SCOPE_NOT_EXPRESSIBLE


def test_a_scope_that_no_server_would_take_is_refused() -> None:
    """8 KiB, encoded."""
    with pytest.raises(Denied) as caught:
        row_conditions(where({"region": OneOf(tuple(f"region {n:04}" for n in range(400)))}), COLUMNS)
    assert caught.value.reason is Reason.SCOPE_TOO_LARGE


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", {}),
        ("select=id,total::text,n:name,data-%3E%3Ek,amount.sum(),count(),*", {"select": "id,total::text,n:name,data->>k,amount.sum(),count(),*"}),
        ("order=day.desc.nullslast,id&limit=10&offset=20", {"order": "day.desc.nullslast,id", "limit": "10", "offset": "20"}),
        ("total=gt.5", {"total": "gt.5"}),
        ("name=eq.%22x%22,)(", {"name": 'eq."x",)('}),
        ("name=not.in.(a,%22b,c%22)", {"name": 'not.in.("a","b,c")'}),
        ("name=in.()", {"name": "in.()"}),
        ("total=is.null", {"total": "is.null"}),
        ("body=fts(english).cat", {"body": "fts(english).cat"}),
        ("data-%3E%3Ecolor=eq.red", {"data->>color": "eq.red"}),
        ("größe=eq.1", {"größe": "eq.1"}),
        ("sales_region=eq.US", {"sales_region": "eq.US"}),
    ],
)  # fmt: skip
def test_what_narrows_goes_on(asked: str, expected: dict[str, str]) -> None:
    """Filters of its own, columns, aggregates, order and pages: within the scope."""
    asked = asked.replace("größe", "gr%C3%B6%C3%9Fe")
    assert _asked(asked) == {"and": f"({OURS})", **expected}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("or=(a.eq.1,b.gt.2)", 'or(a.eq."1",b.gt."2")'),
        ("and=(a.eq.1,or(b.is.null,c.in.(1,%22x,y%22)))", 'and(a.eq."1",or(b.is.null,c.in.("1","x,y")))'),
        ("not.and=(a.not.eq.1,not.or(b.like.*x*,b.is.true))", 'not.and(a.not.eq."1",not.or(b.like."*x*",b.is.true))'),
        ("or=(a.cs.{1,2},b.eq.)", 'or(a.cs."{1,2}",b.eq."")'),
        ("or=(a.eq.%22x)%22,b.eq.%22%5C%22%5C%5C%22)", 'or(a.eq."x)",b.eq."\\"\\\\")'),
        ("and=(a.eq.1)&or=(b.eq.2)&and=(c.eq.3)", 'and(a.eq."1"),or(b.eq."2"),and(c.eq."3")'),
    ],
)  # fmt: skip
def test_a_clients_groups_go_inside_ours(asked: str, expected: str) -> None:
    """One `and` alone: an API that takes the first or the last of two has ours either way."""
    assert _asked(asked) == {"and": f"({OURS},{expected})"}


@pytest.mark.parametrize(
    "asked",
    [
        # Other resources, which the filter of this one does not hold for.
        "select=*,customers(*)", "select=...customers(name)", "select=c:customers!inner(*)", "select=customers!fk(*)",
        "select=id,orders(*)", "customers.region=eq.US", "customers.or=(a.eq.1)", "customers.limit=1", "customers.order=a",
        "order=customers(name)", "order=customers(name).desc", "select=%22customers%22(*)",
        # What is for writing, or unknown.
        "columns=a", "on_conflict=id", "apikey=x", "select", "a%20b=eq.1", "%22a%22=eq.1", "a.b=eq.1", "__proto__=1", "not=eq.1",
        "select[]=id", "and[]=(a.eq.1)", "AND=(a.eq.1)", "%20and=(a.eq.1)", "and%00=(a.eq.1)", "not.not.and=(a.eq.1)",
        # Not a condition, more than one, or one of another kind.
        "total=5", "total=nope.5", "total=eq(any).{1,2}", "total=match.^a", "total=is.x", "total=is.null,b", "total=in.1,2", "total=in.(1,2",
        "total=in.(1)x", "total=in.(a%22)",
        "or=", "or=()", "or=(a.eq.1", "or=(a.eq.1))", "or=(a.eq.1)x", "or=(a.eq.1),(b.eq.2)", "or=a.eq.1", "or=der.eq.1", "or=(a.eq.%22x)",
        "or=(a.eq.%22x%22y)", "or=(a.eq.x%22y)", "or=(a.eq.%5C)", "or=(a.eq.(1))", "or=(a.in.1)", "or=(and.eq.1)", "or=(xor(a.eq.1))", "or=(a)",
        "or=(customers.a.eq.1)", "or=( a.eq.1)", "or=(%22a%22.eq.1)", "and=(or(a.eq.1)", "or=(a.is.null.x)", "or=" + "(and" * 20 + "(a.eq.1" + ")" * 21,
        "limit=-1", "limit=1,2", "limit=x", "offset=1e3", "select=", "select=a,,b", "select=a;b", "order=a.up", "order=", "select=a::int)", "select=fn(a)",
        "select=a.sum", "select=sum()",
    ],
)  # fmt: skip
def test_what_is_not_known_to_narrow_is_refused(asked: str) -> None:
    """Embedding above all: `select=customers(orders(*))` would come back to orders without a filter."""
    assert _refused(asked) in {
        Reason.PARAMETER_DENIED,
        Reason.REQUEST_MALFORMED,
        Reason.REQUEST_AMBIGUOUS,
    }


@pytest.mark.parametrize(
    "asked", ["select=a&select=b", "limit=1&limit=2", "order=a&order=b", "offset=1&offset=2"]
)
def test_what_comes_twice_is_refused_where_servers_take_one(asked: str) -> None:
    """Conditions may: all of them hold."""
    assert _refused(asked) is Reason.REQUEST_AMBIGUOUS
    found = query(row_conditions(EU, COLUMNS), read_parameters("day=gte.2026-01-01&day=lt.2026-02-01"))
    assert [value for name, value in found if name == "day"] == ["gte.2026-01-01", "lt.2026-02-01"]


def test_no_detail_repeats_a_value() -> None:
    """It goes into the log."""
    for asked in ("total=secret", "or=(a.eq.secret", "select=secret(*)", "limit=secret", "secret=%FF"):
        with pytest.raises(Denied) as caught:
            query(row_conditions(EU, COLUMNS), read_parameters(asked))
        assert "secret" not in caught.value.detail


def test_the_depth_of_groups_is_bounded() -> None:
    """The last level that is read, and one more."""

    def nested(levels: int) -> str:
        return "and=" + "(or" * levels + "(a.eq.1" + ")" * (levels + 1)

    assert _asked(nested(15))["and"].count("or(") == 15
    assert _refused(nested(16)) is Reason.PARAMETER_DENIED


def test_the_work_that_a_query_makes_is_bounded() -> None:
    """The last part that is read, and one more; wherever they stand."""
    for many in ("total=in.(1{})", "or=(a.eq.1{})", "select=a{}"):
        part = ",a.eq.1" if "or=" in many else ",a"
        assert _asked(many.format(part * 999))
        assert _refused(many.format(part * 1_000)) is Reason.PARAMETER_DENIED
        assert _refused(f"limit=1&{many.format(part * 999)}") is Reason.PARAMETER_DENIED


def test_types_of_any_kind_are_read_by_the_database() -> None:
    """A value is a literal without a type, as PostgREST hands it on."""
    values: list[Any] = [1, Decimal("0.1"), date(1, 1, 1)]
    assert [_of(OneOf((value,)))[0] for value in values] == [
        'day.eq."1"',
        'day.eq."0.1"',
        'day.eq."0001-01-01"',
    ]
