"""An answer as a tree for people.

Whatever comes out of a token is written as JSON, so that no claim can move the cursor or forge a line.
"""

import json
from collections.abc import Iterable, Sequence

from rich.text import Text
from rich.tree import Tree

from authz.cli.asking import Answer, Stage, rfc3339
from authz.cli.scopetext import columns_text, rows_text
from authz.cli.unsignedtext import with_claims
from authz.cli.who import Proof
from authz.errors import Reason
from authz.identity.principal import Principal
from authz.policy.claimvalues import find_claim
from authz.policy.decision import Allow
from authz.policy.examine import Finding
from authz.policy.explain import Explanation
from authz.policy.nearmisses import NEAR
from authz.policy.policyset import DenyRule, Grant, Restriction
from authz.policy.resolve import scope_of
from authz.policy.selection import Miss, miss_text
from authz.scopes.datascope import DataScope

MAX_OTHERS = 10
"""Rules that do not apply and are listed all the same, nearest first."""

AnyFinding = Finding[DenyRule] | Finding[Grant] | Finding[Restriction]

# The order of RFC 8725 section 3, as `authz.identity.tokens` takes it.
_STEPS: tuple[tuple[str, frozenset[Reason]], ...] = (
    (
        "a credential is there, and readable",
        frozenset({Reason.CREDENTIAL_MISSING, Reason.CREDENTIAL_MALFORMED, Reason.CERTIFICATE_MISSING}),
    ),
    ("the token is well-formed", frozenset({Reason.TOKEN_TOO_LARGE, Reason.TOKEN_MALFORMED})),
    (
        "the token is from an issuer that is known and accepted here",
        frozenset({Reason.TOKEN_ISSUER_UNKNOWN, Reason.TOKEN_ISSUER_NOT_ACCEPTED}),
    ),
    (
        "its algorithm and type are allowed",
        frozenset({Reason.TOKEN_ALGORITHM_REFUSED, Reason.TOKEN_TYPE_REFUSED}),
    ),
    ("its key is known", frozenset({Reason.KEYS_UNAVAILABLE, Reason.TOKEN_KEY_UNKNOWN})),
    ("its signature is the issuer's", frozenset({Reason.TOKEN_SIGNATURE_INVALID})),
    (
        "its claims hold: audience, lifetime, subject, groups",
        frozenset(
            {
                Reason.TOKEN_AUDIENCE_WRONG,
                Reason.TOKEN_EXPIRED,
                Reason.TOKEN_NOT_YET_VALID,
                Reason.TOKEN_CLAIMS_INVALID,
                Reason.GROUPS_OVERAGE,
            }
        ),
    ),
    ("the certificate that it is bound to is presented", frozenset({Reason.TOKEN_BINDING_FAILED})),
)


def answer_tree(answer: Answer, *, everything: bool = False) -> Tree:
    """The whole answer; `everything` lists every rule, not the nearest only."""
    tree = Tree(_verdict(answer))
    if answer.request is not None and answer.warehouse is not None:
        request = answer.request
        tree.add(
            Text(
                f"request: {request.method} {request.host}{request.path} belongs to warehouse `{answer.warehouse.name}`"
            )
        )
    if answer.stage is Stage.IDENTITY:
        _steps(tree, answer)
    if answer.principal is not None and answer.explanation is not None:
        _principal(tree, answer.principal, answer.explanation)
        _unaccounted(tree.children[-1], answer)
    if answer.explanation is not None:
        _rules(tree, "deny rules", answer.explanation.denies, answer.explanation, everything=everything)
        _rules(tree, "grants", answer.explanation.grants, answer.explanation, everything=everything)
        _rules(
            tree, "restrictions", answer.explanation.restrictions, answer.explanation, everything=everything
        )
        _course(tree, answer.explanation)
    if answer.statement is not None:
        statement = answer.statement
        tables = ", ".join(f"`{name}`" for name in statement.tables) or "no table"
        tree.add(Text(f"statement: {statement.kind} of {tables}, fingerprint {statement.fingerprint}"))
    _outcome(tree, answer)
    return tree


def _verdict(answer: Answer) -> Text:
    allowed = isinstance(answer.decision, Allow)
    text = Text(
        "ALLOWED" if allowed else f"DENIED: {answer.reason.value}",
        style="bold green" if allowed else "bold red",
    )
    match answer.proof:
        case Proof.UNVERIFIED:
            text.append("  NOT VERIFIED: anybody can write such a token", style="bold yellow")
        case Proof.STATED:
            text.append("  if these facts were proven", style="yellow")
        case Proof.VERIFIED:
            pass
    text.append(f"  at {rfc3339(answer.now)}, policy {answer.policy.version}", style="dim")
    return text


def _steps(tree: Tree, answer: Answer) -> None:
    branch = tree.add(Text("identity"))
    if answer.reason is Reason.REVOKED and answer.principal is not None:
        who = f"{_quoted(answer.principal.subject)} of `{answer.principal.issuer}`"
        branch.add(_line("✓", f"the credentials are good: {who}", style="green"))
        branch.add(_line("✗", "nothing of them is revoked", style="red"))
        return
    failed = next((place for place, (_, reasons) in enumerate(_STEPS) if answer.reason in reasons), None)
    for step, _ in _STEPS[1:failed] if failed else ():
        branch.add(_line("✓", step, style="green"))
    step = _STEPS[failed][0] if failed is not None else "the certificate is believed"
    branch.add(_line("✗", step, style="red"))


