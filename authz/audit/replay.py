"""Recorded decisions, made once more under another policy: what would have been answered?

A record holds the facts that its policy read. Where the other policy reads more, nobody knows what the caller's token
said there, and the decision is undecidable rather than guessed.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from authz.audit.facts import NOTHING_READ, PolicyReads, policy_reads
from authz.audit.lines import Actor, Asked, DecisionLine, PolicyLine
from authz.audit.reading import TrailFile, lines_in
from authz.audit.tail import BEGINNING
from authz.errors import Denied, Reason
from authz.identity.principal import CertificateIdentity, Claims, Method, Principal
from authz.policy.decision import Allow, Decision
from authz.policy.evaluate import evaluate
from authz.policy.policyset import PolicySet, Warehouse
from authz.rendering.circumstances import unsigned
from authz.rendering.render import render
from authz.request import AccessRequest

MAX_REMEMBERED: Final = 20_000

_DECIDED_BY_POLICY: Final = frozenset(
    {
        Reason.GRANTED,
        Reason.NO_GRANT,
        Reason.DENIED_BY_RULE,
        Reason.SCOPE_EMPTY,
        Reason.CLAIM_MISSING,
        Reason.CLAIM_INVALID,
        Reason.CLAIM_TOO_LARGE,
        Reason.CONDITION_FAILED,
        Reason.SCOPE_NOT_EXPRESSIBLE,
        Reason.SCOPE_TOO_LARGE,
    }
)
"""Whatever was answered otherwise was settled before the policy's rules were asked, or behind them by the statement."""


class Verdict(StrEnum):
    """What became of one recorded decision."""

    SAME = "same"
    CHANGED = "changed"
    UNDECIDABLE = "undecidable"
    """The other policy reads facts that were not recorded."""
    NOT_BY_POLICY = "not_by_policy"
    """No rule decided: the request, the credentials or the statement were refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One decision, then and now. `was` and `becomes` are `allow <scope id>` or `deny <reason>`."""

    line: DecisionLine
    verdict: Verdict
    was: str
    becomes: str | None = None
    missing: tuple[str, ...] = ()
    """The facts that are not recorded."""


@dataclass(slots=True)
class Replay:
    """Replays lines against a policy, in the order of the trail."""

    policy: PolicySet
    _reads: Mapping[str, PolicyReads] = field(init=False)
    _recorded: dict[str, Mapping[str, PolicyReads]] = field(init=False, default_factory=dict)
    _principals: dict[str, Principal] = field(init=False, default_factory=dict)
    _decisions: dict[tuple[Principal, str], Decision] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._reads = policy_reads(self.policy)

    def lines(self, lines: Iterable[bytes]) -> Iterator[Replayed]:
        """What becomes of each decision among `lines`; others are passed over."""
        for line in lines:
            found = BEGINNING.match(line)
            kind = b"" if found is None else found[1]
            if kind == b"policy":
                self._learn(PolicyLine.model_validate_json(line))
            elif kind == b"decision":
                yield self.one(DecisionLine.model_validate_json(line))

    def files(self, files: Iterable[TrailFile], progress: Callable[[int], None]) -> Iterator[Replayed]:
        """`lines`, over files. Raises OSError, EOFError and ValueError for lines that are none."""
        for file in files:
            yield from self.lines(lines_in(file.path, progress))

    def one(self, line: DecisionLine) -> Replayed:
        """What becomes of one decision."""
        was = f"allow {line.scope_id}" if line.outcome == "allow" else f"deny {line.reason}"
        if line.actor is None or line.asked is None or line.warehouse is None:
            return Replayed(line=line, verdict=Verdict.NOT_BY_POLICY, was=was)
        if line.reason not in _DECIDED_BY_POLICY:
            return Replayed(line=line, verdict=Verdict.NOT_BY_POLICY, was=was)
        warehouse = self.policy.warehouses.get(line.warehouse)
        if warehouse is None:
            return _answered(line, was, f"deny {Reason.ROUTE_UNKNOWN.value}")
        missing = self._reads.get(warehouse.name, NOTHING_READ).beyond(self._known(line, line.actor))
        if missing:
            return Replayed(line=line, verdict=Verdict.UNDECIDABLE, was=was, missing=missing)
        return _answered(line, was, self._answer(line, line.actor, line.asked, warehouse))

    def _learn(self, line: PolicyLine) -> None:
        self._recorded[line.policy_version] = {
            name: PolicyReads(
                groups=None if each.groups is None else frozenset(each.groups),
                claims=None if each.claims is None else frozenset(map(tuple, each.claims)),
                path=each.path,
            )
            for name, each in line.reads.items()
        }

    def _known(self, line: DecisionLine, actor: Actor) -> PolicyReads:
        """What the record can tell. Without its policy's line (a part of a trail): what it shows itself."""
        recorded = self._recorded.get(line.policy_version, {}).get(line.warehouse or "")
        if recorded is not None:
            return recorded
        paths = {tuple(path) for path in actor.absent} | {(name,) for name in actor.claims}
        has_path = line.asked is not None and line.asked.path is not None
        return PolicyReads(groups=frozenset(actor.groups), claims=frozenset(paths), path=has_path)

    def _answer(self, line: DecisionLine, actor: Actor, asked: Asked, warehouse: Warehouse) -> str:
        principal = self._principal(actor)
        refused = _not_accepted(warehouse, principal)
        if refused is not None:
            return f"deny {refused.value}"
        decision = self._decisions.get((principal, warehouse.name))
        if decision is None or line.at >= decision.valid_until:
            request = AccessRequest(
                method=asked.method,
                host=asked.host,
                path=asked.path or (asked.route or "/").removesuffix("*"),
                source_address=asked.source_address,
            )
            decision = evaluate(self.policy, principal, warehouse, request, line.at)
            if not decision.per_request:
                if len(self._decisions) >= MAX_REMEMBERED:
                    self._decisions.clear()
                self._decisions[principal, warehouse.name] = decision
        if not isinstance(decision, Allow):
            return f"deny {decision.reason.value}"
        try:
            render(decision, principal, unsigned(self.policy, line.at))
        except Denied as denied:
            return f"deny {denied.reason.value}"
        return f"allow {decision.scope.id}"

    def _principal(self, actor: Actor) -> Principal:
        key = actor.model_dump_json()
        known = self._principals.get(key)
        if known is None:
            if len(self._principals) >= MAX_REMEMBERED:
                self._principals.clear()
                self._decisions.clear()
            known = self._principals[key] = principal_of(actor)
        return known


