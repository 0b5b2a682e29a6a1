"""Grants that add nothing to another grant for the same people."""

from collections.abc import Iterator, Mapping, Sequence

from authz.policy.policyset import Grant
from authz.policy.terms import AllValues, Fixed, FromClaim, Last, ScopeTerm
from authz.scopes.columns import ColumnMask, as_narrow
from authz.scopes.constraints import implies

MAX_COMPARED = 100
"""Grants for the very same people that are held against each other: the work grows with the square."""


def contained_grants(grants: Sequence[Grant]) -> Iterator[tuple[Grant, Grant]]:
    """Grants with one that gives the same people all of it; of two equal ones the later with the earlier."""
    alike: dict[object, list[Grant]] = {}
    for grant in grants:
        alike.setdefault((grant.to, None if grant.when is None else grant.when.text), []).append(grant)
    for group in alike.values():
        compared = group[:MAX_COMPARED]
        for number, grant in enumerate(compared):
            for other_number, other in enumerate(compared):
                if other is grant or not covers(other, grant):
                    continue
                if number > other_number or not covers(grant, other):
                    yield grant, other
                    break


def covers(wide: Grant, narrow: Grant) -> bool:
    """Whether everything that `narrow` gives is given by `wide`, at any time (`to` and `when` apart)."""
    return (
        narrow.on <= wide.on
        and _covers_time(wide, narrow)
        and all(term_covers(term, narrow.scope.get(name)) for name, term in wide.scope.items())
        and _covers_columns(wide.columns, narrow.columns)
    )


def term_covers(wide: ScopeTerm, narrow: ScopeTerm | None) -> bool:
    """Whether a term lets everything through that another one does, for every principal and at any time."""
    match wide, narrow:
        case AllValues(), _:
            return True
        case _, Fixed(None):
            return True
        case Fixed(a), Fixed(b) if a is not None and b is not None:
            return implies(b, a)
        case Last(window=longer, step=one), Last(window=shorter, step=other):
            return one == other and longer >= shorter
        case FromClaim(path=a), FromClaim(path=b):
            return a == b
        case _:
            return False


def _covers_time(wide: Grant, narrow: Grant) -> bool:
    begins = wide.valid_from is None or (
        narrow.valid_from is not None and wide.valid_from <= narrow.valid_from
    )
    ends = wide.valid_until is None or (
        narrow.valid_until is not None and narrow.valid_until <= wide.valid_until
    )
    return begins and ends


def _covers_columns(wide: Mapping[str, ColumnMask], narrow: Mapping[str, ColumnMask]) -> bool:
    return all(
        as_narrow(narrow.get(label, ColumnMask.HIDDEN), wide.get(label, ColumnMask.HIDDEN))
        for label in wide.keys() | narrow.keys()
    )
