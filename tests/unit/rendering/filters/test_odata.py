"""OData's query options: our filter says the scope exactly; of a client's, what may reach other rows is refused."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from authz.errors import Denied, Reason
from authz.rendering.filters.odata import Open, description, query, row_filter
from authz.rendering.filters.parameters import read_parameters
from authz.scopes.constraints import Between, Constraint, OneOf
from authz.scopes.rowfilter import EVERYTHING, NOTHING, RowFilter, where
from tests.allows import EU, EU_A_OR_US_B

PROPERTIES = {"region": "Region", "product": "Product", "day": "Day"}
OURS = "(Region eq 'EU')"
HIDING = Open(closed_properties=("Email", "Phone"))


def _of(constraint: Constraint) -> str:
    return row_filter(where({"day": constraint}), PROPERTIES)


def _asked(text: str, opened: Open | None = None, rows: RowFilter = EU) -> dict[str, str]:
    found = query(row_filter(rows, PROPERTIES), read_parameters(text), opened or Open())
    assert len({name for name, _ in found}) == len(found)
    return dict(found)


def _refused(text: str, opened: Open | None = None) -> Reason:
    with pytest.raises(Denied) as caught:
        query(row_filter(EU, PROPERTIES), read_parameters(text), opened or Open())
    assert "secret" not in caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (OneOf((7,)), "(Day eq 7)"),
        (OneOf((-1, 2**53 - 1)), "((Day eq -1 or Day eq 9007199254740991))"),
        (OneOf((Decimal("1.50"),)), "(Day eq 1.50)"),
        (OneOf((True,)), "(Day eq true)"),
        (OneOf((False, True)), "(Day ne null)"),
        (OneOf((date(2026, 1, 1),)), "(Day eq 2026-01-01)"),
        (OneOf(("O'Brien", "''", "a) or (b")), "((Day eq 'O''Brien' or Day eq '''''' or Day eq 'a) or (b'))"),
        (Between(low=1, high=5), "(Day ge 1 and Day le 5)"),
        (Between(low=Decimal("1.5"), low_open=True), "(Day gt 1.5)"),
        (Between(high=datetime(2026, 1, 1, 12, 0, 0, 5, UTC), high_open=True), "(Day lt 2026-01-01T12:00:00.000005Z)"),
    ],
)  # fmt: skip
def test_every_constraint_is_written_as_odata_has_it(constraint: Constraint, expected: str) -> None:
    """Without `in`, which version 4.0 does not know."""
    assert _of(constraint) == expected


def test_alternatives_stand_in_parentheses_each() -> None:
    """Each of them whole."""
    assert row_filter(EU_A_OR_US_B, PROPERTIES) == (
        "((Product eq 'A' and Region eq 'EU') or (Product eq 'B' and Region eq 'US'))"
    )


def test_nothing_is_a_contradiction_and_everything_is_no_filter() -> None:
    """No row satisfies both."""
    assert row_filter(NOTHING, PROPERTIES) == "(Region eq null and Region ne null)"
    assert row_filter(EVERYTHING, PROPERTIES) == ""
    assert _asked("$top=5", rows=EVERYTHING) == {"$top": "5"}
    assert _asked("$filter=A eq 1 or B eq 2", rows=EVERYTHING) == {"$filter": "A eq 1 or B eq 2"}
    assert _asked("$filter=A eq 1 or B eq 2", rows=NOTHING) == {
        "$filter": "(Region eq null and Region ne null) and (A eq 1 or B eq 2)"
    }


@pytest.mark.parametrize(
    ("dimension", "constraint"),
    [
        ("day", Between(low="A")),
        ("day", OneOf(("%27",))),
        ("day", OneOf((2**53,))),
        ("day", OneOf((Decimal("0.1234567890123456"),))),
        ("nowhere", OneOf((1,))),
        ("bad", OneOf((1,))),
    ],
)
def test_what_cannot_be_said_exactly_is_refused(dimension: str, constraint: Constraint) -> None:
    """What some server would round, order by its own collation, or read as more than a name."""
    with pytest.raises(Denied) as caught:
        row_filter(where({dimension: constraint}), {**PROPERTIES, "bad": "A or B"})
    assert caught.value.reason is Reason.SCOPE_NOT_EXPRESSIBLE


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", {}),
        (
            "$select=Id,Name&$top=10&$skip=5&$count=true",
            {"$select": "Id,Name", "$top": "10", "$skip": "5", "$count": "true"},
        ),
        ("$select=*", {"$select": "*"}),
        ("$orderby=Day desc, Id", {"$orderby": "Day desc,Id"}),
        (
            "$format=application/json%3Bodata.metadata=minimal",
            {"$format": "application/json;odata.metadata=minimal"},
        ),
    ],
)
def test_what_narrows_goes_on(asked: str, expected: dict[str, str]) -> None:
    """Columns, order, pages, a count: of what the filter leaves."""
    assert _asked(asked) == {"$filter": OURS, **expected}


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("Total gt 5", "Total gt 5"),
        ("Total gt 5 or true", "Total gt 5 or true"),
        ("not (A eq 1) and not B", "not (A eq 1) and not B"),
        ("Name eq 'O''Brien) or (1 eq 1'", "Name eq 'O''Brien) or (1 eq 1'"),
        ("contains(tolower(Name),'x') and Day ge 2026-01-01", "contains(tolower(Name),'x') and Day ge 2026-01-01"),
        ("At lt 2026-01-01T00:00:00.123Z and At gt now()", "At lt 2026-01-01T00:00:00.123Z and At gt now()"),
        ("A  eq'x'", "A eq 'x'"),
        ("( A eq -5 )", "(A eq -5)"),
        ("Region in ('EU', 'UK')", "Region in ('EU','UK')"),
        ("A add 1.5e3 eq B mul 2 and C eq null", "A add 1.5e3 eq B mul 2 and C eq null"),
        ("Id eq 01234567-89ab-cdef-0123-456789abcdef", "Id eq 01234567-89ab-cdef-0123-456789abcdef"),
        ("T eq 12:30:00 and concat(concat(A,','),B) eq ''", "T eq 12:30:00 and concat(concat(A,','),B) eq ''"),
        ("Größe eq 1", "Größe eq 1"),
    ],
)  # fmt: skip
def test_a_clients_filter_goes_on_behind_ours(asked: str, written: str) -> None:
    """In parentheses of its own, which it cannot end."""
    found = query(row_filter(EU, PROPERTIES), [("$filter", asked)], Open())
    assert found == (("$filter", f"{OURS} and ({written})"),)


@pytest.mark.parametrize(
    "text",
    [
        # Other rows: of what is navigated to, of what `$it` and aliases stand for.
        "Customer/Name eq 'x'", "Orders/any(o:o/Region eq 'US')", "Orders/all(o:true)", "Orders/$count gt 5", "$it/Region eq 'US'",
        "$root/Orders(1)/Region eq 'US'", "$this eq 1", "Region eq @p", "any(x:true)", "Address/City eq 'x'",
        # Functions that are not known, types, other kinds of literals.
        "Ns.Leak(1) eq 1", "Leak() eq 1", "cast(A,Edm.String) eq 'x'", "isof(Ns.T)", "geo.distance(A,B) lt 1", "matchesPattern(A,'x')",
        "duration'P1D' eq A", "Ns.Color'Red' eq A", "A has Ns.Color'Red'", "A eq [1]", "A eq {}", 'A eq "x"', "binary'00' eq A",
        # Parentheses and quotes that end what they are put into.
        "1 eq 1) or (1 eq 1", "A eq 'x", "A eq 'x'' or 1 eq 1", "A eq 'x'')", "(A eq 1", "A eq 1)", "()", "", " ", "A eq (", "'", "''x",
        # What one reads so and another so.
        "A EQ 1", "A eq 1 AND B eq 2", "A eq 1 && B eq 2", "A = 1", "A eq 1eq 2", "A eq 5L", "A eq 1.", "A eq .5", "A eq 0x10", "A eq 1 B",
        "A eq 1\t", "A eq 1;B eq 2", "A eq 1//B", "A eq 1--", "and A", "A and", "not", "A not B", "eq eq eq", "A in 1", "A in ()", "A in (B)",
        "A in (1,)", "contains(A,'x'", "contains(A,,'x')", "contains A", "now(", "A eq 2026-01-01T00:00:00",
        "A\u00a0eq 1", "A eq \u2018x\u2019", "A eq 1%20or%201 eq 1", "A eq NaN)",
    ],
)  # fmt: skip
def test_a_filter_that_may_reach_other_rows_is_refused(text: str) -> None:
    """A condition on another row answers a question about it."""
    with pytest.raises(Denied) as caught:
        query(row_filter(EU, PROPERTIES), [("$filter", text)], Open())
    assert caught.value.reason is Reason.PARAMETER_DENIED


@pytest.mark.parametrize(
    "asked",
    [
        "$expand=Customer", "$expand=Customer($filter=Region eq 'US')", "$apply=aggregate(Total with sum as T)", "$search=secret",
        "$compute=A as B", "$deltatoken=secret", "$skiptoken=secret", "$levels=max", "$index=1", "$schemaversion=*", "$batch=1", "$it=1", "@p=1", "p=1",
        "$inlinecount=allpages", "$query=x", "$id=Orders(1)", "$value=1", "$ref=1", "$link=1", "$root=1", "api-version=1", "$unknown=secret",
        # Other spellings of what is ours, or open.
        "filter=Region eq 'US'", "$FILTER=Region eq 'US'", "$Filter=true", "%20$filter=true", "$filter%20=true", "$filter[]=true", "%EF%BC%84filter=true",
        "top=5", "Select=Id", "$TOP=5", "$filter%00=true", "%2524filter=true", "$%66ilter%20=1", "$$filter=true", "$filter.=true",
        # Values that are more than they seem.
        "$select=Customer/Name", "$select=Ns.Fn", "$select=Id,", "$select=", "$select=Customer($select=Id)", "$select=**", "$select=$count",
        "$orderby=Customer/Name", "$orderby=Id up", "$orderby=Id desc asc", "$orderby=", "$orderby=length(Name)", "$orderby=Orders/$count",
        "$top=-1", "$top=x", "$top=", "$top=1.5", "$skip=99999999999", "$count=1", "$count=TRUE", "$format=a b", "$format=",
    ],
)  # fmt: skip
def test_an_option_that_is_not_known_to_narrow_is_refused(asked: str) -> None:
    """OData 4.01 also takes names without `$`, and in other letter case."""
    assert _refused(asked) in {
        Reason.PARAMETER_DENIED,
        Reason.REQUEST_MALFORMED,
        Reason.REQUEST_AMBIGUOUS,
    }


@pytest.mark.parametrize(
    "asked", ["$filter=true&$filter=true", "$top=1&$top=2", "$select=Id&%24select=Email"]
)
def test_what_comes_twice_is_refused(asked: str) -> None:
    """One server takes the first, another the last."""
    assert _refused(asked) is Reason.REQUEST_AMBIGUOUS


def test_next_links_are_followed_where_the_policy_says_so() -> None:
    """They hold our filter already: it is not said again, and the client's behind it is kept."""
    opened = Open(next_links=True)
    assert _asked("$skiptoken=Id-10&$top=5", opened) == {"$filter": OURS, "$skiptoken": "Id-10", "$top": "5"}
    assert query(row_filter(EU, PROPERTIES), [("$filter", OURS)], opened) == (("$filter", OURS),)
    for theirs in ("Total gt 5", "(A eq 1) or (B eq 2)"):
        before = query(row_filter(EU, PROPERTIES), [("$filter", theirs)], opened)
        assert before == (("$filter", f"{OURS} and ({theirs})"),)
        assert query(row_filter(EU, PROPERTIES), before, opened) == before


