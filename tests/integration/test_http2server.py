"""The server over HTTP/2: on real sockets, what a client of gRPC is told in every case, and how connections end."""

import asyncio
import stat
from pathlib import Path

import grpc
import pytest
import zttp
from grpc_health.v1 import health_pb2

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from authz.transport import http2connection
from authz.transport.addresses import Address, TcpAddress, UnixAddress
from authz.transport.asgi import CHECK_PATH, HEALTH_PATH, PROCESS_PATH, WATCH_PATH
from authz.transport.checkserver import MAX_METADATA_BYTES, MAX_REQUEST_BYTES
from authz.transport.framing import Code, framed
from authz.transport.http2connection import STREAMS
from tests.integration.http2_client import MOST_OPEN, QUESTION, Client, made, serving, until
from tests.unit.transport.answering import later


async def test_a_check_is_answered_whatever_pieces_it_comes_in(tmp_path: Path) -> None:
    """An answer of the engine's, and the status of gRPC behind it; ours, and a client of gRPC's own."""
    whole = framed(QUESTION)
    async with serving(tmp_path) as (_, path):
        client = await Client.at(path)
        for cuts in ([], [1], [3, 9, len(whole)], range(1, len(whole), 7)):
            heard, opened = client.ask(CHECK_PATH)
            for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
                opened.send_data(whole[start:end])
                client.flush()
                await asyncio.sleep(0)
            opened.end_message()
            client.flush()
            await heard.over.wait()
            (answer,) = heard.messages
            assert CheckResponse.FromString(answer).denied_response.status.code == 503
            assert heard.status == Code.OK
        await client.close()
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            answers = await asyncio.gather(*(channel.unary_unary(CHECK_PATH)(QUESTION) for _ in range(300)))
        assert {CheckResponse.FromString(answer).status.code for answer in answers} != {0}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.INTERNAL),
        (framed(QUESTION)[:-1], Code.INTERNAL),
        (framed(QUESTION) * 2, Code.INTERNAL),
        (b"\1" + framed(QUESTION)[1:], Code.UNIMPLEMENTED),
        (framed(bytes(MAX_REQUEST_BYTES + 1)), Code.RESOURCE_EXHAUSTED),
    ],
)
async def test_what_is_no_question_gets_a_status_and_no_answer(
    tmp_path: Path, body: bytes, code: Code
) -> None:
    """Envoy refuses a request that it has no answer for; the connection goes on."""
    async with serving(tmp_path) as (_, path):
        client = await Client.at(path)
        heard = await client.answer(CHECK_PATH, body)
        assert (heard.messages, heard.status) == ([], code)
        assert (await client.answer(CHECK_PATH, framed(QUESTION))).messages
        await client.close()


async def test_a_question_is_as_long_as_one_may_be(tmp_path: Path) -> None:
    """HTTP/2's windows are opened as it comes. It is read as one: what is wrong with it stands in an answer."""
    async with serving(tmp_path) as (_, path):
        client = await Client.at(path)
        heard = await client.answer(CHECK_PATH, framed(bytes(MAX_REQUEST_BYTES)))
        assert (len(heard.messages), heard.status) == (1, Code.OK)
        await client.close()


