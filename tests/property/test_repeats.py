"""An engine that remembers questions answers as one that has never been asked anything."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from authz.case import Occasion
from authz.transport.engine import Engine
from tests.repeated import TRACE, Clock, RequestId, Seen, asked, engine_of, snapshot_of, token, told
from tests.tokens import NOW

_BEARERS = [
    token("emea"),
    token("emea", "brief"),
    token("office"),
    token("paths"),
    token("brief"),
    token("nobody"),
    token("emea", exp=int(NOW) + 50),
    token("emea", nbf=int(NOW) + 50),
    token("emea")[:-4] + "AAAA",
    "x.y.z",
    "two words",
]
_TARGETS = [
    "/api/x",
    "/api/x?page=1",
    "/api/x?__scope=1",
    "/stock/open",
    "/stock/open?a=b",
    "/stock/open?region=US",
    "/stock/closed",
    "/elsewhere",
    "/api/../x",
]
_IDS = [RequestId, "00000000-ceea-467f-9e3c-3d2a8f1f0b11", "mine", RequestId + "0", RequestId.upper()]
_TRACES = [None, TRACE, TRACE.replace("4bf9", "0000"), TRACE + "-more", "x", TRACE.replace("-", "_")]
_MORE: list[dict[str, str]] = [
    {},
    {"accept-language": "en"},
    {"x-scope-id": "forged"},
    {"x_scope_id": "forged"},
    {"X-Request-Id": RequestId},
    {"x-other": f"\n4\n\x0cx-request-id\x1a${RequestId}"},
    {"x-other": f"\n4\n\x0cx-request-id\x1a${RequestId[::-1]}"},
]
_questions = st.builds(
    asked,
    st.sampled_from(_BEARERS),
    st.sampled_from(_TARGETS),
    request_id=st.sampled_from(_IDS),
    trace=st.sampled_from(_TRACES),
    stream=st.sampled_from(["1", "1234567890", "", "9" * 20]),
    port=st.sampled_from([1, 40000]),
    address=st.sampled_from(["192.0.2.7", "198.51.100.9"]),
    method=st.sampled_from(["GET", "POST", "get"]),
    warehouse=st.sampled_from([None, "sales", "stock"]),
    headers=st.sampled_from(_MORE),
).map(lambda message: message.SerializeToString())


@st.composite
def _changed(draw: st.DrawFn) -> bytes:
    """A question in which some bytes are others, fewer or more."""
    data = bytearray(draw(_questions))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(data)


_moments = st.sampled_from([0.0, 1.0, 49.0, 51.0, 99.0, 100.0, 601.0, 700.0, -3600.0])


def _facts(occasion: Occasion) -> tuple[Any, ...]:
    """What is recorded, but for the decision id and what it took."""
    case = occasion.case
    outcome = case.outcome
    rules = () if outcome.principal is None else (outcome.principal.key, case.warehouse)
    asked_for = (case.method, case.host, case.path)
    return (case.reason, rules, asked_for, occasion.at, *occasion[4:])


def _answered(engine: Engine, seen: Seen, data: bytes) -> tuple[Any, tuple[Any, ...]]:
    answer = engine.decide(data)
    occasion = seen.occasions[-1]
    return told(answer, occasion.decision_id), _facts(occasion)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(st.one_of(_questions, _changed()), _moments), min_size=1, max_size=6),
    st.data(),
)
def test_what_is_remembered_never_changes_an_answer(
    steps: list[tuple[bytes, float]], data: st.DataObject
) -> None:
    """Whatever was asked before, in whatever order and at whatever times, the answer and its record are the same."""
    clock, seen = Clock(), Seen()
    engine = engine_of(seen, clock)
    repeated = data.draw(st.lists(st.sampled_from(steps), max_size=6))
    for question, moment in [*steps, *repeated]:
        clock.now = NOW + moment
        fresh_seen = Seen()
        fresh = engine_of(fresh_seen, clock, snapshot_of())
        assert _answered(engine, seen, question) == _answered(fresh, fresh_seen, question)


@settings(deadline=None, max_examples=300)
@given(_questions, st.sampled_from([1.0, 30.0]))
def test_a_question_that_comes_again_is_answered_again_like_the_first_time(
    question: bytes, later: float
) -> None:
    """Within the life of everything that it rests on."""
    clock, seen = Clock(), Seen()
    engine = engine_of(seen, clock)
    first, _ = _answered(engine, seen, question)
    clock.now += later
    second, facts = _answered(engine, seen, question)
    assert first == second
    assert facts[3] == NOW + later