@pytest.mark.parametrize(
    "theirs",
    [
        f"{OURS} or (1 eq 1)",
        f"{OURS} and (A eq 1) or (B eq 2)",
        f"{OURS} and A eq 1",
        "(Region eq 'US')",
        f"{OURS} and (A eq 1) and (B eq 2)",
        "(Region eq 'US') and (A eq 1)",
    ],
)
def test_what_only_looks_like_ours_stays_in_its_parentheses(theirs: str) -> None:
    """Nothing is taken away but what was put there, whole."""
    assert query(row_filter(EU, PROPERTIES), [("$filter", theirs)], Open()) == (
        ("$filter", f"{OURS} and ({theirs})"),
    )


@pytest.mark.parametrize(
    "asked",
    [
        "", "$top=1", "$select=*", "$select=Id,Email", "$select=email", "$select=Id,%EF%BC%A5mail", "$select=Id&$orderby=Email", "$select=Id&$orderby=PHONE desc",
        "$select=Id&$filter=startswith(Email,'a')", "$select=Id&$filter=Email eq null", "$select=Id&$filter=not (phone in ('1'))", "$count=true&$top=0",
    ],
)  # fmt: skip
def test_a_hidden_property_is_named_nowhere(asked: str) -> None:
    """Neither shown, nor asked about, nor sorted by; and without `$select` an API shows all."""
    assert _refused(asked, HIDING) is Reason.COLUMN_HIDDEN
    with_select = "$select=Id,Name&$filter=Name eq 'Email'&$orderby=Name"
    assert _asked(with_select, HIDING)["$select"] == "Id,Name"


