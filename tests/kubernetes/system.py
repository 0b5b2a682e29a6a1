"""A pod of an overlay with its counterparts: an issuer's key, a warehouse with TLS, a rate limit service, a collector."""

import contextlib
import json
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import grpc
import yaml
from envoy_data_plane.envoy.service.ratelimit.v3 import (
    RateLimitRequest,
    RateLimitResponse,
    RateLimitResponseCode,
)

from tests.edge_client import Reply, ask, client_context
from tests.edge_counterparts import Warehouse
from tests.envoy_process import present_authority, server_leaf, short_directory, write_leaf
from tests.kubernetes.local_pod import LocalPod, mount_like_kubelet, with_keys
from tests.pki import Authority, Leaf
from tests.span_collector import SpanCollector
from tests.tokens import SigningKey, claims, ec_key, jwks, mint

KEY = "the-warehouses-own-key"
WAREHOUSE = "warehouse.warehouse.svc.cluster.local:8443"
LIMITS = "limits.scopegate.svc.cluster.local:8081"
COLLECTOR = "collector.observability.svc.cluster.local:4318"


class LimitService:
    """The rate limit service's counterpart: whoever is in `over` has had enough."""

    def __init__(self) -> None:
        self.over: set[str] = set()
        self.asked: list[dict[str, str]] = []
        self._server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        handler = grpc.unary_unary_rpc_method_handler(self._decide)
        name = "envoy.service.ratelimit.v3.RateLimitService"
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(name, {"ShouldRateLimit": handler}),)
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait(5)

    def _decide(self, data: bytes, _: grpc.ServicerContext) -> bytes:
        request = RateLimitRequest.parse(data)
        (descriptor,) = request.descriptors
        facts = {"domain": request.domain, **{entry.key: entry.value for entry in descriptor.entries}}
        self.asked.append(facts)
        code = RateLimitResponseCode
        over = facts["principal"] in self.over
        return bytes(RateLimitResponse(overall_code=code.OVER_LIMIT if over else code.OK))


@dataclass(slots=True)
class PodSystem:
    pod: LocalPod
    warehouse: Warehouse
    limits: LimitService
    collector: SpanCollector
    key: SigningKey
    servers: Authority
    clients: Authority
    policy: dict[str, str]

    @property
    def context(self) -> ssl.SSLContext:
        return client_context(self.pod.directory / "ca.pem")

    def token(self, subject: str = "ann", *groups: str, **changes: Any) -> str:
        """A token of the issuer that the overlay names."""
        now = int(time.time())
        (issuer,) = yaml.safe_load(self.policy["environment.yaml"])["issuers"].values()
        made = claims(
            iss=issuer["issuer"],
            aud=issuer["audiences"],
            sub=subject,
            groups=list(groups or ("analysts-emea",)),
            iat=now - 5,
            nbf=now - 5,
            exp=now + 600,
        )
        return mint({**made, **changes}, self.key)

    def ask(self, target: str, token: str | None = None, **request: Any) -> Reply:
        bearer = [] if token is None else [("authorization", f"Bearer {token}")]
        headers = [*bearer, *request.pop("extra", ())]
        context = request.pop("context", self.context)
        return ask(self.pod.port("8443"), context, target, headers=headers, **request)

    def regions(self, target: str, **request: Any) -> list[str] | None:
        """The regions that the warehouse was told for one allowed request; None for all."""
        self.warehouse.reset()
        reply = self.ask(target, **request)
        assert reply.status == 200, reply
        (seen,) = self.warehouse.take()
        (scope,) = seen.values("x-scope-json")
        return _regions(json.loads(scope))

    def metric(self, worker: int, name: str) -> float:
        _, text = self.pod.get(9100 + worker, "/metrics")
        (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
        return float(line.rpartition(" ")[2])


def _regions(scope: Any) -> list[str] | None:
    text = json.dumps(scope)
    found = [region for region in ("EU", "UK", "US") if f'"{region}"' in text]
    return found or None


@contextlib.contextmanager
def pod_system(overlay: str, before: Callable[[LocalPod], None] = lambda _: None) -> Iterator[PodSystem]:
    """Counterparts, and the pod's volumes as cert-manager, the secret store and kubelet would fill them.

    The pod is not started; `before` fills the volumes that not every overlay has.
    """
    servers, clients, upstreams = (
        present_authority(f"{name} CA") for name in ("Servers", "Clients", "Upstream")
    )
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        certificate, private = write_leaf(directory, "warehouse", server_leaf(upstreams))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private)
        warehouse = stack.enter_context(Warehouse(context))
        limits = stack.enter_context(LimitService())
        collector = stack.enter_context(SpanCollector())
        counterparts = {
            WAREHOUSE: f"127.0.0.1:{warehouse.port}",
            LIMITS: f"127.0.0.1:{limits.port}",
            COLLECTOR: f"127.0.0.1:{collector.port}",
        }
        pod = LocalPod(overlay, "scopegate", directory, counterparts)
        key = ec_key("pod")
        (directory / "jwks.json").write_bytes(jwks(key))
        (directory / "ca.pem").write_bytes(servers.pem)
        mount_like_kubelet(pod.volume("tls"), as_secret(server_leaf(servers)))
        (pod.volume("trust") / "clients-ca.pem").write_bytes(clients.pem)
        (pod.volume("trust") / "upstream-ca.pem").write_bytes(upstreams.pem)
        (pod.volume("keys") / "warehouse.key").write_text(KEY)
        policy = pod.configmaps("policy")
        policy["environment.yaml"] = with_keys(policy["environment.yaml"], directory / "jwks.json")
        mount_like_kubelet(pod.volume("policy"), policy)
        before(pod)
        yield PodSystem(pod, warehouse, limits, collector, key, servers, clients, policy)


def as_secret(leaf: Leaf) -> dict[str, str]:
    """As cert-manager writes one."""
    return {"tls.crt": leaf.pem, "tls.key": leaf.key_pem.decode()}
