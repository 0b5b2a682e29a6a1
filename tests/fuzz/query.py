"""The fuzz target of filters in a query: any query is a denial, or stays within the filter that it is given."""

import contextlib

from authz.errors import Denied
from authz.rendering.filters import odata, postgrest
from authz.rendering.filters.parameters import read_parameters, written
from authz.scopes.constraints import OneOf
from authz.scopes.rowfilter import where
from tests.fuzz.targets import BrokenInvariantError, Fuzzed
from tests.postgrest_reading import ReadingError, read, selects

_EU = where({"region": OneOf(("EU",))})
_CONDITIONS = postgrest.row_conditions(_EU, {"region": "region"})
_FILTER = odata.row_filter(_EU, {"region": "Region"})


class _Elsewhere(dict[str, object]):
    """A row of another region; every other column is NULL."""

    def __missing__(self, name: str) -> None:
        return None


def fuzz_query(data: bytes) -> None:
    """Of PostgREST nothing is embedded and no row of another region selected; of OData every option is known."""
    try:
        asked = read_parameters(data.decode("latin-1"))
    except Denied:
        return
    with contextlib.suppress(Denied):
        _check_postgrest(written(postgrest.query(_CONDITIONS, asked)))
    try:
        options = odata.query(_FILTER, asked, odata.Open(closed_properties=("Email",)))
    except Denied:
        return
    _check_odata(dict(options))


def _check_postgrest(query: str) -> None:
    try:
        reading = read(query)
    except ReadingError:
        return  # PostgREST answers 400: a column of letters that it does not know
    if reading.embedded or any(path for path, _ in reading.conditions):
        raise BrokenInvariantError("another resource")
    try:
        seen = selects(reading, _Elsewhere(region="US"))
    except (NotImplementedError, KeyError, ValueError, ArithmeticError):
        return
    if seen:
        raise BrokenInvariantError("a row of another region")


def _check_odata(options: dict[str, str]) -> None:
    if not options.keys() <= {"$filter", "$select", "$orderby", "$top", "$skip", "$count", "$format"}:
        raise BrokenInvariantError("an option that is not known")
    text = options["$filter"]
    if text == _FILTER:
        return
    inner = text.removeprefix(f"{_FILTER} and (").removesuffix(")")
    if text != f"{_FILTER} and ({inner})" or "Email" in "".join(inner.split("'")[::2]):
        raise BrokenInvariantError("another filter")
    depth = 0
    for character in "".join(inner.split("'")[::2]):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            raise BrokenInvariantError("the parentheses end")
    if depth:
        raise BrokenInvariantError("the parentheses do not end")


_SEEDS = (
    "select=id,n:name,data-%3E%3Ek,total.sum()&order=day.desc.nullslast,id&limit=10&offset=20",
    "or=(total.gt.5,region.eq.US)&total=not.in.(1,%22b,c%22)",
    "and=(a.eq.%22x)%22,not.or(b.is.null,c.like.*x*))&not.and=(d.cs.{1,2})",
    "region=eq.US&region=is.null",
    "$select=Id,Name&$filter=Total%20gt%205%20or%20contains(tolower(Name),'x''y')&$top=5",
    "$select=Id&$filter=not%20(A%20eq%20-1.5e3)%20and%20B%20in%20('a',%20'b')&$orderby=Day%20desc,Id&$count=true",
    "$select=Id&$filter=(Region%20eq%20'EU')%20and%20(At%20lt%202026-01-01T00:00:00Z)&$format=json",
)


def query_targets() -> dict[str, Fuzzed]:
    """The target by its name."""
    return {"query": Fuzzed(fuzz_query, tuple(seed.encode() for seed in _SEEDS))}