def test_a_dimension_may_be_hidden_itself() -> None:
    """Our own filter names it, also in a next link."""
    opened = Open(closed_properties=("Region",))
    again = query(
        row_filter(EU, PROPERTIES), [("$filter", f"{OURS} and (A eq 1)"), ("$select", "Id")], opened
    )
    assert again[0] == ("$filter", f"{OURS} and (A eq 1)")
    assert _refused("$select=Id&$filter=Region eq 'EU'", opened) is Reason.COLUMN_HIDDEN


def test_metadata_holds_no_rows_and_takes_a_format_alone() -> None:
    """A filter would mean nothing there."""
    assert description(read_parameters("")) == ()
    assert description(read_parameters("$format=json")) == (("$format", "json"),)
    for asked in ("$filter=true", "$format=json&$top=1", "format=json", "$format=a b"):
        with pytest.raises(Denied) as caught:
            description(read_parameters(asked))
        assert caught.value.reason is Reason.PARAMETER_DENIED


def test_the_work_that_a_filter_makes_is_bounded() -> None:
    """In depth and in words: the last that is read, and one more."""
    assert _asked("$filter=" + "(" * 16 + "A" + ")" * 16)
    assert _refused("$filter=" + "(" * 17 + "A" + ")" * 17) is Reason.PARAMETER_DENIED
    assert _refused("$filter=" + "trim(" * 17 + "A" + ")" * 17) is Reason.PARAMETER_DENIED
    assert _asked("$filter=A" + " or A" * 999)
    assert _refused("$filter=A" + " or A" * 1_000) is Reason.PARAMETER_DENIED
