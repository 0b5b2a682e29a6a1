"""Values of a dimension out of a verified claim. The texts name claims and types, never what a claim says."""

from collections.abc import Mapping, Sequence

from authz.errors import Denied, Reason
from authz.identity.principal import Principal
from authz.policy.terms import FromClaim
from authz.scopes.constraints import Constraint, one_of
from authz.scopes.values import MAX_STRING_CHARACTERS, InvalidValueError, Value, ValueType, parse_value

_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),  # before int: a bool is an int to Python
    (int, "an integer"),
    (float, "a number"),
    (str, "a text"),
    (list, "a list"),
    (tuple, "a list"),
    (Mapping, "an object"),
)


def claim_values(term: FromClaim, type: ValueType, principal: Principal) -> Constraint | None:  # noqa: A002 - as in scopes
    """The constraint to what a claim says: one value or a list of them; an empty list selects nothing (None).

    Raises `Denied`: `claim_missing` (null counts as missing), `claim_invalid` for a value of another type,
    `claim_too_large` for too many values or one that is too long.
    """
    raw = _claim(term, principal)
    values: list[object] = list(raw) if isinstance(raw, list | tuple) else [raw]
    if len(values) > term.max_values:
        raise Denied(
            Reason.CLAIM_TOO_LARGE, f"{_name(term)} has {len(values):,} values (at most {term.max_values:,})"
        )
    return one_of([_value(term, type, value) for value in values])


def _claim(term: FromClaim, principal: Principal) -> object:
    found = find_claim(term.path, principal.claims)
    if found is None:
        raise Denied(Reason.CLAIM_MISSING, f"{_name(term)} is missing")
    return found


def find_claim(path: Sequence[str], claims: Mapping[str, object]) -> object:
    """The claim at a path, None if it is missing or null.

    A claim of this very name comes first, because namespaced claims are URLs with dots in them.
    """
    whole = ".".join(path)
    if whole in claims:
        return claims[whole]
    found: object = claims
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _value(term: FromClaim, type: ValueType, raw: object) -> Value:  # noqa: A002 - as in scopes
    if isinstance(raw, str) and len(raw) > MAX_STRING_CHARACTERS:
        raise Denied(
            Reason.CLAIM_TOO_LARGE,
            f"{_name(term)} has a value of {len(raw):,} characters (at most {MAX_STRING_CHARACTERS:,})",
        )
    try:
        return parse_value(type, raw)
    except InvalidValueError as error:
        raise Denied(
            Reason.CLAIM_INVALID, f"{_name(term)}: got {_kind(raw)}, expected {error.expected}"
        ) from None


def _name(term: FromClaim) -> str:
    return f"claim `{'.'.join(term.path)}`"


def _kind(raw: object) -> str:
    return next((kind for known, kind in _KINDS if isinstance(raw, known)), "null")
