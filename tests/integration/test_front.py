"""What operators hear of a service of several workers, over its own port."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from authz.transport.addresses import UnixAddress
from authz.workers.front import Front, ask


async def test_a_service_is_alive_once_all_its_workers_listen(tmp_path: Path) -> None:
    """kubelet starts Envoy on this word (a startup probe): before, its checks would find nobody."""
    listening = {0: True, 1: False}
    front = Front(dict, CollectorRegistry(), lambda: all(listening.values()))
    socket = tmp_path / "http"
    await front.start(UnixAddress(socket))
    try:
        early = await ask(socket, "/healthz")
        listening[1] = True
        late = await ask(socket, "/healthz")
    finally:
        await front.stop()
    assert early is not None
    assert late is not None
    assert (early.status, early.body) == (503, b'{"alive": false}')
    assert (late.status, late.body) == (200, b'{"alive": true}')