def _principal(tree: Tree, principal: Principal, explanation: Explanation) -> None:
    methods = " and ".join(sorted(method.value for method in principal.methods))
    branch = tree.add(Text(f"who: {_quoted(principal.subject)} of `{principal.issuer}`, by {methods}"))
    if principal.groups:
        branch.add(Text(f"groups: {', '.join(_quoted(group) for group in sorted(principal.groups))}"))
    if principal.certificate is not None:
        branch.add(
            Text(f"certificate: {_quoted(principal.certificate.name)} of `{principal.certificate.trust}`")
        )
    for name in explanation.claims_read:
        value = find_claim(name.split("."), principal.claims)
        branch.add(Text(f"claim {_quoted(name)}: {'missing' if value is None else _quoted(value)}"))


def _unaccounted(branch: Tree, answer: Answer) -> None:
    names = answer.unaccounted_claims
    if names:
        listed = ", ".join(_quoted(name) for name in names)
        branch.add(Text(f"claims that nobody accounts for: {listed}", style="yellow"))


def _rules(
    tree: Tree, title: str, findings: Sequence[AnyFinding], explanation: Explanation, *, everything: bool
) -> None:
    if not findings:
        tree.add(Text(f"{title}: none on this warehouse"))
        return
    near = [finding for finding in findings if finding.miss is None]
    others = sorted((finding for finding in findings if finding.miss is not None), key=_distance)
    listed = others if everything else others[:MAX_OTHERS]
    branch = tree.add(Text(f"{title}: {sum(each.applies for each in near)} of {len(findings)} apply"))
    for finding in (*near, *listed):
        _rule(branch, finding, explanation)
    if len(listed) < len(others):
        branch.add(
            Text(
                f"and {len(others) - len(listed):,} more that do not apply; list them with --all", style="dim"
            )
        )


def _distance(finding: AnyFinding) -> int:
    """What failed by its condition or time came nearer than what is for somebody else."""
    return 0 if finding.miss in NEAR else 1


def _rule(tree: Tree, finding: AnyFinding, explanation: Explanation) -> None:
    rule = finding.rule
    name = f"`{rule.id}` ({rule.place.file}:{rule.place.line})"
    if finding.failure is not None:
        failure = finding.failure
        tree.add(
            _line("!", f"{name} cannot be settled: {failure.reason.value}: {failure.detail}", style="red")
        )
    elif finding.miss is not None:
        tree.add(_line("✗", f"{name}: {miss_text(rule, finding.miss)}", style="dim"))
    elif finding.share is None:
        tree.add(_line("✓", f"{name} applies", style="red"))
    else:
        verb = "gives" if isinstance(rule, Grant) else "leaves"
        share = scope_of(explanation.warehouse, finding.share.rows, finding.share.treatment)
        tree.add(_line("✓", f"{name} {verb} {_scope(share)}", style="green"))
    # A condition is shown where it was looked at.
    if rule.when is not None and finding.miss in {None, Miss.CONDITION}:
        tree.children[-1].add(Text(f"when {' '.join(rule.when.text.split())}", style="dim"))


def _course(tree: Tree, explanation: Explanation) -> None:
    if explanation.given is None:
        return
    branch = tree.add(Text(f"together the grants give {_scope(explanation.given)}"))
    for step in explanation.steps:
        branch.add(Text(f"`{step.restriction}` leaves {_scope(step.left)}"))


def _outcome(tree: Tree, answer: Answer) -> None:
    decision = answer.decision
    if not isinstance(decision, Allow):
        tree.add(_line("✗", f"{decision.reason.value}: {decision.detail}", style="red"))
        return
    scope = tree.add(Text(f"scope {decision.scope.id}: {_scope(decision.scope)}", style="green"))
    if decision.per_request:
        scope.add(Text("for this request only: a condition reads the request or the time"))
    elif (until := rfc3339(decision.valid_until)) is not None:
        scope.add(Text(f"until {until}"))
    if answer.rewrites is not None and answer.request_rewrites is not None:
        branch = tree.add(Text("rewrites"))
        _lines(branch, (f"{name}: {with_claims(value)}" for name, value in answer.rewrites.set_headers))
        _lines(branch, (f"{name}: {value}" for name, value in answer.request_rewrites.set_headers))
        _lines(branch, (f"?{name}={value}" for name, value in answer.request_rewrites.set_query))
        if answer.request_rewrites.path is not None:
            branch.add(Text(f":path: {answer.request_rewrites.path}"))
        removed = {*answer.rewrites.remove_headers, *answer.request_rewrites.remove_headers}
        branch.add(Text(f"and {len(removed)} headers are removed, if the client sent them", style="dim"))


def _lines(tree: Tree, lines: Iterable[str]) -> None:
    for line in lines:
        tree.add(Text(line))


def _scope(scope: DataScope) -> str:
    return rows_text(scope.rows) + columns_text(scope.columns or scope.labels)


def _line(sign: str, text: str, *, style: str) -> Text:
    return Text(f"{sign} ", style=style).append(text, style="" if style == "green" else style)


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, default=lambda other: f"({type(other).__name__})")
