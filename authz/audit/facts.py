"""What a policy can read of a caller and a request: so much belongs into a record to replay its decision, no more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from authz.identity.principal import Principal
from authz.policy.policyset import DenyRule, Grant, PolicySet, Restriction, Selector
from authz.policy.terms import FromClaim

_CLAIMS = "principal.claims"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReads:
    """The facts that the rules of one policy can read, beside those that each record has anyway."""

    groups: frozenset[str] | None
    """The groups that are named; None where a condition reads all of them."""
    claims: frozenset[tuple[str, ...]] | None
    """Paths of claims; None where a condition reads all of them."""
    path: bool
    """Whether a condition reads the request's path."""

    def groups_of(self, principal: Principal) -> tuple[str, ...]:
        """The groups of `principal` that can matter, sorted."""
        known = principal.groups if self.groups is None else principal.groups & self.groups
        return tuple(sorted(known))

    def claims_of(self, principal: Principal) -> Mapping[str, object]:
        """The claims of `principal` that can matter, by their path with dots."""
        if self.claims is None:
            return principal.claims
        return {
            ".".join(path): value
            for path in sorted(self.claims)
            if (value := _at(principal.claims, path)) is not None
        }


def policy_reads(policy: PolicySet | None) -> PolicyReads:
    """What the rules of `policy` can read; without a policy, nothing is."""
    if policy is None:
        return PolicyReads(groups=frozenset(), claims=frozenset(), path=False)
    rules: tuple[Grant | Restriction | DenyRule, ...] = (*policy.grants, *policy.restrictions, *policy.denies)
    selectors = [rule.to for rule in rules if rule.to is not None]
    read = {name for rule in rules if rule.when is not None for name in rule.when.reads}
    scoped: tuple[Grant | Restriction, ...] = (*policy.grants, *policy.restrictions)
    claims = {term.path for rule in scoped for term in rule.scope.values() if isinstance(term, FromClaim)}
    # A claim whose name has a dot is one step of a path here: a condition names top-level claims only.
    claims |= {(name.removeprefix(f"{_CLAIMS}."),) for name in read if name.startswith(f"{_CLAIMS}.")}
    return PolicyReads(
        groups=None if "principal.groups" in read else frozenset(_named_groups(selectors)),
        claims=None if _CLAIMS in read else frozenset(claims),
        path="request.path" in read,
    )


def _named_groups(selectors: list[Selector]) -> Iterator[str]:
    for selector in selectors:
        yield from selector.groups or ()


def _at(claims: Mapping[str, object], path: tuple[str, ...]) -> object:
    value: object = claims
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    return value
