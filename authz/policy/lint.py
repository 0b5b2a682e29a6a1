"""What is valid in a policy and probably not meant: facts about the whole, each with its place.

What a warehouse's headers cannot express is found by `authz.rendering.expressible`, which this room cannot see;
`scopegate check` asks both.
"""

from collections.abc import Iterator

from authz.identity.accepts import Authentication
from authz.policy.containment import contained_grants
from authz.policy.lintguardrails import lint_guardrails
from authz.policy.lintidentity import lint_identity
from authz.policy.policyset import DenyRule, Grant, PolicySet, Restriction, Warehouse
from authz.policy.problems import Problem, in_file_order, listed
from authz.policy.selection import for_certificates_alone
from authz.policy.terms import Fixed
from authz.policy.warning import warning
from authz.scopes.constraints import OneOf

LONG_CACHE_SECONDS = 3_600
"""Beyond it, a cached answer is called long."""

_WORDS_OF_ISSUERS = ("principal.groups", "principal.subject", "principal.claims")

Rule = Grant | Restriction | DenyRule


def lint(policy: PolicySet, now: float | None = None) -> tuple[Problem, ...]:
    """All warnings about a policy, in the order of its files. Without `now` (seconds since the epoch) nothing is expired."""
    found = [
        *_unused(policy),
        *_edge(policy),
        *(problem for issuer in policy.issuers for problem in _issuer(policy, issuer)),
        *lint_identity(policy),
        *(problem for warehouse in policy.warehouses.values() for problem in _warehouse(policy, warehouse)),
        *(problem for warehouse in policy.warehouses.values() for problem in lint_guardrails(warehouse)),
        *(problem for grant in policy.grants for problem in _grant(policy, grant, now)),
        *(problem for restriction in policy.restrictions for problem in _restriction(policy, restriction)),
        *(problem for rule in _rules(policy) for problem in _rule(policy, rule)),
        *(
            warning(
                "grant_contained",
                grant.place,
                f"grant `{grant.id}` gives nothing that grant `{other.id}` does not give the same people",
                f"remove one of the two; `{other.id}` stands in {other.place.file}:{other.place.line}",
            )
            for grant, other in contained_grants(policy.grants)
        ),
    ]
    return tuple(in_file_order(found, list(dict.fromkeys(problem.file for problem in found))))


def _rules(policy: PolicySet) -> Iterator[Rule]:
    yield from policy.grants
    yield from policy.restrictions
    yield from policy.denies


def _unused(policy: PolicySet) -> Iterator[Problem]:
    warehouses = policy.warehouses.values()
    used = (
        ("issuers", policy.issuers, {name for warehouse in warehouses for name in warehouse.accepts.issuers}),
        (
            "client_certificates",
            policy.trusts,
            {name for warehouse in warehouses for name in warehouse.accepts.trusts},
        ),
        (
            "dimensions",
            policy.dimensions,
            {name for warehouse in warehouses for name in warehouse.dimensions},
        ),
    )
    for section, known, names in used:
        for name in known:
            if name not in names:
                yield warning(
                    "unused", policy.places[f"{section}.{name}"], f"`{name}` is used by no warehouse"
                )


def _edge(policy: PolicySet) -> Iterator[Problem]:
    takers = [name for name, warehouse in policy.warehouses.items() if warehouse.accepts.trusts]
    if "edge" in policy.places and policy.edge.client_ca is None and takers:
        yield warning(
            "no_client_ca",
            policy.places["edge"],
            f"`client_ca` is missing, and {listed(takers)} take client certificates",
            "Envoy asks nobody for one, so nobody has one to show",
        )


def _issuer(policy: PolicySet, name: str) -> Iterator[Problem]:
    keys, place = policy.issuers[name].keys, policy.places[f"issuers.{name}"]
    if keys.allow_http:
        yield warning(
            "insecure",
            place,
            "keys are fetched without TLS",
            "in development only: whoever is on the way can sign tokens for anybody",
            ".allow_http",
        )


def _warehouse(policy: PolicySet, warehouse: Warehouse) -> Iterator[Problem]:
    place, cache = warehouse.place, warehouse.cache
    if not any(warehouse.name in grant.on for grant in policy.grants):
        yield warning("not_granted", place, "nobody is granted anything here", "every request will be denied")
    if cache is not None and cache.ttl_seconds > LONG_CACHE_SECONDS:
        yield warning(
            "long_cache",
            place,
            f"answers are shared for {cache.ttl_seconds} seconds",
            "a changed or deleted row stays visible for as long",
            ".cache.ttl",
        )
    reading = [
        rule.id
        for rule in _rules(policy)
        if rule.when is not None and rule.when.reads_request and warehouse.name in rule.on
    ]
    if cache is not None and reading:
        yield warning(
            "decided_each_time",
            place,
            f"conditions of {listed(reading[:3])}{' and others' if len(reading) > 3 else ''} read the request or the time",
            "answers are still shared by scope, but every request is decided anew",
            ".cache",
        )


