"""Why a line is as it is: the same decision once more, offline, from the same policy and credentials."""

import http.client
import posixpath
import time
from dataclasses import dataclass
from typing import assert_never
from urllib.parse import urlsplit

from authz.check import Snapshot, check
from authz.demo.client import Answer, Question
from authz.demo.expected import AnsweredBy, answered_by
from authz.demo.stage import Stage, read_policy
from authz.errors import Reason
from authz.identity.authenticator import Authenticator
from authz.identity.certificates import parse_trust_bundle
from authz.identity.keyset import parse_jwks
from authz.identity.revocations import NOTHING_REVOKED
from authz.policy.decision import Allow, Deny
from authz.policy.policyset import PolicySet
from authz.request import AccessRequest, split_target


@dataclass(frozen=True, slots=True)
class Why:
    """`reason` is None where Scopegate had no part in the answer."""

    reason: Reason | None
    text: str


class Explainer:
    """Holds what `scopegate explain` would read: the policy, the issuer's public keys, the clients' CA."""

    def __init__(self, stage: Stage) -> None:
        policy = read_policy(stage.policy)
        keys = parse_jwks(_get(f"{stage.wallet.issuer_url}/v1/keys"))
        roots = stage.tls.clients_root.read_bytes()
        self._policy = policy
        self._snapshot = Snapshot(
            policy=policy,
            revocations=NOTHING_REVOKED,
            authenticator=Authenticator(
                issuers=policy.issuers,
                key_sets=dict.fromkeys(policy.issuers, keys),
                bundles={
                    name: parse_trust_bundle(trust, roots, None) for name, trust in policy.trusts.items()
                },
            ),
        )

    def why(self, question: Question, answer: Answer) -> Why:
        """The grounds of the decision, in a line or two."""
        if answered_by(answer) in {AnsweredBy.ENVOY, AnsweredBy.HANDSHAKE}:
            return Why(None, "")
        decision = check(_as_envoy_sees_it(question), self._snapshot, time.time()).decision
        match decision:
            case Allow(grants=grants, restrictions=restrictions):
                rules = [_placed(self._policy, rule) for rule in (*grants, *restrictions)]
                return Why(Reason.GRANTED, "because of " + " and ".join(rules))
            case Deny(reason=reason, detail=detail):
                return Why(reason, detail)
            case _:
                assert_never(decision)


def _placed(policy: PolicySet, rule_id: str) -> str:
    """A rule and where it stands."""
    places = {rule.id: rule.place for rule in policy.grants} | {
        rule.id: rule.place for rule in policy.restrictions
    }
    return f"{rule_id} ({places[rule_id].file}:{places[rule_id].line})"


def _as_envoy_sees_it(question: Question) -> AccessRequest:
    path, mark, query = question.target.partition("?")
    path, query = split_target(posixpath.normpath(path) + mark + query)
    return AccessRequest(
        method=question.method,
        host="localhost",
        path=path,
        query=query,
        headers={} if question.token is None else {"authorization": (f"Bearer {question.token}",)},
        certificate_pem=None
        if question.certificate is None
        else question.certificate.certificate.read_text(),
    )


def _get(url: str) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().read()
    finally:
        connection.close()
