"""Who asks, offline: a principal out of facts that somebody states, or out of credentials that are verified."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from authz.errors import Denied, Reason
from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.claims import verify_claims
from authz.identity.issuer import Issuer
from authz.identity.principal import NO_CLAIMS, CertificateIdentity, Claims, Method, Principal
from authz.identity.tokens import check_header, find_issuer, parse_token
from authz.identity.trust import CertificateNames
from authz.policy.policyset import PolicySet


class CannotAskError(Exception):
    """The question itself has a mistake; the text says which."""


class Proof(StrEnum):
    """What the word of a principal is worth."""

    VERIFIED = "verified"
    """The credentials were verified as the server verifies them."""
    UNVERIFIED = "unverified"
    """The token's signature was not looked at."""
    STATED = "stated"
    """Somebody stated the facts; there are no credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedFacts:
    """A principal in words. `issuer` and `trust` are configured names; each may be left out if there is one."""

    subject: str | None = None
    issuer: str | None = None
    groups: Sequence[str] = ()
    claims: Mapping[str, object] = field(default_factory=dict)
    spiffe: str | None = None
    dns: str | None = None
    email: str | None = None
    trust: str | None = None

    @property
    def has_token(self) -> bool:
        return bool(self.subject or self.issuer or self.groups or self.claims)

    @property
    def has_certificate(self) -> bool:
        return any((self.spiffe, self.dns, self.email))


def stated_principal(facts: StatedFacts, policy: PolicySet, accepts: AcceptedCredentials) -> Principal:
    """The principal that a warehouse would see if the facts were proven.

    Raises `Denied` where the warehouse does not take such credentials, `CannotAskError` for names that the
    policy does not know.
    """
    person = _person(facts, policy) if facts.has_token else None
    machine = _machine(facts, policy) if facts.has_certificate else None
    return accepted_principal(person, machine, accepts)


def accepted_principal(
    person: Principal | None, machine: CertificateIdentity | None, accepts: AcceptedCredentials
) -> Principal:
    """What a warehouse makes of a token and a certificate. Raises `Denied` for what it asks for and does not get."""
    mode = accepts.authentication
    match mode:
        case Authentication.TOKEN:
            machine = None
        case Authentication.CERTIFICATE:
            person = None
        case Authentication.BOTH if person is None:
            raise Denied(
                Reason.CREDENTIAL_MISSING, "the warehouse asks for a token and a certificate: no token"
            )
        case Authentication.BOTH if machine is None:
            raise Denied(
                Reason.CERTIFICATE_MISSING, "the warehouse asks for a token and a certificate: no certificate"
            )
        case Authentication.ANY | Authentication.BOTH:
            pass
        case _:
            assert_never(mode)
    if person is not None and person.issuer not in accepts.issuers:
        raise Denied(
            Reason.TOKEN_ISSUER_NOT_ACCEPTED,
            f"the warehouse does not take tokens of issuer `{person.issuer}`",
        )
    if machine is not None and machine.trust not in accepts.trusts:
        raise Denied(
            Reason.CERTIFICATE_UNTRUSTED,
            f"the warehouse does not take client certificates of `{machine.trust}`",
        )
    return _joined(person, machine)


def _joined(person: Principal | None, machine: CertificateIdentity | None) -> Principal:
    if machine is None:
        if person is None:
            raise Denied(Reason.CREDENTIAL_MISSING, "no credential of a kind that the warehouse takes")
        return person
    methods = {Method.CERTIFICATE} if person is None else {Method.CERTIFICATE, Method.TOKEN}
    return Principal(
        issuer=machine.trust if person is None else person.issuer,
        subject=machine.name if person is None else person.subject,
        methods=frozenset(methods),
        groups=frozenset() if person is None else person.groups,
        claims=NO_CLAIMS if person is None else person.claims,
        certificate=machine,
        expires_at=math.inf if person is None else person.expires_at,
    )


def _person(facts: StatedFacts, policy: PolicySet) -> Principal:
    return Principal(
        issuer=_known(facts.issuer, policy.issuers, "issuer"),
        subject=facts.subject or "(somebody)",
        methods=frozenset({Method.TOKEN}),
        groups=frozenset(facts.groups),
        claims=Claims(dict(facts.claims)),
        expires_at=math.inf,
    )


def _machine(facts: StatedFacts, policy: PolicySet) -> CertificateIdentity:
    names = {
        CertificateNames.SPIFFE: facts.spiffe,
        CertificateNames.DNS: facts.dns,
        CertificateNames.EMAIL: facts.email,
    }
    stated = {kind: name for kind, name in names.items() if name}
    if len(stated) != 1:
        raise CannotAskError("a certificate has one name: a SPIFFE ID, a DNS name or an e-mail address")
    ((kind, name),) = stated.items()
    trusts = {key: trust for key, trust in policy.trusts.items() if trust.identity is kind}
    return CertificateIdentity(
        trust=_known(facts.trust, trusts, f"client certificate entry with identity `{kind.value}`"),
        name=name,
        spiffe_id=facts.spiffe,
        dns_name=facts.dns,
        email=facts.email,
        fingerprint="",
        serial="",
        not_after=math.inf,
    )


def _known(name: str | None, known: Mapping[str, object], what: str) -> str:
    if name is None and len(known) == 1:
        return next(iter(known))
    if name is None or name not in known:
        got = "it is needed" if name is None else f"got `{name}`"
        raise CannotAskError(
            f"{what}: {got}; the policy has {', '.join(f'`{each}`' for each in known) or 'none'}"
        )
    return name


def unverified_principal(
    token: str, policy: PolicySet, accepts: AcceptedCredentials, now: float
) -> Principal:
    """The principal of a token if its signature were right; everything else about it is verified.

    Never for a server: anybody can write such a token. Raises `Denied`.
    """
    limit = max((issuer.max_token_bytes for issuer in policy.issuers.values()), default=0)
    parsed = parse_token(token, limit)
    issuer = find_issuer(parsed, _by_iss(policy.issuers), accepts.issuers)
    check_header(parsed, issuer)
    found = verify_claims(parsed.unverified_claims, issuer, now)
    person = Principal(
        issuer=issuer.name,
        subject=found.subject,
        methods=frozenset({Method.TOKEN}),
        groups=found.groups,
        claims=found.claims,
        token_id=found.token_id,
        expires_at=found.expires_at,
    )
    return accepted_principal(person, None, accepts)


def _by_iss(issuers: Mapping[str, Issuer]) -> dict[str, Issuer]:
    return {issuer.issuer: issuer for issuer in issuers.values()}
