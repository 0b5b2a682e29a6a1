"""Claims that nobody accounts for: a typing error in a policy, or news from the issuer."""

from collections.abc import Iterable, Mapping

from authz.identity.issuer import Issuer


def unaccounted(claims: Mapping[str, object], issuer: Issuer) -> tuple[str, ...]:
    """Names of the top-level claims that neither the issuer's preset nor its configuration knows, sorted.

    They are no reason to refuse a token: a provider may add claims any day.
    """
    named = _tops({issuer.subject_claim, issuer.groups_claim or "", *issuer.required_claims})
    return tuple(
        sorted(name for name in claims if name not in named and not issuer.profile.accounts_for(name))
    )


def mistyped(claims: Mapping[str, object], issuer: Issuer) -> tuple[str, ...]:
    """Names of the claims that are not of the type that is documented for them, sorted; null has no type."""
    found = ((name, issuer.profile.kind_of(name)) for name in claims)
    return tuple(sorted(name for name, kind in found if kind is not None and not kind.fits(claims[name])))


def knows_claim(path: str, issuer: Issuer) -> bool:
    """Whether somebody accounts for a claim that a rule names, by its name or by the beginning of its path."""
    return any(
        name in _tops({issuer.subject_claim, issuer.groups_claim or "", *issuer.required_claims})
        or issuer.profile.accounts_for(name)
        for name in _beginnings(path)
    )


def _tops(names: Iterable[str]) -> frozenset[str]:
    return frozenset(top for name in names for top in _beginnings(name))


def _beginnings(path: str) -> list[str]:
    """`a.b.c` is the claim of that name, or in the claim `a.b`, or in `a`: names may have dots in them."""
    steps = path.split(".")
    return [".".join(steps[:length]) for length in range(1, len(steps) + 1)]
