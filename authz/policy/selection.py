"""Whom a rule is for: the one place that holds a selector against a principal."""

from collections.abc import Iterator
from enum import StrEnum

from authz.identity.principal import Principal
from authz.policy.facts import CERTIFICATE_FACTS, TOKEN_FACTS
from authz.policy.policyset import DenyRule, Grant, Restriction, Selector

Rule = Grant | Restriction | DenyRule


class Miss(StrEnum):
    """The first thing about a rule that does not hold for a principal; for the operator and `explain`."""

    NOBODY = "it names nobody"
    WITH_TOKEN = "it is for certificates alone, and a token was presented"
    ISSUER = "the token is from none of its issuers"
    SUBJECT = "the subject is none of its subjects"
    GROUP = "the principal is in none of its groups"
    TRUST = "the certificate is vouched for by none of its client certificate entries"
    SPIFFE = "the SPIFFE ID matches none of its own"
    DNS = "the DNS name is none of its own"
    EMAIL = "the e-mail address is none of its own"
    TOO_EARLY = "it is not valid yet"
    TOO_LATE = "it is not valid any more"
    CONDITION = "its condition is false"


_KEYS = {
    Miss.ISSUER: "issuers",
    Miss.SUBJECT: "subjects",
    Miss.GROUP: "groups",
    Miss.TRUST: "certificates",
    Miss.SPIFFE: "spiffe",
    Miss.DNS: "dns",
    Miss.EMAIL: "emails",
}
_MAX_WANTED = 3


def miss_text(rule: Rule, miss: Miss) -> str:
    """What did not hold, with the values of the policy that would have."""
    key = _KEYS.get(miss)
    if key is None or rule.to is None:
        return miss.value
    wanted: frozenset[str] = getattr(rule.to, key) or frozenset()
    shown = [f"`{value}`" for value in sorted(wanted)[:_MAX_WANTED]]
    if len(wanted) > _MAX_WANTED:
        shown.append(f"{len(wanted) - _MAX_WANTED:,} more")
    return f"{miss.value} ({', '.join(shown) or 'it has none'})"


def selector_miss(selector: Selector, principal: Principal) -> Miss | None:
    """The first key of a selector that does not hold; None if all do.

    Facts of a token need a token: the name in a certificate is never a `subject`, however it is spelled.
    """
    if selector.names_token:
        token = principal.is_of_issuer
        if selector.issuers is not None and not (token and principal.issuer in selector.issuers):
            return Miss.ISSUER
        if selector.subjects is not None and not (token and principal.subject in selector.subjects):
            return Miss.SUBJECT
        if selector.groups is not None and (not token or selector.groups.isdisjoint(principal.groups)):
            return Miss.GROUP
    return _certificate_miss(selector, principal) if selector.names_certificate else None


def _certificate_miss(selector: Selector, principal: Principal) -> Miss | None:
    certificate = principal.certificate
    if selector.certificates is not None and (
        certificate is None or certificate.trust not in selector.certificates
    ):
        return Miss.TRUST
    spiffe_id = certificate.spiffe_id if certificate is not None else None
    if selector.spiffe is not None and (
        spiffe_id is None or not any(value in selector.spiffe for value in spiffe_forms(spiffe_id))
    ):
        return Miss.SPIFFE
    if selector.dns is not None and (certificate is None or certificate.dns_name not in selector.dns):
        return Miss.DNS
    if selector.emails is not None and (certificate is None or certificate.email not in selector.emails):
        return Miss.EMAIL
    return None


def spiffe_forms(spiffe_id: str) -> Iterator[str]:
    """What a selector may say to match a SPIFFE ID: the ID itself, or a part of it that ends in `/*`.

    `spiffe://acme.example/tableau/*` is every ID below, with at least one more segment; never
    `spiffe://acme.example/tableau` itself, and never another trust domain.
    """
    yield spiffe_id
    root = spiffe_id.find("/", len("spiffe://"))
    end = spiffe_id.rfind("/")
    while end >= root > 0:
        yield f"{spiffe_id[:end]}/*"
        end = spiffe_id.rfind("/", 0, end)


def for_certificates_alone(grant: Grant) -> bool:
    """Whether a grant names facts of a certificate only, in `to` or, where `to` names nothing, in its condition."""
    if grant.to.names_token or grant.when is None or grant.to.names_certificate:
        return grant.to.names_certificate and not grant.to.names_token
    reads = grant.when.variables | ({"principal.claims"} if grant.when.claims else frozenset())
    return not reads.isdisjoint(CERTIFICATE_FACTS) and reads.isdisjoint(TOKEN_FACTS)


def rule_miss(rule: Rule, principal: Principal) -> Miss | None:
    """The first thing about the principal that keeps a rule from applying, time and condition apart."""
    if isinstance(rule, Grant):
        if not (rule.to.names_token or rule.to.names_certificate or rule.when is not None):
            # Nothing named must not turn into everybody.
            return Miss.NOBODY
        if principal.is_of_issuer and for_certificates_alone(rule):
            return Miss.WITH_TOKEN
    return None if rule.to is None else selector_miss(rule.to, principal)
