"""Certificates that are replaced while the real Envoy serves: taken up at once, and no request fails."""

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509

from tests.edge_client import client_context
from tests.edge_policies import edge_warehouse
from tests.envoy_process import present_authority, server_leaf, wait_until, write_leaf
from tests.integration.edge_system import StubbedEdge, stubbed_edge
from tests.pki import EXTRACT_ID, Leaf

LOADERS = 4


@pytest.fixture(scope="module")
def edge() -> Iterator[StubbedEdge]:
    with stubbed_edge(
        lambda upstream, _: [edge_warehouse("sales", upstream=upstream)],
        followed=True,
        client_ca="{directory}/clients.pem",
        certificate="{directory}/tls/server.crt",
        private_key="{directory}/tls/server.key",
        prepare=_prepare,
    ) as running:
        yield running


def _prepare(directory: Path) -> None:
    """The server's pair behind a link that is swapped as kubelet does, and a file of client CAs."""
    (directory / "clients.pem").write_bytes((directory / "ca.pem").read_bytes())
    mount = directory / "tls"
    (mount / "..1").mkdir(parents=True)
    for name in ("server.crt", "server.key"):
        (directory / name).rename(mount / "..1" / name)
        (mount / name).symlink_to(f"..data/{name}")
    (mount / "..data").symlink_to("..1")


def served(edge: StubbedEdge) -> int:
    """The serial number of the certificate that a new connection is shown."""
    with (
        socket.create_connection(("127.0.0.1", edge.envoy.port), timeout=10) as plain,
        edge.context.wrap_socket(plain, server_hostname="localhost") as channel,
    ):
        der = channel.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


def swap(edge: StubbedEdge, leaf: Leaf, generation: int) -> None:
    """All files of a mount in one moment."""
    fresh = edge.directory / "tls" / f"..{generation}"
    fresh.mkdir()
    write_leaf(fresh, "server", leaf)
    link = edge.directory / "tls" / "..data_tmp"
    link.symlink_to(fresh.name)
    os.replace(link, edge.directory / "tls" / "..data")  # noqa: PTH105 - as kubelet does it


def replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.rename(path)


@contextmanager
def load(ask: Callable[[], object]) -> Iterator[list[object]]:
    """Requests all the while, each on a connection of its own; what failed."""
    ended, failures, done = threading.Event(), [], [0] * LOADERS

    def work(number: int) -> None:
        while not ended.is_set():
            try:
                answer = ask()
            except OSError as error:
                failures.append(error)
            else:
                done[number] += 1
                if answer != 200:
                    failures.append(answer)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(LOADERS)]
    for thread in threads:
        thread.start()
    try:
        yield failures
        so_far = sum(done)
        wait_until(lambda: sum(done) > so_far + 50, "requests after the rotation")
    finally:
        ended.set()
        for thread in threads:
            thread.join(20)


def test_the_servers_certificate_rotates_under_load(edge: StubbedEdge) -> None:
    """Three generations; every connection is made with the old pair or with the new one."""
    edge.reset()
    with load(
        lambda: edge.ask("/sales/x", context=client_context(edge.directory / "ca.pem")).status
    ) as failures:
        for generation in (2, 3, 4):
            leaf = server_leaf(edge.authority, "edge.example")
            swap(edge, leaf, generation)
            wait_until(
                lambda leaf=leaf: served(edge) == leaf.certificate.serial_number, "the new certificate", 10
            )
    assert failures == []


def test_a_pair_that_does_not_fit_is_not_taken_up(edge: StubbedEdge) -> None:
    """The old one stays; the next good one is taken."""
    before = served(edge)
    good, other = server_leaf(edge.authority), server_leaf(edge.authority)
    swap(edge, Leaf(good.certificate, other.private), 5)
    failed = "sds.server_certificate.key_rotation_failed"
    wait_until(
        lambda: edge.envoy.stat(failed) + edge.envoy.stat("sds.server_certificate.update_rejected") > 0,
        "Envoy's refusal",
        10,
    )
    assert served(edge) == before
    assert edge.ask("/sales/x").status == 200
    swap(edge, good, 6)
    wait_until(lambda: served(edge) == good.certificate.serial_number, "the good certificate", 10)


def accepted(edge: StubbedEdge, context: ssl.SSLContext) -> bool:
    try:
        return edge.ask("/sales/x", context=context).status == 200
    except (ssl.SSLError, ConnectionError):
        return False


def test_the_authorities_of_clients_rotate_under_load(edge: StubbedEdge) -> None:
    """First both are let in, then only the new one; nobody who is let in notices."""
    edge.reset()
    other = present_authority("Next Clients CA")
    old, new = edge.client("old", EXTRACT_ID), edge.client("new", EXTRACT_ID, authority=other)
    assert accepted(edge, old)
    assert not accepted(edge, new)
    clients = edge.directory / "clients.pem"
    with load(lambda: edge.ask("/sales/x", context=edge.client_of("old")).status) as failures:
        replace(clients, edge.authority.pem + other.pem)
        wait_until(lambda: accepted(edge, new), "the new authority is believed", 10)
    with load(lambda: edge.ask("/sales/x", context=edge.client_of("new")).status) as later:
        replace(clients, other.pem)
        wait_until(lambda: not accepted(edge, old), "the old authority is not believed any more", 10)
    assert failures == later == []
    replace(clients, edge.authority.pem)
    wait_until(lambda: accepted(edge, edge.client_of("old")), "the authority of the start", 10)
