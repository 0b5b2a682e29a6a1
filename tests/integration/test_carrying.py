"""The question of a check in the request line, by the real Envoy around a worker: what is carried, and what is left alone."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from authz.telemetry.logs import LogFormat
from authz.transport.addresses import UnixAddress
from authz.transport.asgi import CARRIED_PATH, CHECK_PATH, PROCESS_PATH
from authz.transport.checkserver import MAX_REQUEST_BYTES
from authz.transport.framing import framed
from authz.workers.engines import problem_with_pyvoy
from authz.workers.host import host_command
from tests.envoy_process import end_process, wait_until
from tests.unit.transport.questions import question

pytestmark = pytest.mark.skipif(
    problem_with_pyvoy() is not None, reason=f"pyvoy cannot serve here: {problem_with_pyvoy()}"
)

QUESTION = bytes(question().SerializeToString())
EVERY_OTHER_BYTE = bytes(range(1, 256))
PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an Envoy that tells how each call came to its application."""
    directory = tmp_path_factory.mktemp("host")
    address = UnixAddress(directory / "checks.sock")
    application = "tests.integration.carried_echo:app"
    command, environment = host_command(
        (address,), directory / "admin.sock", 100, LogFormat.CONSOLE, application
    )
    log = directory / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=out)
    try:
        wait_until(lambda: _told(f"unix:{address.path}", QUESTION) is not None, "it answers")
        yield f"unix:{address.path}"
    finally:
        end_process(process)
    assert "script log" not in log.read_text()


def _told(address: str, message: bytes, path: str = CHECK_PATH, **how: Any) -> dict[str, str] | None:
    with grpc.insecure_channel(address) as channel:
        try:
            data = channel.unary_unary(path)(message, timeout=PATIENCE_SECONDS, **how)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return None
            raise
    told: dict[str, str] = json.loads(data)
    return told


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(QUESTION, id="a question"),
        pytest.param(b"\x01", id="the shortest"),
        pytest.param(b"?a#b%00%2F/../ \r\n\t\x7f", id="what means something in a URL"),
        pytest.param(EVERY_OTHER_BYTE, id="every byte but zero"),
        pytest.param(EVERY_OTHER_BYTE * 257, id="more than a frame of HTTP/2"),
        pytest.param(EVERY_OTHER_BYTE * 3_600, id="nearly as long as may be"),
    ],
)
def test_the_message_of_a_check_arrives_with_its_headers_byte_for_byte(host: str, message: bytes) -> None:
    """Nothing is left for a second way to the application, and nothing is normalized."""
    told = _told(host, message)
    assert told is not None
    assert (told["path"], bytes.fromhex(told["query"])) == (CARRIED_PATH, message)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0", id="a zero byte"),
        pytest.param(QUESTION + b"\0", id="a zero byte at the end"),
        pytest.param(b"\0" + QUESTION, id="a zero byte at the beginning"),
    ],
)
def test_what_cannot_stand_in_a_header_stays_a_body(host: str, message: bytes) -> None:
    """The neighbours: none of it is cut off."""
    assert _told(host, message) == {"path": CHECK_PATH, "query": "", "body": framed(message).hex()}


def test_a_compressed_message_stays_a_body(host: str) -> None:
    """It is refused as such, not taken for a question."""
    told = _told(host, QUESTION * 20, compression=grpc.Compression.Gzip)
    assert told is not None
    assert (told["path"], told["query"], told["body"][:2]) == (CHECK_PATH, "", "01")


def test_two_messages_stay_a_body(host: str) -> None:
    """The second one is not carried as a part of the first."""
    with grpc.insecure_channel(host) as channel:
        ask = channel.stream_unary(CHECK_PATH)
        told = json.loads(ask(iter((b"one", b"two")), timeout=PATIENCE_SECONDS))
    assert told == {"path": CHECK_PATH, "query": "", "body": (framed(b"one") + framed(b"two")).hex()}


@pytest.mark.parametrize(
    "path", [PROCESS_PATH, "/grpc.health.v1.Health/Check", f"{CHECK_PATH}?a", CARRIED_PATH]
)
def test_every_other_call_stays_what_it_is(host: str, path: str) -> None:
    """A stream would otherwise be waited for until it ends."""
    told = _told(host, QUESTION, path)
    assert told is not None
    assert (told["path"], told["body"]) == (path.partition("?")[0], framed(QUESTION).hex())


def test_more_than_may_be_is_refused_before_it_is_read(host: str) -> None:
    """Envoy ends the call where its buffer does; Scopegate itself says it of what is only a little too long."""
    with pytest.raises(grpc.RpcError) as error:
        _told(host, bytes(8 * MAX_REQUEST_BYTES))
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
