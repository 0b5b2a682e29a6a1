"""What a policy can read of a caller and a request: so much belongs into a record to replay its decision, no more.

A fact that is read and that the caller does not have is named as absent, so that it differs from one that nobody
has looked at: claims in each record, groups by what the trail says of the policy (`reads`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from authz.identity.principal import Principal
from authz.policy.policyset import DenyRule, Grant, PolicySet, Restriction
from authz.policy.terms import FromClaim

ClaimPath = tuple[str, ...]
Rule = Grant | Restriction | DenyRule

_CLAIMS: Final = "principal.claims"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReads:
    """The facts that the rules on one warehouse can read, beside those that each record has anyway."""

    groups: frozenset[str] | None = frozenset()
    """The groups that are named; None where all of them are read."""
    claims: frozenset[ClaimPath] | None = frozenset()
    """Paths of claims; None where all of them are read."""
    path: bool = False
    """Whether the request's path is read."""

    def groups_of(self, principal: Principal) -> tuple[str, ...]:
        """The groups of `principal` that can matter, sorted."""
        known = principal.groups if self.groups is None else principal.groups & self.groups
        return tuple(sorted(known))

    def claims_of(self, principal: Principal) -> Mapping[str, object]:
        """The part of the claims of `principal` that can matter, in the shape that the token has."""
        if self.claims is None:
            return principal.claims
        found: dict[str, object] = {}
        for path in sorted(self.claims):
            _copy(path, principal.claims, found)
        return found

    def absent_of(self, principal: Principal) -> tuple[ClaimPath, ...]:
        """The paths that can matter and that the token has nothing at, sorted."""
        return tuple(path for path in sorted(self.claims or ()) if not _has(path, principal.claims))

    def beyond(self, known: "PolicyReads") -> tuple[str, ...]:
        """What is read here and was not there: the facts that a record made under `known` cannot tell."""
        missing: list[str] = []
        if known.groups is not None:
            missing += ["principal.groups"] if self.groups is None else []
            missing += [f"group `{name}`" for name in sorted((self.groups or frozenset()) - known.groups)]
        if known.claims is not None:
            missing += [_CLAIMS] if self.claims is None else []
            missing += [
                f"claim `{'.'.join(path)}`" for path in sorted((self.claims or frozenset()) - known.claims)
            ]
        return (*missing, *(["request.path"] if self.path and not known.path else []))


NOTHING_READ: Final = PolicyReads()


def policy_reads(policy: PolicySet | None) -> Mapping[str, PolicyReads]:
    """What is read for each warehouse of `policy`; without a policy, nothing is."""
    if policy is None:
        return {}
    rules: dict[str, list[Rule]] = {name: [] for name in policy.warehouses}
    every: tuple[Rule, ...] = (*policy.grants, *policy.restrictions, *policy.denies)
    for rule in every:
        for warehouse in rule.on:
            rules[warehouse].append(rule)
    return {name: _reads_of(each, frozenset(policy.also_record)) for name, each in rules.items()}


def _reads_of(rules: Iterable[Rule], also: frozenset[str]) -> PolicyReads:
    rules = tuple(rules)
    read = also | {name for rule in rules if rule.when is not None for name in rule.when.reads}
    # A claim whose name has a dot is one step of a path here: a condition names top-level claims only.
    claims: set[ClaimPath] = {
        (name.removeprefix(f"{_CLAIMS}."),) for name in read if name.startswith(f"{_CLAIMS}.")
    }
    claims |= set(_claims_in_scopes(rules))
    return PolicyReads(
        groups=None if "principal.groups" in read else frozenset(_named_groups(rules)),
        claims=None if _CLAIMS in read else frozenset(claims),
        path="request.path" in read,
    )


def _claims_in_scopes(rules: Iterable[Rule]) -> Iterator[ClaimPath]:
    for rule in rules:
        if not isinstance(rule, DenyRule):
            yield from (term.path for term in rule.scope.values() if isinstance(term, FromClaim))


def _named_groups(rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        if rule.to is not None:
            yield from rule.to.groups or ()


def _has(path: ClaimPath, claims: Mapping[str, object]) -> bool:
    found: dict[str, object] = {}
    return _copy(path, claims, found)


def _copy(path: ClaimPath, claims: Mapping[str, object], into: dict[str, object]) -> bool:
    """Copy the claim at `path` into the same place of `into`, if there is one; a claim of that very name comes first."""
    whole = ".".join(path)
    if whole in claims:
        into[whole] = claims[whole]
        return True
    *steps, last = path
    source: object = claims
    for step in steps:
        source = source.get(step) if isinstance(source, Mapping) else None
    if not isinstance(source, Mapping) or last not in source:
        return False
    for step in steps:
        inner = into.setdefault(step, {})
        if not isinstance(inner, dict):
            return True  # the claim that holds it was copied as a whole
        into = inner
    into[last] = source[last]
    return True
