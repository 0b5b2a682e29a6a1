"""One record for each decision: metadata only.

By construction there is no token, cookie, body or query in it: what is handed over is named one by one in `Noted`,
and none of it is read from those. What the policy can read of the caller is in it, so that the decision can be
replayed.

The thread that decides only gathers references; `body` runs in the writer's and makes JSON of them.
"""

import json
import re
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Final

from authz.audit.facts import NOTHING_READ, PolicyReads
from authz.case import Case, Occasion
from authz.check import Asked, Outcome
from authz.identity.principal import Principal
from authz.policy.decision import Allow, Decision
from authz.policy.policyset import Warehouse

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")
# A client may choose its request id where the proxy in front lets it: nothing that could be a credential.
_REQUEST_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")
_MAX_REMEMBERED: Final = 20_000

_json: Final = json.JSONEncoder(separators=(",", ":"), default=dict).encode


Noted = tuple["Recorder", Occasion]
"""What is kept of a decision until it is written. The request is not in it, only what may be recorded of it."""


class Recorder:
    """Makes the records of one policy. What it remembers of principals goes with it when the policy changes."""

    __slots__ = ("_actors", "_answers", "reads")

    def __init__(self, reads: Mapping[str, PolicyReads]) -> None:
        self.reads = reads
        # Both for the writer's thread alone, as `Case.told` is.
        self._actors: dict[tuple[Principal, str], str] = {}
        self._answers: dict[Decision, str] = {}

    def body(self, occasion: Occasion) -> str:
        """The members of the record's JSON object, without its braces: ASCII, in one order."""
        case = occasion.case
        if case.told is None:
            case.told = self._told(case, occasion.at)
        before, after = case.told
        beginning = f'"at":{occasion.at!r},"decision_id":"{occasion.decision_id}",{before}'
        if not after:
            return beginning
        request_id = f'"{occasion.request_id}"' if _REQUEST_ID.match(occasion.request_id) else "null"
        return (
            f'{beginning},"source_address":{_quoted(occasion.source_address)},"request_id":{request_id},'
            f'"trace_id":{_maybe(_trace_id(occasion.traceparent))}{after}'
        )

    def _told(self, case: Case, at: float) -> tuple[str, str]:
        """What stands before and behind that which differs each time that the same is asked."""
        outcome = case.outcome
        known = f"{self._answer(outcome, at)},{self._actor(outcome)}"
        if case.method is None:
            return f'{known},"asked":null', ""
        warehouse = outcome.warehouse
        reads = NOTHING_READ if warehouse is None else self.reads.get(warehouse.name, NOTHING_READ)
        route = None if warehouse is None else route_of(warehouse, case.path)
        before = (
            f'{known},"asked":{{"method":{_quoted(case.method)},"host":{_quoted(case.host)},'
            f'"route":{_maybe(route)},"path":{_maybe(case.path if reads.path else None)}'
        )
        return before, f',"statement":{_statement(outcome.statement)}}}'

    def _answer(self, outcome: Outcome, at: float) -> str:
        decision = outcome.decision
        known = self._answers.get(decision)
        if known is not None:
            return known
        text = _answer(outcome)
        if not decision.per_request and decision.valid_until > at:
            # Others are made for one request and would only push out what comes again.
            _remember(self._answers, decision, text)
        return text

    def _actor(self, outcome: Outcome) -> str:
        principal = outcome.principal
        if principal is None:
            return '"actor":null'
        warehouse = "" if outcome.warehouse is None else outcome.warehouse.name
        known = self._actors.get((principal, warehouse))
        if known is None:
            known = _actor(principal, self.reads.get(warehouse, NOTHING_READ))
            _remember(self._actors, (principal, warehouse), known)
        return known


def _remember(known: dict[Any, str], key: object, text: str) -> None:
    if len(known) >= _MAX_REMEMBERED:
        known.clear()
    known[key] = text


def _answer(outcome: Outcome) -> str:
    decision, warehouse = outcome.decision, outcome.warehouse
    if isinstance(decision, Allow):
        word, reason, detail = "allow", "granted", ""
        rules, scope_id = decision.grants + decision.restrictions, decision.scope.id
    else:
        word, reason, detail = "deny", decision.reason.value, decision.detail
        rules, scope_id = decision.rules, None
    return _members(
        {
            "outcome": word,
            "reason": reason,
            "detail": detail,
            "warehouse": None if warehouse is None else warehouse.name,
            "rules": rules,
            "scope_id": scope_id,
            "policy_version": outcome.policy_version,
        }
    )


def _actor(principal: Principal, reads: PolicyReads) -> str:
    certificate = principal.certificate
    actor = {
        "key": principal.key,
        "issuer": principal.issuer,
        "subject": principal.subject,
        "methods": sorted(method.value for method in principal.methods),
        "groups": reads.groups_of(principal),
        "claims": reads.claims_of(principal),
        "absent": reads.absent_of(principal),
        "spiffe_id": None if certificate is None else certificate.spiffe_id,
        "certificate_name": None if certificate is None else certificate.name,
        "certificate_trust": None if certificate is None else certificate.trust,
        "certificate_fingerprint": None if certificate is None else certificate.fingerprint,
        "token_id": principal.token_id,
    }
    return _members({"actor": actor})


def _statement(statement: Asked | None) -> str:
    """What may be recorded of a statement: no literal is in any of it."""
    if statement is None:
        return "null"
    return _json({"kind": statement.kind, "tables": statement.tables, "fingerprint": statement.fingerprint})


def _members(value: Mapping[str, object]) -> str:
    return _json(value)[1:-1]


def _maybe(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


def route_of(warehouse: Warehouse, path: str) -> str | None:
    """The longest route of `warehouse` that `path` can have taken, as the policy writes it; a prefix with `*`."""
    best = ""
    for route in warehouse.routes:
        if route.path == path:
            return path
        if route.prefix is not None and len(route.prefix) > len(best) and path.startswith(route.prefix):
            best = route.prefix
    return f"{best}*" if best else None


def _trace_id(traceparent: str | None) -> str | None:
    match = None if traceparent is None else _TRACEPARENT.match(traceparent)
    return None if match is None else match[1]
