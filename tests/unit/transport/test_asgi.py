"""The checks over ASGI: what a caller of gRPC is told, in every case, and that nothing in between is an allow."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from authz.transport.answers import AnswerWriter
from authz.transport.asgi import CARRIED_PATH, CHECK_PATH, HEALTH_PATH, PROCESS_PATH, WATCH_PATH, AsgiServer
from authz.transport.checkserver import MAX_REQUEST_BYTES, SERVICE
from authz.transport.engine import Engine, Serving
from authz.transport.framing import Code, Messages, framed
from tests.unit.transport.answering import later
from tests.unit.transport.questions import question
from tests.unit.transport.test_engine import Notes

QUESTION = bytes(question().SerializeToString())
Event = dict[str, Any]


class Call:
    """One call: what the client sends, what it is sent."""

    def __init__(self, *events: Event, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        self._events = list(events)
        self.headers = headers
        self.sent: list[Event] = []
        self.gone = asyncio.Event()

    async def receive(self) -> Event:
        if self._events:
            return self._events.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:
        if self.gone.is_set():
            raise ConnectionResetError
        self.sent.append(event)

    async def ask(self, server: AsgiServer, path: str, query: bytes = b"") -> None:
        scope = {
            "type": "http",
            "path": path,
            "query_string": query,
            "headers": [(b"te", b"trailers"), *self.headers],
        }
        await server(scope, self.receive, self.send)

    @property
    def messages(self) -> list[bytes]:
        reader = Messages(1 << 20)
        bodies = [event["body"] for event in self.sent if event["type"] == "http.response.body"]
        return [message for body in bodies for message in reader.feed(body)]

    @property
    def status(self) -> int | None:
        """The status of gRPC, from wherever it stands."""
        for event in self.sent:
            for name, value in event.get("headers", ()):
                if name == b"grpc-status":
                    return int(value)
        return None


def body(data: bytes, *, more: bool = False) -> Event:
    return {"type": "http.request", "body": data, "more_body": more}


def server(**changes: Callable[..., Any]) -> AsgiServer:
    """One that is connected with an engine without a policy: it answers each check with a denial."""
    engine = Engine(
        Serving(
            snapshot=None,
            answers=AnswerWriter(policy_version="", public_url=None),
            observer=Notes(),
        )
    )
    made = AsgiServer()
    made.connect(engine, lambda data: b"processed " + data)
    for name, value in changes.items():
        setattr(made, f"_{name}", value)
    return made


async def test_a_check_is_answered_whatever_pieces_it_comes_in() -> None:
    """An answer of the engine's, and the status of gRPC behind it."""
    whole = framed(QUESTION)
    for events in ([body(whole)], [body(whole[:3], more=True), body(whole[3:9], more=True), body(whole[9:])]):
        call = Call(*events)
        await call.ask(server(), CHECK_PATH)
        (answer,) = call.messages
        assert CheckResponse.FromString(answer).denied_response.status.code == 503
        assert call.status == Code.OK
        assert call.sent[0]["trailers"] is True


async def test_a_carried_check_is_answered_before_anything_is_waited_for() -> None:
    """What pyvoy sends it sends when it is told to; each step of the loop in between is another wait."""
    told: list[Event] = []

    def send(event: Event) -> Coroutine[Any, Any, None]:
        told.append(event)
        return asyncio.sleep(0)

    call = Call()
    scope = {"type": "http", "path": CARRIED_PATH, "query_string": QUESTION, "headers": []}
    rest = server()(scope, call.receive, send)
    assert [event["type"] for event in told] == [
        "http.response.start",
        "http.response.body",
        "http.response.trailers",
    ]
    await rest


async def test_a_carried_check_is_answered_like_any_other() -> None:
    """Also by a server that sends when it is waited for; and one that is no question, or empty, is a denial."""
    for data, status in ((QUESTION, 503), (b"", 400), (b"\xff\xff", 400)):
        carried, other = Call(), Call(body(framed(data)))
        await carried.ask(server(), CARRIED_PATH, data)
        await other.ask(server(), CHECK_PATH)
        for call in (carried, other):
            (answer,) = call.messages
            assert CheckResponse.FromString(answer).denied_response.status.code == status
            assert call.status == Code.OK


async def test_the_answer_to_nobody_is_no_error() -> None:
    """Whoever asked by a carried check may be gone."""
    call = Call()
    call.gone.set()
    await call.ask(server(), CARRIED_PATH, QUESTION)
    assert call.sent == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.INTERNAL),
        (framed(QUESTION)[:-1], Code.INTERNAL),
        (framed(QUESTION) * 2, Code.INTERNAL),
        (b"\1" + framed(QUESTION)[1:], Code.UNIMPLEMENTED),
        (framed(bytes(MAX_REQUEST_BYTES + 1)), Code.RESOURCE_EXHAUSTED),
    ],
)
async def test_what_is_no_question_gets_a_status_and_no_answer(data: bytes, code: Code) -> None:
    """Envoy refuses a request that it has no answer for."""
    call = Call(body(data))
    await call.ask(server(), CHECK_PATH)
    assert (call.messages, call.status) == ([], code)


async def test_an_unknown_method_is_unimplemented() -> None:
    """As gRPC says it."""
    call = Call(body(framed(QUESTION)))
    await call.ask(server(), "/envoy.service.auth.v3.Authorization/Chekc")
    assert (call.messages, call.status) == ([], Code.UNIMPLEMENTED)