def _grant(policy: PolicySet, grant: Grant, now: float | None) -> Iterator[Problem]:
    if now is not None and grant.valid_until is not None and grant.valid_until <= now:
        yield warning("expired", grant.place, f"grant `{grant.id}` has ended", "remove it", ".valid.until")
    if len(policy.issuers) > 1 and grant.to.issuers is None and _reads_words_of_issuers(grant):
        yield warning(
            "whose_words",
            grant.place,
            "the condition reads what a token says, whichever of several issuers says it",
            "add `to: {issuers: […]}`, or compare `principal.issuer`, too: each issuer names people as it likes",
            ".when",
        )
    for name in sorted(grant.on):
        reason = _never_asked(grant, policy.warehouses[name])
        if reason is not None:
            yield warning(
                "never_applies", grant.place, f"never applies to warehouse `{name}`: {reason}", path=".to"
            )
    if grant.to.groups and not any(
        policy.issuers[name].groups_claim is not None
        for name in (grant.to.issuers if grant.to.issuers is not None else policy.issuers)
    ):
        yield warning(
            "no_groups",
            grant.place,
            "none of its issuers has a `groups_claim`",
            "nobody is in any group, so nobody has this grant",
            ".to.groups",
        )


def _reads_words_of_issuers(grant: Grant) -> bool:
    """Whether a condition reads words that only mean something together with the issuer, and not the issuer."""
    if grant.when is None or "principal.issuer" in grant.when.reads:
        return False
    return any(name.startswith(_WORDS_OF_ISSUERS) for name in grant.when.reads)


def _never_asked(rule: Grant, warehouse: Warehouse) -> str | None:
    """Why nobody that the grant is for can come to a warehouse; None if somebody can."""
    accepts, to = warehouse.accepts, rule.to
    if to.names_certificate and accepts.authentication is Authentication.TOKEN:
        return "it asks for a client certificate, and the warehouse takes tokens only"
    if to.names_token and accepts.authentication is Authentication.CERTIFICATE:
        return "it asks for a token, and the warehouse takes client certificates only"
    if for_certificates_alone(rule) and accepts.authentication is Authentication.BOTH:
        return "it is for certificates alone, and the warehouse always asks for a token, too"
    if to.issuers and to.issuers.isdisjoint(accepts.issuers):
        return "the warehouse takes tokens of none of its issuers"
    if to.certificates and to.certificates.isdisjoint(accepts.trusts):
        return "the warehouse takes none of its client certificates"
    return None


def _restriction(policy: PolicySet, restriction: Restriction) -> Iterator[Problem]:
    granted = {name for grant in policy.grants for name in grant.on}
    if restriction.on.isdisjoint(granted):
        yield warning(
            "never_applies",
            restriction.place,
            f"restriction `{restriction.id}` never applies: nobody is granted anything on its warehouses",
        )


def _rule(policy: PolicySet, rule: Rule) -> Iterator[Problem]:
    if rule.to is not None:
        for key in ("groups", "subjects", "issuers", "spiffe", "dns", "emails", "certificates"):
            if getattr(rule.to, key) == frozenset():
                yield warning(
                    "applies_to_nobody",
                    rule.place,
                    f"`{rule.id}` is for nobody: the list is empty",
                    path=f".to.{key}",
                )
    if isinstance(rule, DenyRule):
        return
    for dimension, term in rule.scope.items():
        if term == Fixed(None):
            yield warning(
                "selects_nothing",
                rule.place,
                "an empty list selects no row",
                "write `all` for every value",
                f".scope.{dimension}",
            )
        elif (
            isinstance(term, Fixed) and isinstance(term.constraint, OneOf) and "all" in term.constraint.values
        ):
            yield warning(
                "all_as_value",
                rule.place,
                "`all` in a list is a value like any other",
                "write it without brackets for every value",
                f".scope.{dimension}",
            )
    labels = {label for name in rule.on for label in policy.warehouses[name].label_names}
    for label in rule.columns:
        if label not in labels:
            yield warning(
                "label_not_there",
                rule.place,
                f"no column of {listed(sorted(rule.on))} has the label `{label}`",
            )
