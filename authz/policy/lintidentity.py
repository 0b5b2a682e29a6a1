"""What is valid about issuers and credentials and probably not meant.

A claim that a rule reads and that no issuer is known to send is a typing error, or a gap in `claims`; a subject that
anybody can change lets another person in.
"""

from collections.abc import Iterator

from authz.identity.accepts import Cookie
from authz.identity.issuer import Issuer
from authz.identity.unaccounted import knows_claim
from authz.policy.facts import CLAIMS
from authz.policy.policyset import DenyRule, Grant, Place, PolicySet, Restriction, Warehouse
from authz.policy.problems import Problem, listed
from authz.policy.terms import FromClaim
from authz.policy.warning import warning

_PREFIX = f"{CLAIMS}."


def lint_identity(policy: PolicySet) -> Iterator[Problem]:
    """Warnings about issuers, places of tokens and the claims that rules read, in no particular order."""
    for name, issuer in policy.issuers.items():
        yield from _issuer(policy.places[f"issuers.{name}"], issuer)
    for warehouse in policy.warehouses.values():
        yield from _places(policy, warehouse)
    rules: tuple[Grant | Restriction | DenyRule, ...] = (
        *policy.grants,
        *policy.restrictions,
        *policy.denies,
    )
    for rule in rules:
        yield from _claims(policy, rule)


def _issuer(place: Place, issuer: Issuer) -> Iterator[Problem]:
    if issuer.subject_claim in issuer.profile.mutable:
        yield warning(
            "mutable_subject",
            place,
            f"the subject claim `{issuer.subject_claim}` can be changed or given to somebody else",
            "who takes the name takes the access; name people by a claim that never changes",
            ".subject_claim",
        )
    if issuer.profile.preset == "google" and not issuer.profile.pinned:
        yield warning(
            "open_issuer",
            place,
            "every Google account can have tokens of this issuer",
            "pin your organization with `hosted_domain`",
        )


def _places(policy: PolicySet, warehouse: Warehouse) -> Iterator[Problem]:
    for place in warehouse.accepts.places:
        if isinstance(place, Cookie) and not place.name.startswith("__Host-"):
            yield warning(
                "cookie_of_neighbours",
                warehouse.place,
                f"neighbouring hosts can set the cookie `{place.name}`, too",
                "give it the prefix `__Host-`, if its issuer lets you",
                ".credentials",
            )
    replayed = [name for name in sorted(warehouse.accepts.issuers) if policy.issuers[name].profile.single_use]
    if replayed and warehouse.accepts.takes_basic:
        yield warning(
            "used_once",
            warehouse.place,
            f"tokens of {listed(replayed)} open one request, and a driver sends its password again and again",
            "take another issuer here, or say `single_use: false` for this one",
            ".credentials",
        )


def _claims(policy: PolicySet, rule: Grant | Restriction | DenyRule) -> Iterator[Problem]:
    issuers = _issuers_of(policy, rule)
    # An issuer of which nothing is known but what the standards say may send anything.
    if not issuers or any(_says_nothing(issuer) for issuer in issuers):
        return
    for path, where in _claims_read(rule):
        if not any(knows_claim(path, issuer) for issuer in issuers):
            yield warning(
                "unknown_claim",
                rule.place,
                f"`{rule.id}` reads the claim `{path}`, which {listed([issuer.name for issuer in issuers])} is not"
                " known to send",
                "correct the name, or declare the claim under `claims` of the issuer",
                where,
            )


def _says_nothing(issuer: Issuer) -> bool:
    return issuer.profile.preset == "generic" and not issuer.profile.declared


def _issuers_of(policy: PolicySet, rule: Grant | Restriction | DenyRule) -> list[Issuer]:
    """Whose tokens can come to a rule."""
    taken = {name for each in rule.on for name in policy.warehouses[each].accepts.issuers}
    named = rule.to.issuers if rule.to is not None else None
    return [policy.issuers[name] for name in sorted(taken if named is None else taken & named)]


def _claims_read(rule: Grant | Restriction | DenyRule) -> Iterator[tuple[str, str]]:
    """Paths of claims, and where in the rule they are read."""
    if rule.when is not None:
        for name in sorted(rule.when.claims):
            yield name, ".when"
    if not isinstance(rule, DenyRule):
        for dimension, term in rule.scope.items():
            if isinstance(term, FromClaim):
                yield ".".join(term.path), f".scope.{dimension}"
