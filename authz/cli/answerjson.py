"""An answer as JSON, for machines. Claims are named, and shown only where a rule reads them."""

from authz.cli.asking import Answer, rfc3339
from authz.cli.unsignedtext import signed_claims
from authz.identity.principal import Principal
from authz.policy.claimvalues import find_claim
from authz.policy.decision import Allow
from authz.policy.examine import Finding
from authz.policy.explain import Explanation
from authz.policy.policyset import DenyRule, Grant, Restriction, Warehouse
from authz.policy.resolve import scope_of
from authz.policy.selection import miss_text
from authz.rendering.rewrites import Rewrites
from authz.scopes.datascope import DataScope
from authz.scopes.rowfilter import to_json


def answer_json(answer: Answer) -> dict[str, object]:
    """The whole answer. Keys that were not reached are absent."""
    decision = answer.decision
    found: dict[str, object] = {
        "decision": "allow" if isinstance(decision, Allow) else "deny",
        "reason": answer.reason.value,
        "stage": answer.stage.value,
        "proof": answer.proof.value,
        "policy_version": answer.policy.version,
        "at": rfc3339(answer.now),
    }
    if not isinstance(decision, Allow):
        found["detail"] = decision.detail
    if answer.request is not None:
        request = answer.request
        found["request"] = {
            "method": request.method, "host": request.host, "path": request.path, "query": request.query,
        }  # fmt: skip
    if answer.warehouse is not None:
        found["warehouse"] = answer.warehouse.name
    if answer.principal is not None and answer.explanation is not None:
        found["principal"] = {
            **principal_json(answer.principal, answer.explanation),
            "claims_unaccounted": list(answer.unaccounted_claims),
        }
    if answer.principal is not None and answer.explanation is None:
        found["principal"] = {"issuer": answer.principal.issuer, "subject": answer.principal.subject}
    if answer.explanation is not None:
        found |= _grounds(answer.explanation)
    if answer.statement is not None:
        found["statement"] = {
            "kind": answer.statement.kind,
            "tables": list(answer.statement.tables),
            "fingerprint": answer.statement.fingerprint,
        }
    if isinstance(decision, Allow):
        found["scope"] = {"id": decision.scope.id, **scope_json(decision.scope)}
        found["valid_until"] = rfc3339(decision.valid_until)
        found["per_request"] = decision.per_request
    if answer.rewrites is not None and answer.request_rewrites is not None:
        found["rewrites"] = rewrites_json(answer.rewrites, answer.request_rewrites)
    return found


def principal_json(principal: Principal, explanation: Explanation) -> dict[str, object]:
    """Who asks; of the claims those that rules on the warehouse read, null for one that is missing."""
    found: dict[str, object] = {
        "issuer": principal.issuer,
        "subject": principal.subject,
        "methods": sorted(method.value for method in principal.methods),
        "groups": sorted(principal.groups),
        "claims_read": {
            name: find_claim(name.split("."), principal.claims) for name in explanation.claims_read
        },
        "expires_at": rfc3339(principal.expires_at),
    }
    if principal.certificate is not None:
        certificate = principal.certificate
        found["certificate"] = {
            "trust": certificate.trust,
            "name": certificate.name,
            "fingerprint": certificate.fingerprint or None,
        }
    return found


def scope_json(scope: DataScope) -> dict[str, object]:
    """Rows and columns as they are hashed for the scope id."""
    found: dict[str, object] = {
        "rows": to_json(scope.rows),
        "columns": {name: mask.value for name, mask in scope.columns.items()},
    }
    if scope.tables:
        found["labels"] = {name: mask.value for name, mask in scope.labels.items()}
        found["tables"] = {
            name: {
                "rows": to_json(table.rows),
                "columns": {column: mask.value for column, mask in table.columns.items()},
            }
            for name, table in scope.tables.items()
        }
    return found


def rewrites_json(constant: Rewrites, of_request: Rewrites) -> dict[str, object]:
    """Both parts of what is done to the request, as one.

    What the server will have signed has an empty signature in `set_headers`; `signed` says what it says.
    """
    return {
        "signed": signed_claims(constant.set_headers + of_request.set_headers),
        "set_headers": dict(constant.set_headers + of_request.set_headers),
        "remove_headers": sorted({*constant.remove_headers, *of_request.remove_headers}),
        "set_query": dict(constant.set_query + of_request.set_query),
        "remove_query": sorted({*constant.remove_query, *of_request.remove_query}),
        "path": of_request.path or constant.path,
    }


def _grounds(explanation: Explanation) -> dict[str, object]:
    warehouse = explanation.warehouse
    return {
        "denies": [_rule(finding, warehouse) for finding in explanation.denies],
        "grants": [_rule(finding, warehouse) for finding in explanation.grants],
        "restrictions": [_rule(finding, warehouse) for finding in explanation.restrictions],
        "given": None if explanation.given is None else scope_json(explanation.given),
        "steps": [{"restriction": step.restriction, **scope_json(step.left)} for step in explanation.steps],
    }


def _rule(
    finding: Finding[DenyRule] | Finding[Grant] | Finding[Restriction], warehouse: Warehouse
) -> dict[str, object]:
    rule = finding.rule
    found: dict[str, object] = {
        "id": rule.id,
        "place": f"{rule.place.file}:{rule.place.line}",
        "applies": finding.applies,
    }
    if finding.miss is not None:
        found["because"] = miss_text(rule, finding.miss)
    if finding.failure is not None:
        found |= {"reason": finding.failure.reason.value, "because": finding.failure.detail}
    if rule.when is not None:
        found["condition"] = rule.when.text
    if finding.share is not None:
        share = finding.share
        found |= scope_json(scope_of(warehouse, share.rows, share.treatment))
    return found
