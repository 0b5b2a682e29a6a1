"""Unit tests open no sockets: what needs one is an integration test."""

import socket

import pytest


class _RefusedSocket(socket.socket):
    """A socket that cannot reach anybody; socket pairs (asyncio's own wake-up) stay possible."""

    def _refuse(self, *_: object, **__: object) -> None:
        raise AssertionError("a unit test tried to use the network: make it an integration test")

    bind = connect = connect_ex = listen = sendto = _refuse  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def _no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", _RefusedSocket)
