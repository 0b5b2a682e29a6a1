"""Client certificates at the real Envoy, and the certificate and key of a warehouse behind it."""

import contextlib
import ssl
from collections.abc import Iterator

import pytest
from cryptography import x509

from tests.edge_client import Reply
from tests.edge_counterparts import Warehouse, allow
from tests.edge_policies import edge_warehouse
from tests.envoy_process import present_authority, server_leaf, short_directory, write_leaf
from tests.integration.edge_system import StubbedEdge, stubbed_edge
from tests.pki import EXTRACT_ID

KEY = "key-of-the-warehouse"


@pytest.fixture(scope="module")
def optional() -> Iterator[StubbedEdge]:
    with stubbed_edge(
        lambda upstream, _: [edge_warehouse("sales", upstream=upstream)], client_ca="{directory}/ca.pem"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def required() -> Iterator[StubbedEdge]:
    with stubbed_edge(
        lambda upstream, _: [edge_warehouse("sales", upstream=upstream)],
        client_ca="{directory}/ca.pem",
        require_client_certificate=True,
    ) as running:
        yield running


def handshake_refused(edge: StubbedEdge, context: ssl.SSLContext) -> bool:
    """With TLS 1.3 the client learns of the refusal when it reads."""
    edge.reset()
    try:
        edge.ask("/sales/x", context=context)
    except (ssl.SSLError, ConnectionError):
        return edge.stub.calls == [] and edge.warehouse.take() == []
    return False


def seen_certificate(edge: StubbedEdge, context: ssl.SSLContext | None = None) -> str:
    """What Envoy tells Scopegate of the client's certificate."""
    edge.reset()
    assert edge.ask("/sales/x", context=context or edge.context).status == 200
    (call,) = edge.stub.take()
    assert call.attributes.source is not None
    return call.attributes.source.certificate


def test_certificates_of_another_authority_are_refused_whether_required_or_not(
    optional: StubbedEdge, required: StubbedEdge
) -> None:
    """A certificate that is sent must verify."""
    other = present_authority("Another CA")
    for edge in (optional, required):
        assert handshake_refused(edge, edge.client("stranger", EXTRACT_ID, authority=other))


def test_a_required_certificate_is_required(required: StubbedEdge) -> None:
    """Without one there is no request at all; with one there is."""
    assert handshake_refused(required, required.context)
    assert "BEGIN%20CERTIFICATE" in seen_certificate(required, required.client("extract", EXTRACT_ID))


def test_an_optional_certificate_is_told_to_scopegate_if_there_is_one(optional: StubbedEdge) -> None:
    """The leaf, from the handshake; without one nothing is told, and the warehouse sees nothing either way."""
    assert seen_certificate(optional) == ""
    assert "BEGIN%20CERTIFICATE" in seen_certificate(optional, optional.client("extract", EXTRACT_ID))
    assert "x-forwarded-client-cert" not in optional.warehouse.take()[0].names


@contextlib.contextmanager
def tls_warehouse(
    *, name: str = "localhost", trusted: bool = True
) -> Iterator[tuple[StubbedEdge, Warehouse]]:
    """An edge whose warehouse speaks TLS: with a certificate for `name` from an authority that is trusted or not."""
    authority = present_authority("Warehouse CA")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with short_directory() as directory:
        roots = authority if trusted else present_authority("Warehouse CA")
        (directory / "roots.pem").write_bytes(roots.pem)
        leaf = authority.issue(
            [x509.DNSName(name)],
            not_before=server_leaf(authority).certificate.not_valid_before_utc.timestamp(),
            not_after=server_leaf(authority).certificate.not_valid_after_utc.timestamp(),
            extended=(x509.oid.ExtendedKeyUsageOID.SERVER_AUTH,),
        )
        context.load_cert_chain(*write_leaf(directory, "warehouse", leaf))
        (directory / "key").write_text(KEY + "\n")
        with (
            Warehouse(context) as warehouse,
            stubbed_edge(
                lambda _upstream, _directory: [
                    edge_warehouse(
                        "sales",
                        upstream=f"https://localhost:{warehouse.port}",
                        ttl=60,
                        upstream_api_key_file=str(directory / "key"),
                    )
                ],
                upstream_ca=str(directory / "roots.pem"),
            ) as edge,
        ):
            yield edge, warehouse


def ask_twice(edge: StubbedEdge, path: str, **request: object) -> list[Reply]:
    answer = allow(query=[("__scope", "a")])
    return [edge.ask(path, answer, **request), edge.ask(path, answer, method="POST", **request)]


def test_a_warehouse_with_a_wrong_certificate_gets_nothing() -> None:
    """Neither another name nor another authority is spoken to, not even by the cache's own fetch."""
    for wrong in ({"name": "other.example"}, {"trusted": False}):
        with tls_warehouse(**wrong) as (edge, warehouse):  # type: ignore[arg-type]
            assert [reply.status for reply in ask_twice(edge, "/sales/x")] == [503, 503]
            assert warehouse.take() == []


def test_a_warehouse_with_the_right_certificate_gets_the_key_of_the_edge() -> None:
    """A client's own key is replaced; nobody but the warehouse ever sees the edge's."""
    with tls_warehouse() as (edge, warehouse):
        replies = ask_twice(edge, "/sales/x", headers=[("x-api-key", "mine")])

        assert [reply.status for reply in replies] == [200, 200]
        assert [seen.values("x-api-key") for seen in warehouse.take()] == [[KEY], [KEY]]
        assert KEY.encode() not in b"".join(edge.stub.calls)
        assert KEY not in str(replies)
        assert KEY not in (edge.directory / "envoy.yaml").read_text()
        edge.envoy.wait_for_line(path="/sales/x")
        assert KEY not in edge.envoy.log_text() + edge.envoy.messages()
