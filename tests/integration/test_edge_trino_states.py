"""What becomes of a Trino's queries while their binding fails, and while its keys change: through the real Envoy."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.edge_counterparts import Answer, Seen
from tests.envoy_process import wait_until
from tests.integration.binding_relay import Binding, BindingRelay
from tests.integration.test_edge_trino import POLICY, Protocol, failed, next_of, post, somebody
from tests.integration.whole_system import WholeSystem, whole_system
from tests.pki import Authority
from tests.signingkeys import ec_pem, write_key

# Envoy asks the relay, and the relay a worker.
RELAYED = POLICY.replace(
    "scopegate: [{sockets}]", 'scopegate: ["unix:{directory}/relay-0.sock", "unix:{directory}/relay-1.sock"]'
).replace('keys: ["{key}"]', 'keys: ["{directory}/current.pem", "{directory}/previous.pem"]')


@dataclass(frozen=True, slots=True)
class Relayed:
    system: WholeSystem
    relay: BindingRelay
    trino: Protocol

    @contextlib.contextmanager
    def binding(self, binding: Binding) -> Iterator[None]:
        self.relay.binding = binding
        try:
            yield
        finally:
            self.relay.binding = Binding.GOOD


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[WholeSystem, BindingRelay]]:
    with contextlib.ExitStack() as stack:
        relays: list[BindingRelay] = []

        def prepare(directory: Path, _: Authority) -> None:
            for name in ("current", "previous"):
                write_key(directory / f"{name}.pem", ec_pem("first"))
            sockets = [directory / f"relay-{number}.sock" for number in range(2)]
            relays.append(stack.enter_context(BindingRelay(sockets, directory / "worker-0.sock")))

        with whole_system(policy_text=RELAYED, prepare=prepare) as system:
            yield system, relays[0]


@pytest.fixture
def edge(started: tuple[WholeSystem, BindingRelay]) -> Iterator[Relayed]:
    system, relay = started
    system.warehouse.reset()
    protocol = Protocol()
    system.warehouse.answer = protocol
    yield Relayed(system, relay, protocol)
    system.warehouse.reset()


BROKEN = {Binding.HANGS: 504, Binding.FAILS: 503, Binding.EMPTY: 503, Binding.GARBAGE: 503}


@pytest.mark.parametrize("binding", BROKEN, ids=lambda binding: binding.name)
def test_a_statement_whose_answer_cannot_be_bound_has_none(edge: Relayed, binding: Binding) -> None:
    """An error that drivers ask again after; Trino has only registered it, and runs nothing before the first poll."""
    token = somebody(edge.system)
    with edge.binding(binding):
        reply = post(edge.system, token)
    assert reply.status == BROKEN[binding]
    assert b"/v1/statement" not in reply.body
    assert [seen.method for seen in edge.system.warehouse.take()] == ["POST"]
    assert next_of(post(edge.system, token)).startswith("/~")


def test_an_answer_that_slips_through_unbound_is_worth_nothing(edge: Relayed) -> None:
    """Envoy passes the answer on where a stream ends without one: nobody can poll it, its owner neither."""
    owner, thief = somebody(edge.system), somebody(edge.system, "analysts-us")
    with edge.binding(Binding.ENDS):
        path = next_of(post(edge.system, owner))
    assert path.startswith("/v1/statement/queued/")
    edge.system.warehouse.take()
    for token in (owner, thief, None):
        for method in ("GET", "DELETE", "HEAD"):
            reply = edge.system.ask(path, token, method=method)
            assert reply.status in {401, 403, 404} or failed(reply)
    assert edge.system.warehouse.take() == []


@pytest.mark.parametrize("binding", [*BROKEN, Binding.ENDS], ids=lambda binding: binding.name)
def test_what_runs_goes_on_for_its_owner_and_nobody_else(edge: Relayed, binding: Binding) -> None:
    """Polls need no binding."""
    owner, thief = somebody(edge.system), somebody(edge.system, "analysts-us")
    path = next_of(post(edge.system, owner))
    with edge.binding(binding):
        for _ in range(5):
            reply = edge.system.ask(path, owner)
            assert reply.status == 200
            assert reply.json()["data"]
        assert "query_foreign" in failed(edge.system.ask(path, thief))


def _without_query(_: Seen) -> Answer:
    headers = (("content-type", "application/json"),)
    return Answer(200, headers, b'{"id":"20261123_080910_00001_ab3de","error":{"message":"m"},"stats":{}}')


def test_a_query_that_fails_at_once_is_passed_on(edge: Relayed) -> None:
    """There is nothing in it to poll."""
    edge.system.warehouse.answer = _without_query
    assert failed(post(edge.system, somebody(edge.system))) == "m"


@pytest.mark.parametrize("status", [204, 307])
def test_other_answers_are_passed_on(edge: Relayed, status: int) -> None:
    """They name no query that could be polled."""
    location = (("location", "https://edge.example/elsewhere"),) if status == 307 else ()
    edge.system.warehouse.answer = lambda _: Answer(status, location)
    assert post(edge.system, somebody(edge.system)).status == status


def test_a_first_answer_that_is_much_too_long_does_not_leave(edge: Relayed) -> None:
    """Neither with a length nor without one."""
    edge.trino.changes = {"warnings": ["x" * 3_000_000]}
    reply = post(edge.system, somebody(edge.system))
    assert reply.status in {500, 502, 503}
    assert b"nextUri" not in reply.body


def _rotated(system: WholeSystem, current: str, previous: str) -> None:
    for name, label in (("previous", previous), ("current", current)):
        write_key(system.directory / f"fresh-{name}.pem", ec_pem(label)).rename(
            system.directory / f"{name}.pem"
        )
    wanted = len({current, previous})

    def published() -> bool:
        sets = system.published_keys()
        return all(len(each["keys"]) == wanted for each in sets) and len({str(each) for each in sets}) == 1

    wait_until(published, "the workers publish the keys")


def _tag(path: str) -> str:
    return path.split("/")[1]


def test_keys_change_in_the_middle_of_a_query(edge: Relayed) -> None:
    """The query keeps its address while the old key is published, and loses it with that; new ones get the new key's."""
    token = somebody(edge.system)
    old = next_of(post(edge.system, token))
    again = next_of(edge.system.ask(old, token))
    assert _tag(again) == _tag(old)

    _rotated(edge.system, "second", "first")
    new = next_of(post(edge.system, token))
    assert _tag(new) != _tag(old)
    # Trino carries on the address that it is asked by.
    assert _tag(next_of(edge.system.ask(old, token))) == _tag(old)
    assert edge.system.ask(again, token).status == 204
    assert edge.system.ask(new, token).json()["data"]

    _rotated(edge.system, "second", "second")
    wait_until(lambda: "error" in edge.system.ask(old, token).json(), "the old key is gone")
    assert "query_foreign" in failed(edge.system.ask(again, token))
    assert edge.system.ask(new, token).json()["data"]