async def test_nothing_is_answered_before_the_engine_is_there_and_after_the_end() -> None:
    """UNAVAILABLE, whatever is asked."""
    ended = server()
    await ended.stop(0)
    for late in (AsgiServer(), ended):
        for path in (CHECK_PATH, CARRIED_PATH, PROCESS_PATH, HEALTH_PATH):
            call = Call(body(framed(QUESTION)))
            await call.ask(late, path)
            assert (call.messages, call.status) == ([], Code.UNAVAILABLE)


@pytest.mark.parametrize("path", [CHECK_PATH, CARRIED_PATH])
async def test_an_answer_that_takes_a_while_is_waited_for_and_holds_up_the_end(path: str) -> None:
    """`stop` lets it leave."""
    settled, noted = asyncio.Event(), list[str]()
    slow = server(begin=later(settled, noted))
    call = Call(body(framed(QUESTION)))
    asking = asyncio.create_task(call.ask(slow, path, QUESTION))
    await asyncio.sleep(0)
    stopping = asyncio.create_task(slow.stop(5))
    await asyncio.sleep(0.01)
    assert (slow.in_flight, stopping.done(), call.sent) == (1, False, [])
    settled.set()
    await asyncio.gather(asking, stopping)
    assert (call.messages, call.status, slow.in_flight, noted) == ([b"answer"], Code.OK, 0, [])


@pytest.mark.parametrize("path", [CHECK_PATH, CARRIED_PATH])
async def test_a_caller_that_goes_has_its_check_given_up(path: str) -> None:
    """The engine is told, so that it notes a denial; nothing is sent to nobody."""
    noted = list[str]()
    slow = server(begin=later(asyncio.Event(), noted))
    call = Call(body(framed(QUESTION)))
    asking = asyncio.create_task(call.ask(slow, path, QUESTION))
    await asyncio.sleep(0.01)
    call.gone.set()
    await asking
    assert (call.sent, noted, slow.in_flight) == ([], ["given up"], 0)


@pytest.mark.parametrize("path", [CHECK_PATH, CARRIED_PATH])
async def test_a_deadline_ends_a_check(path: str) -> None:
    """`grpc-timeout` is what Envoy sends along."""
    noted = list[str]()
    slow = server(begin=later(asyncio.Event(), noted))
    call = Call(body(framed(QUESTION)), headers=((b"grpc-timeout", b"5m"),))
    await call.ask(slow, path, QUESTION)
    assert (call.messages, call.status, noted) == ([], Code.DEADLINE_EXCEEDED, ["given up"])


async def test_waiting_does_not_ask_without_rest_whether_somebody_waits() -> None:
    """pyvoy answers at once as long as the caller is there; asked without a rest, it would keep two threads busy."""
    asked = 0

    async def receive() -> Event:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return body(b"")

    settled, noted = asyncio.Event(), list[str]()
    slow, call = server(begin=later(settled, noted)), Call()
    scope = {"type": "http", "path": CARRIED_PATH, "query_string": QUESTION, "headers": []}
    asking = asyncio.ensure_future(slow(scope, receive, call.send))
    await asyncio.sleep(0.2)
    settled.set()
    await asking
    assert (call.messages, noted) == ([b"answer"], [])
    assert asked < 6


async def test_each_message_of_a_stream_is_processed_when_it_is_there() -> None:
    """However it is cut."""
    both = framed(b"one") + framed(b"two")
    call = Call(body(both[:7], more=True), body(both[7:], more=True), body(framed(b"three")))
    await call.ask(server(), PROCESS_PATH)
    assert call.messages == [b"processed one", b"processed two", b"processed three"]
    assert call.status == Code.OK


def _asked(service: str) -> Event:
    return body(framed(health_pb2.HealthCheckRequest(service=service).SerializeToString()))


async def _status(of: AsgiServer, service: str = "") -> str:
    call = Call(_asked(service))
    await call.ask(of, HEALTH_PATH)
    (answer,) = call.messages
    number = health_pb2.HealthCheckResponse.FromString(answer).status
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(number))


async def test_health_follows_what_the_server_is_told() -> None:
    """Not serving at first, serving, and never again once the end is announced."""
    healthy = server()
    assert await _status(healthy) == "NOT_SERVING"
    await healthy.healthy(healthy=True)
    assert await _status(healthy) == await _status(healthy, SERVICE) == "SERVING"
    await healthy.announce_end()
    await healthy.healthy(healthy=True)
    assert await _status(healthy) == "NOT_SERVING"


async def test_a_service_that_is_not_there_is_not_found() -> None:
    """And a question that is none is no answer."""
    for event, code in ((_asked("another"), Code.NOT_FOUND), (body(framed(b"\xff")), Code.INTERNAL)):
        call = Call(event)
        await call.ask(server(), HEALTH_PATH)
        assert (call.messages, call.status) == ([], code)


async def test_a_watcher_is_told_of_each_change() -> None:
    """Until it goes."""
    healthy = server()
    call = Call(_asked(SERVICE))
    watching = asyncio.create_task(call.ask(healthy, WATCH_PATH))
    await asyncio.sleep(0.01)
    await healthy.healthy(healthy=True)
    await asyncio.sleep(0.01)
    call.gone.set()
    await watching
    told = [health_pb2.HealthCheckResponse.FromString(message).status for message in call.messages]
    status = health_pb2.HealthCheckResponse
    assert told == [status.NOT_SERVING, status.SERVING]


async def lifespans() -> AsyncIterator[Event]:
    yield {"type": "lifespan.startup"}
    yield {"type": "lifespan.shutdown"}


async def test_it_lives_as_long_as_the_server_around_it() -> None:
    """ASGI's lifespan."""
    sent: list[Event] = []

    async def send(event: Event) -> None:
        sent.append(event)

    events = lifespans()
    await AsgiServer()({"type": "lifespan"}, lambda: anext(events), send)
    assert [event["type"] for event in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
