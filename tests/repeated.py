"""An engine under a small policy, with and without memory, for tests about questions that are asked again."""

from collections.abc import Iterable, Mapping

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from authz.case import Occasion
from authz.check import Phase, Snapshot
from authz.identity.authenticator import Authenticator
from authz.identity.keyset import parse_jwks
from authz.identity.revocations import NOTHING_REVOKED, Revocations
from authz.policy.parse import parse_policy
from authz.policy.policyset import PolicySet
from authz.policy.yamlvalues import SourceText
from authz.transport.answers import AnswerWriter
from authz.transport.engine import Engine, Serving
from authz.transport.tracing import CheckTrace
from tests.tokens import AUDIENCE, ISSUER, NOW, claims, ec_key, jwks, mint
from tests.unit.transport.questions import question

KEY = ec_key()
POLICY = f"""\
version: 1
issuers:
  okta: {{issuer: "{ISSUER}", audiences: ["{AUDIENCE}"], groups_claim: groups, jwks_file: jwks.json}}
dimensions: {{region: {{type: string}}}}
warehouses:
  sales:
    routes: [{{prefix: /api/}}]
    upstream: http://warehouse
    columns: {{region: region}}
    identity_headers: false
    cache: {{ttl: 60s}}
  stock:
    routes: [{{prefix: /stock/, methods: [GET, POST]}}]
    upstream: http://stock
    columns: {{region: region}}
    query: {{region: region}}
grants:
  - {{id: emea, to: {{groups: [emea]}}, on: [sales, stock], scope: {{region: [EU]}}}}
  - {{id: office, to: {{groups: [office]}}, on: [sales], scope: {{region: [UK]}}, when: 'request.source_address == "192.0.2.7"'}}
  - {{id: paths, to: {{groups: [paths]}}, on: [stock], scope: {{region: [US]}}, when: 'request.path == "/stock/open"'}}
  - {{id: brief, to: {{groups: [brief]}}, on: [sales], scope: {{region: [FR]}}, valid: {{until: 2026-09-21T14:15:00Z}}}}
"""
"""`brief` ends a hundred seconds after `NOW`."""
POLICY_SET: PolicySet = parse_policy([SourceText("scopegate.yaml", POLICY)])

RequestId = "8f14e45f-ceea-467f-9e3c-3d2a8f1f0b11"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Seen:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.occasions: list[Occasion] = []

    def decided(self, occasion: Occasion) -> None:
        self.occasions.append(occasion)

    def timed(self, phases: Iterable[tuple[Phase, float]]) -> None:
        pass

    def traced(self, trace: CheckTrace) -> None:
        pass


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def snapshot_of(policy: PolicySet = POLICY_SET, revocations: Revocations = NOTHING_REVOKED) -> Snapshot:
    """One that remembers nothing yet."""
    keys = {name: parse_jwks(jwks(KEY)) for name in policy.issuers}
    authenticator = Authenticator(issuers=policy.issuers, key_sets=keys, bundles={})
    return Snapshot(policy=policy, authenticator=authenticator, revocations=revocations)


def engine_of(seen: Seen, clock: Clock, snapshot: Snapshot | None = None) -> Engine:
    snapshot = snapshot or snapshot_of()
    answers = AnswerWriter(policy_version=snapshot.policy.version, public_url=None)
    return Engine(Serving(snapshot=snapshot, answers=answers, observer=seen), clock=clock)


def token(*groups: str, **changes: object) -> str:
    return mint(claims(groups=list(groups), **changes), KEY)


def asked(
    bearer: str,
    path: str = "/api/x?page=1",
    *,
    request_id: str = RequestId,
    trace: str | None = None,
    stream: str = "1234567890",
    port: int = 40000,
    address: str = "192.0.2.7",
    method: str = "GET",
    warehouse: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> CheckRequest:
    """A question in Envoy's form."""
    more = {"authorization": f"Bearer {bearer}", "x-request-id": request_id, **(headers or {})}
    if trace is not None:
        more["traceparent"] = trace
    more[":path"], more[":method"] = path, method
    made = question(method=method, path=path, headers=more, warehouse=warehouse)
    made.attributes.request.http.id = stream
    source = made.attributes.source.address.socket_address
    source.address, source.port_value = address, port
    return made


def told(answer: bytes, decision_id: str) -> CheckResponse:
    """The answer, with a dash where its decision id was."""
    return CheckResponse.FromString(answer.replace(decision_id.encode("ascii"), b"-" * 32))