async def test_a_question_that_is_too_long_is_refused_before_it_ends(tmp_path: Path) -> None:
    """Nobody waits for the rest of it."""
    async with serving(tmp_path) as (_, path):
        client = await Client.at(path)
        heard, opened = client.ask(CHECK_PATH)
        opened.send_data(b"\0" + (2 * MAX_REQUEST_BYTES).to_bytes(4, "big"))
        for _ in range(MAX_REQUEST_BYTES // 16_384 + 1):
            opened.send_data(bytes(16_384))
            client.flush()
            await asyncio.sleep(0)
        await until(heard.over.is_set)
        assert (heard.messages, heard.status) == ([], Code.RESOURCE_EXHAUSTED)
        assert (await client.answer(CHECK_PATH, framed(QUESTION))).status == Code.OK
        await client.close()


async def test_what_nobody_reads_is_not_kept(tmp_path: Path) -> None:
    """A stream ends when more of it lies unread than one message may have; a watcher has nothing to say."""
    async with serving(tmp_path) as (_, path):
        client = await Client.at(path)
        heard, opened = client.ask(WATCH_PATH)
        opened.send_data(framed(b""))
        client.flush()
        await until(lambda: bool(heard.messages))
        for _ in range(2 * MAX_REQUEST_BYTES // 16_384):
            if heard.over.is_set():
                break
            opened.send_data(bytes(16_384))
            client.flush()
            await asyncio.sleep(0)
        await until(heard.over.is_set)
        assert heard.reset == 2
        assert (await client.answer(CHECK_PATH, framed(QUESTION))).status == Code.OK
        await client.close()


async def test_a_method_that_is_not_there_is_unimplemented(tmp_path: Path) -> None:
    """As gRPC says it: with the headers that end the answer."""
    async with serving(tmp_path) as (_, path):
        client = await Client.at(path)
        for wrong in (f"{CHECK_PATH}s", "/", "/envoy.service.auth.v2.Authorization/Check"):
            heard = await client.answer(wrong, framed(QUESTION))
            assert (heard.messages, heard.status) == ([], Code.UNIMPLEMENTED)
        await client.close()


async def test_an_answer_that_takes_a_while_holds_up_nobody_but_the_end(tmp_path: Path) -> None:
    """Others on the same connection are answered meanwhile; `stop` lets it leave, and says goodbye."""
    settled, noted = asyncio.Event(), list[str]()
    async with serving(tmp_path, begin=later(settled, noted)) as (server, path):
        client = await Client.at(path)
        slow, _ = client.ask(CHECK_PATH, framed(QUESTION))
        heard = await client.answer(HEALTH_PATH, framed(b""))
        assert (heard.status, slow.over.is_set(), server.in_flight) == (Code.OK, False, 1)
        stopping = asyncio.create_task(server.stop(5))
        await asyncio.sleep(0.01)
        late = await client.answer(CHECK_PATH, framed(QUESTION))
        assert (late.messages, late.status, stopping.done()) == ([], Code.UNAVAILABLE, False)
        settled.set()
        await stopping
        await client.ended.wait()
        assert (slow.messages, slow.status, noted) == ([b"answer"], Code.OK, [])
        assert [code for code, _ in client.goodbyes] == [0]
        assert not path.exists()


@pytest.mark.parametrize("how", ["reset", "gone"])
async def test_a_caller_that_goes_has_its_check_given_up(tmp_path: Path, how: str) -> None:
    """The engine is told, so that it notes a denial."""
    noted = list[str]()
    async with serving(tmp_path, begin=later(asyncio.Event(), noted)) as (server, path):
        client = await Client.at(path)
        _, opened = client.ask(CHECK_PATH, framed(QUESTION))
        await client.answer(HEALTH_PATH, framed(b""))
        assert server.in_flight == 1
        if how == "reset":
            opened.reset(8)
            client.flush()
        else:
            await client.close()
        await until(lambda: not server.in_flight)
        assert noted == ["given up"]
        if how == "reset":
            assert (await client.answer(HEALTH_PATH, framed(b""))).status == Code.OK
            await client.close()


async def test_a_defect_takes_no_other_call_of_its_connection_with_it(tmp_path: Path) -> None:
    """It is reported, and its caller gets no answer."""
    asked = list[bytes]()

    def broken(data: bytes) -> bytes:
        asked.append(data)
        if len(asked) == 2:
            raise ValueError("defect")
        return b"answer"

    reported = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    async with serving(tmp_path, begin=broken) as (_, path):
        client = await Client.at(path)
        heard = [client.ask(CHECK_PATH, framed(QUESTION))[0] for _ in range(3)]
        await asyncio.gather(*(one.over.wait() for one in heard))
        assert [one.status for one in heard] == [Code.OK, Code.INTERNAL, Code.OK]
        assert [one.messages for one in heard] == [[b"answer"], [], [b"answer"]]
        assert [str(defect) for defect in reported] == ["defect"]
        await client.close()


async def test_a_client_that_lets_nothing_through_yet_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its window opens after it was asked to come anew, and the rest of the answer leaves."""
    monkeypatch.setattr(http2connection, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(http2connection, "STREAMS", 1)
    answer = bytes(100_000)
    async with serving(tmp_path, begin=lambda _: answer) as (_, path):
        reader, writer = await asyncio.open_unix_connection(path)
        client = zttp.Connection(zttp.CLIENT, zttp.HTTP2)
        asked = client.send_request(b"POST", CHECK_PATH.encode(), b"2", [(b"host", b"x")])
        asked.send_data(framed(QUESTION))
        asked.end_message()
        writer.write(client.data_to_send())
        await asyncio.sleep(0.2)
        body = b""
        while data := await reader.read(1 << 16):
            client.receive_data(data)
            while (event := client.next_event()) is not zttp.NEED_DATA:
                body += event.data if isinstance(event, zttp.Data) else b""
            if len(body) < len(framed(answer)):
                writer.write(client.data_to_send())
        writer.close()
        assert body == framed(answer)


async def test_a_deadline_ends_a_check(tmp_path: Path) -> None:
    """`grpc-timeout` is what Envoy sends along."""
    noted = list[str]()
    async with serving(tmp_path, begin=later(asyncio.Event(), noted)) as (_, path):
        client = await Client.at(path)
        heard = await client.answer(CHECK_PATH, framed(QUESTION), headers=[(b"grpc-timeout", b"5m")])
        assert (heard.messages, heard.status, noted) == ([], Code.DEADLINE_EXCEEDED, ["given up"])
        await client.close()


async def test_each_message_of_a_stream_is_processed_when_it_is_there(tmp_path: Path) -> None:
    """Before the next one is sent, and the end comes when the client ends."""
    async with serving(tmp_path) as (_, path):
        client = await Client.at(path)
        heard, opened = client.ask(PROCESS_PATH)
        for number, message in enumerate((b"one", b"two", b"three"), 1):
            opened.send_data(framed(message))
            client.flush()
            await until(lambda: len(heard.messages) >= number)  # noqa: B023 - waited for in this turn
        assert not heard.over.is_set()
        opened.end_message()
        client.flush()
        await heard.over.wait()
        assert heard.messages == [b"processed one", b"processed two", b"processed three"]
        assert heard.status == Code.OK
        await client.close()


async def test_a_watcher_is_told_of_each_change_until_the_end(tmp_path: Path) -> None:
    """gRPC's health, for who watches it."""
    async with serving(tmp_path) as (server, path):
        client = await Client.at(path)
        heard, _ = client.ask(WATCH_PATH, framed(b""))
        await asyncio.sleep(0.05)
        await server.healthy(healthy=True)
        await asyncio.sleep(0.05)
        await server.announce_end()
        await asyncio.sleep(0.05)
        await server.stop(1)
        await client.ended.wait()
        status = health_pb2.HealthCheckResponse
        told = [status.FromString(message).status for message in heard.messages]
        assert told == [status.NOT_SERVING, status.SERVING, status.NOT_SERVING]


async def test_a_client_is_asked_to_come_anew_before_its_connection_is_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it sends until it has read that is answered all the same; then it may go by itself, or is left."""
    monkeypatch.setattr(http2connection, "PATIENCE_SECONDS", 0.1)
    async with serving(tmp_path) as (_, path):
        client = await Client.at(path)
        for _ in range(STREAMS // MOST_OPEN):
            heard = [client.ask(CHECK_PATH, framed(QUESTION))[0] for _ in range(MOST_OPEN)]
            await asyncio.gather(*(one.over.wait() for one in heard))
        assert client.goodbyes == []
        heard = [client.ask(CHECK_PATH, framed(QUESTION))[0] for _ in range(MOST_OPEN)]
        await asyncio.gather(*(one.over.wait() for one in heard))
        assert {one.status for one in heard} == {Code.OK}
        assert client.goodbyes == [(0, 2**31 - 1)]
        await client.ended.wait()


async def test_a_client_of_grpc_comes_anew_without_losing_a_call(tmp_path: Path) -> None:
    """Over several connections, one after the other."""
    async with serving(tmp_path) as (_, path), grpc.aio.insecure_channel(f"unix:{path}") as channel:
        check = channel.unary_unary(CHECK_PATH)
        for _ in range(3 * STREAMS // 100):
            await asyncio.gather(*(check(QUESTION) for _ in range(100)))


async def test_more_streams_than_may_be_open_are_refused_and_the_others_answered(tmp_path: Path) -> None:
    """Refused in HTTP/2's words, which say that nothing was done: a client may ask again."""
    settled = asyncio.Event()
    async with serving(tmp_path, begin=later(settled, [])) as (_, path):
        reader, writer = await asyncio.open_unix_connection(path)
        client = Client(reader, writer)
        heard = [client.ask(CHECK_PATH, framed(QUESTION))[0] for _ in range(MOST_OPEN + 10)]
        await asyncio.gather(*(one.over.wait() for one in heard[MOST_OPEN:]))
        assert [one.reset for one in heard[MOST_OPEN:]] == [7] * 10
        settled.set()
        await asyncio.gather(*(one.over.wait() for one in heard))
        assert {one.status for one in heard[:MOST_OPEN]} == {Code.OK}
        await client.close()


async def test_headers_have_an_end(tmp_path: Path) -> None:
    """As on the other engines; the neighbour is just below."""
    async with serving(tmp_path) as (_, path):
        client = await Client.at(path)
        fits = await client.answer(
            CHECK_PATH, framed(QUESTION), headers=[(b"x-long", b"v" * (MAX_METADATA_BYTES - 1_000))]
        )
        assert fits.status == Code.OK
        await client.close()
        client = await Client.at(path)
        await client.answer(CHECK_PATH, framed(QUESTION), headers=[(b"x-long", b"v" * MAX_METADATA_BYTES)])
        await client.ended.wait()
        assert [code for code, _ in client.goodbyes] == [11]


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", bytes(64), b"\x16\x03\x01" + bytes(61)]
)
async def test_what_is_no_http2_ends_its_connection_and_no_other(tmp_path: Path, garbage: bytes) -> None:
    """HTTP/1.1, TLS, nothing at all."""
    async with serving(tmp_path) as (_, path):
        client = await Client.at(path)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(garbage)
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()
        assert (await client.answer(CHECK_PATH, framed(QUESTION))).status == Code.OK
        await client.close()


async def test_whoever_does_not_read_is_not_read(tmp_path: Path) -> None:
    """Answers do not pile up, however many questions somebody sends without taking any of them."""
    async with serving(tmp_path) as (_, path):
        reader, writer = await asyncio.open_unix_connection(path, limit=1)
        del reader
        client = zttp.Connection(zttp.CLIENT, zttp.HTTP2)
        client.initiate_connection()
        writer.write(client.data_to_send())
        with pytest.raises(TimeoutError):
            await _flood(writer)
        writer.close()


async def _flood(writer: asyncio.StreamWriter) -> None:
    """64 MiB of PING, which is answered without a stream, so that nothing but the connection bounds it."""
    ping = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)
    for _ in range((1 << 26) // (10_000 * len(ping))):
        writer.write(ping * 10_000)
        async with asyncio.timeout(0.5):
            await writer.drain()


async def test_a_listener_takes_its_share_of_connections(tmp_path: Path) -> None:
    """What comes beyond is closed at once; a place that is free again is given away."""
    server, path = made(), tmp_path / "checks.sock"
    server._most = 2
    await server.start([UnixAddress(path)])
    first, second = await Client.at(path), await Client.at(path)
    assert (await second.answer(HEALTH_PATH, framed(b""))).status == Code.OK
    third = await Client.at(path)
    await third.ended.wait()
    await first.close()
    await asyncio.sleep(0.01)
    fourth = await Client.at(path)
    assert (await fourth.answer(HEALTH_PATH, framed(b""))).status == Code.OK
    await server.stop(0)
    await asyncio.gather(second.ended.wait(), fourth.ended.wait())


async def test_a_socket_is_for_its_owner_and_group_and_never_taken_from_somebody(tmp_path: Path) -> None:
    """One that was left behind is taken over; one on which somebody listens, and a file, are not."""
    async with serving(tmp_path) as (_, path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with pytest.raises(OSError, match="another process listens"):
            await made().start([UnixAddress(path)])
        assert path.is_socket()
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(FileExistsError):
        await made().start([UnixAddress(file)])
    assert file.read_text() == "precious"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
async def test_it_listens_on_tcp_and_says_where(host: str) -> None:
    """Port 0 is a free one; a port that is taken is an error that names it."""
    server, second = made(), made()
    (bound,) = await server.start([TcpAddress(host, 0)])
    assert isinstance(bound, TcpAddress)
    async with grpc.aio.insecure_channel(bound.text) as channel:
        assert await channel.unary_unary(CHECK_PATH)(QUESTION)
    with pytest.raises(OSError, match="is it taken"):
        await second.start([bound])
    await server.stop(0)
    await second.stop(0)


async def test_all_of_several_addresses_are_served(tmp_path: Path) -> None:
    """Each with its own share of connections."""
    server = made()
    addresses: list[Address] = [UnixAddress(tmp_path / "a.sock"), UnixAddress(tmp_path / "b.sock")]
    assert list(await server.start(addresses)) == addresses
    for name in ("a.sock", "b.sock"):
        client = await Client.at(tmp_path / name)
        assert (await client.answer(CHECK_PATH, framed(QUESTION))).status == Code.OK
        await client.close()
    await server.stop(0)