def principal_of(actor: Actor) -> Principal:
    """The principal of a record, as far as it was recorded."""
    certificate = None
    if actor.certificate_name is not None:
        name = actor.certificate_name
        # By their form: a SPIFFE ID has a scheme, an e-mail address an @, a DNS name neither.
        is_email = actor.spiffe_id is None and "@" in name
        certificate = CertificateIdentity(
            trust=actor.certificate_trust or "",
            name=name,
            spiffe_id=actor.spiffe_id,
            dns_name=name if actor.spiffe_id is None and not is_email else None,
            email=name if is_email else None,
            fingerprint=actor.certificate_fingerprint or "",
            serial="",
            not_after=math.inf,
        )
    return Principal(
        issuer=actor.issuer,
        subject=actor.subject,
        methods=frozenset(map(Method, actor.methods)),
        groups=frozenset(actor.groups),
        claims=Claims(actor.claims),
        certificate=certificate,
        token_id=actor.token_id,
        expires_at=math.inf,
    )


def _not_accepted(warehouse: Warehouse, principal: Principal) -> Reason | None:
    if principal.is_of_issuer and principal.issuer not in warehouse.accepts.issuers:
        return Reason.TOKEN_ISSUER_NOT_ACCEPTED
    certificate = principal.certificate
    if certificate is not None and certificate.trust not in warehouse.accepts.trusts:
        return Reason.CERTIFICATE_UNTRUSTED
    return None


def _answered(line: DecisionLine, was: str, becomes: str) -> Replayed:
    verdict = Verdict.SAME if was == becomes else Verdict.CHANGED
    return Replayed(line=line, verdict=verdict, was=was, becomes=becomes)


def as_json(replayed: Replayed) -> dict[str, Any]:
    """For people's own tools."""
    line = replayed.line
    actor = line.actor
    return {
        "at": line.at,
        "decision_id": line.decision_id,
        "issuer": None if actor is None else actor.issuer,
        "subject": None if actor is None else actor.subject,
        "warehouse": line.warehouse,
        "verdict": replayed.verdict.value,
        "was": replayed.was,
        "becomes": replayed.becomes,
        "missing": list(replayed.missing),
        "policy_version": line.policy_version,
    }
