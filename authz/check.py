"""The order of one check: who is asking becomes what they may see.

Pure: a request, a snapshot and a time in, an outcome out. A recorded request can be replayed against
another policy, and the same inputs give the same outcome. What is remembered between calls is
remembered inside the snapshot, so a new policy or key set starts with an empty memory.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from authz.errors import Denied, Reason
from authz.guarding import Statement, examine_request, refuse_hidden_columns
from authz.guardrails.examiner import Examiner
from authz.identity.authenticator import Authenticator
from authz.identity.credentials import read_credentials
from authz.identity.principal import Principal
from authz.identity.revocations import Revocations
from authz.memory import DEFAULT_REMEMBERED, Memory
from authz.policy.decision import Allow, Decision, Deny
from authz.policy.evaluate import evaluate
from authz.policy.policyset import PolicySet, Warehouse
from authz.rendering.circumstances import Circumstances
from authz.rendering.render import render, render_request
from authz.rendering.rewrites import Rewrites
from authz.request import AccessRequest
from authz.signing.keys import SigningKeys

Vouched = tuple[str, object]
"""The name of a warehouse, and somebody whom it has let in itself."""


class Phase(StrEnum):
    """The parts of answering a check, in their order; those in the middle are of `check`."""

    READ = "read"
    IDENTIFY = "identify"
    DECIDE = "decide"
    EXAMINE = "examine"
    """The statement, where the warehouse has guardrails."""
    REWRITE = "rewrite"
    ANSWER = "answer"
    RECORD = "record"


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """A decision that holds for every request of one principal to one warehouse, from `valid_from` until `valid_until`.

    That is when the decision ends, or what was signed for it is to be signed anew. Before it was made it says nothing: a
    clock that is set back may lie before the beginning of a grant that it rests on.
    """

    decision: Decision
    rewrites: Rewrites | None
    valid_from: float
    valid_until: float


# Denials before anybody was identified that no passing of time undoes; of an ended token it is true from then on. Where
# a doubt is left, new keys would.
_LASTING: Final = frozenset(
    {
        Reason.CREDENTIAL_MISSING,
        Reason.ROUTE_UNKNOWN,
        Reason.TOKEN_EXPIRED,
        Reason.TOKEN_MALFORMED,
        Reason.TOKEN_SIGNATURE_INVALID,
    }
)


def _memory() -> Memory[tuple[Principal, str], Remembered]:
    return Memory(DEFAULT_REMEMBERED)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """Everything that a check depends on beside the request and the time: immutable, swapped as a whole."""

    policy: PolicySet
    authenticator: Authenticator
    revocations: Revocations | None
    """None while a file of revocations is configured and has not been read: then nobody can be let in."""
    signing: SigningKeys | None = None
    """None while none is configured, or none has been read: then who needs something signed is denied."""
    remembered: Memory[tuple[Principal, str], Remembered] = field(default_factory=_memory)
    examiner: Examiner = field(default_factory=Examiner)
    vouched: Memory[Vouched, Principal] = field(default_factory=lambda: Memory(DEFAULT_REMEMBERED))


class Asked(Protocol):
    """What was asked, in the words that may be recorded: no literal is in any of them."""

    @property
    def kind(self) -> str: ...

    @property
    def tables(self) -> tuple[str, ...]: ...

    @property
    def fingerprint(self) -> str: ...


# Not frozen, as `AccessRequest` is not.
@dataclass(slots=True, kw_only=True, eq=False)
class Outcome:
    """What a check found, for the answer and for the audit trail.

    `rewrites` is the same object for every request of a principal to a warehouse, so that its serialized
    form can be kept; `request_rewrites` is what this request needs beside it. Both are None on a denial.
    `remembered` says that the decision was; the credentials were, too, then. Until `holds_until` (seconds since the
    epoch) the same question, asked again, has the same outcome, if nothing but the time, its id, its trace and the address
    that it comes from differ, the revocations let its principal pass, and a doubt cannot be settled; 0 where each has to be
    checked anew.
    """

    decision: Final[Decision]
    warehouse: Final[Warehouse | None]
    principal: Final[Principal | None]
    rewrites: Final[Rewrites | None]
    request_rewrites: Final[Rewrites | None]
    policy_version: Final[str]
    remembered: Final[bool] = False
    statement: Final[Asked | None] = None
    """What was asked in SQL, where that was examined."""
    holds_until: Final[float] = 0.0


def check(
    request: AccessRequest,
    snapshot: Snapshot,
    now: float,
    *,
    entering: Callable[[Phase], None] = lambda _: None,
) -> Outcome:
    """Decide one request. `now` is in seconds since the epoch. Never raises `Denied`: a denial is a value.

    Any other exception is a defect; the transport answers it with a denial (`internal_error`). `entering` is told
    which phase begins: whoever measures brings the clock along.
    """
    warehouse: Warehouse | None = None
    principal: Principal | None = None
    rewrites: Rewrites | None = None
    request_rewrites: Rewrites | None = None
    remembered = False
    statement: Statement | None = None
    holds_until = 0.0
    entering(Phase.IDENTIFY)
    try:
        warehouse = snapshot.policy.routes.find(request)
        credentials = read_credentials(request, warehouse.accepts)
        principal = snapshot.authenticator.authenticate(credentials, warehouse.accepts, now)
        _check_revocations(principal, snapshot, now)
        entering(Phase.DECIDE)
        decided, remembered = _decide(request, warehouse, principal, snapshot, now)
        decision, rewrites = decided.decision, decided.rewrites
        if isinstance(decision, Allow) and warehouse.guardrails is not None:
            entering(Phase.EXAMINE)
            statement = examine_request(decision, request, snapshot.examiner)
            if statement is not None:
                refuse_hidden_columns(statement, decision.scope)
        entering(Phase.REWRITE)
        if isinstance(decision, Allow) and rewrites is not None:
            request_rewrites = render_request(
                decision, principal, request, snapshot.policy.version, snapshot.signing
            )
        if not decision.per_request and not _opens_once(principal, snapshot.policy):
            holds_until = min(decided.valid_until, principal.expires_at)
    except Denied as denied:
        if principal is None and denied.reason in _LASTING:
            holds_until = math.inf
        decision, rewrites, request_rewrites = (
            Deny(reason=denied.reason, detail=denied.detail, doubt=denied.doubt),
            None,
            None,
        )
    return Outcome(
        decision=decision,
        warehouse=warehouse,
        principal=principal,
        rewrites=rewrites,
        request_rewrites=request_rewrites,
        policy_version=snapshot.policy.version,
        remembered=remembered,
        statement=statement,
        holds_until=holds_until,
    )


def _opens_once(principal: Principal, policy: PolicySet) -> bool:
    """Whether its token may be used for one request only."""
    issuer = policy.issuers.get(principal.issuer)
    return issuer is not None and issuer.profile.single_use


def _check_revocations(principal: Principal, snapshot: Snapshot, now: float) -> None:
    """On every check, also for a principal and a decision that are remembered. Raises `Denied`."""
    if snapshot.revocations is None:
        raise Denied(Reason.NOT_READY, "the revocations are not loaded")
    snapshot.revocations.check(principal, now)


def _decide(
    request: AccessRequest, warehouse: Warehouse, principal: Principal, snapshot: Snapshot, now: float
) -> tuple[Remembered, bool]:
    """The decision, and whether it was remembered."""
    key = (principal, warehouse.name)
    known = snapshot.remembered.recall(key)
    if known is not None and known.valid_from <= now < known.valid_until:
        return known, True
    decision = evaluate(snapshot.policy, principal, warehouse, request, now)
    rewrites: Rewrites | None = None
    if isinstance(decision, Allow):
        try:
            rewrites = render(decision, principal, _circumstances(snapshot, now))
        except Denied as denied:
            # A target that cannot express the scope refuses: never a wider approximation of it.
            decision = Deny(
                reason=denied.reason,
                detail=denied.detail,
                rules=decision.grants + decision.restrictions,
                valid_until=decision.valid_until,
                per_request=decision.per_request,
            )
    until = decision.valid_until if rewrites is None else min(decision.valid_until, rewrites.valid_until)
    decided = Remembered(decision, rewrites, now, until)
    if not decision.per_request and now < until:
        snapshot.remembered[key] = decided
    return decided, False


def _circumstances(snapshot: Snapshot, now: float) -> Circumstances:
    policy = snapshot.policy
    return Circumstances(
        policy_version=policy.version, now=now, assertion=policy.assertion, signing=snapshot.signing
    )
