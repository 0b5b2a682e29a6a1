"""What an operator has revoked, effective at once: people, tokens, certificates, whole issuers.

Looked at on every check after authentication, for remembered principals, too, in a time that does not depend on
how much is revoked. Whatever one entry blocks is blocked, whatever the others say.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field

from authz.errors import Denied, Reason
from authz.identity.principal import Principal

Named = tuple[str, str]
"""The configured name of an issuer or a trust, and what it calls a thing of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """One entry. It holds until just before `until`, in seconds since the epoch; `place` is its file and line.

    `note` is the operator's word on it: for the log and the audit trail, never for the client.
    """

    place: str
    until: float = float("inf")
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Tokens that were issued before a moment (seconds since the epoch) are blocked."""

    before: float
    blocked: Blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocations:
    """Everything that is revoked. Names of issuers and trusts are the configured ones.

    `subjects` and `tokens` (`jti`) are an issuer's, `names` (the identity in canonical form) and `certificates`
    (serial numbers, lower-case hex without leading zeros) a trust's. `cuts` are an issuer's as a whole (its subject
    is then the empty text, which no person has) or those of one subject.
    """

    issuers: Mapping[str, Blocked] = field(default_factory=dict, repr=False)
    subjects: Mapping[Named, Blocked] = field(default_factory=dict, repr=False)
    tokens: Mapping[Named, Blocked] = field(default_factory=dict, repr=False)
    cuts: Mapping[Named, tuple[Cut, ...]] = field(default_factory=dict, repr=False)
    trusts: Mapping[str, Blocked] = field(default_factory=dict, repr=False)
    names: Mapping[Named, Blocked] = field(default_factory=dict, repr=False)
    certificates: Mapping[Named, Blocked] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        """The number of entries, those that have ended included."""
        owners = len(self.issuers) + len(self.trusts)
        things = len(self.subjects) + len(self.tokens) + len(self.names) + len(self.certificates)
        return owners + things + sum(len(cuts) for cuts in self.cuts.values())

    def check(self, principal: Principal, now: float) -> None:
        """Raise `Denied(revoked)` if the principal, or any of its credentials, is blocked at `now`."""
        if (self.issuers or self.subjects or self.tokens or self.cuts) and principal.is_of_issuer:
            self._check_token(principal, now)
        certificate = principal.certificate
        if certificate is not None:
            trust = certificate.trust
            _refuse(self.trusts.get(trust), "the trust", now)
            _refuse(self.names.get((trust, certificate.name)), "the subject of the certificate", now)
            _refuse(self.certificates.get((trust, certificate.serial)), "the certificate", now)

    def _check_token(self, principal: Principal, now: float) -> None:
        issuer = principal.issuer
        _refuse(self.issuers.get(issuer), "the issuer", now)
        _refuse(self.subjects.get((issuer, principal.subject)), "the subject", now)
        if principal.token_id is not None:
            _refuse(self.tokens.get((issuer, principal.token_id)), "the token", now)
        if self.cuts:
            for cut in self.cuts.get((issuer, ""), ()) + self.cuts.get((issuer, principal.subject), ()):
                if _issued_before(principal, cut.before):
                    _refuse(cut.blocked, "every token that was issued before a moment", now)

    def unknown_names(self, issuers: Container[str], trusts: Container[str]) -> Iterator[str]:
        """A line for each entry about an issuer or a trust that is not configured: it blocks nobody."""
        for what, named, known in (
            ("issuer", _issuers_of(self), issuers),
            ("client certificates", _trusts_of(self), trusts),
        ):
            for name, place in named:
                if name not in known:
                    yield f"{place}: the policy has no {what} `{name}`: the entry blocks nobody"


NOTHING_REVOKED = Revocations()


def _issued_before(principal: Principal, moment: float) -> bool:
    issued = principal.claims.get("iat")
    # A token that does not say when it was issued may have been issued before: in doubt there is no access.
    return isinstance(issued, bool) or not isinstance(issued, int | float) or issued < moment


def _refuse(blocked: Blocked | None, what: str, now: float) -> None:
    if blocked is not None and now < blocked.until:
        note = f" ({blocked.note})" if blocked.note else ""
        raise Denied(Reason.REVOKED, f"{what} is blocked by {blocked.place}{note}")


def _issuers_of(revocations: Revocations) -> Iterator[tuple[str, str]]:
    yield from ((name, blocked.place) for name, blocked in revocations.issuers.items())
    for named in (revocations.subjects, revocations.tokens):
        yield from ((name, blocked.place) for (name, _), blocked in named.items())
    for (name, _), cuts in revocations.cuts.items():
        yield from ((name, cut.blocked.place) for cut in cuts)


def _trusts_of(revocations: Revocations) -> Iterator[tuple[str, str]]:
    yield from ((name, blocked.place) for name, blocked in revocations.trusts.items())
    for named in (revocations.names, revocations.certificates):
        yield from ((name, blocked.place) for (name, _), blocked in named.items())
