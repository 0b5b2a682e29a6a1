"""What a trace is told of a check, and whose trace it is."""

import pytest

from authz.transport.tracing import KEEP, SETTLE, CheckTrace, TraceGate, sampled_parent

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        (),
        (("other", PARENT),),
        (("traceparent", PARENT[:-1] + "0"),),
        (("traceparent", PARENT), ("traceparent", PARENT)),
        (("traceparent", ""),),
        (("traceparent", "x"),),
        (("traceparent", PARENT.encode()),),
    ],
)
def test_without_one_sampled_trace_there_is_none(metadata: object) -> None:
    """Two would be two stories, and what is not kept costs nothing."""
    assert sampled_parent(metadata) is None  # type: ignore[arg-type]


def test_a_sampled_trace_is_the_callers() -> None:
    """Also with further flags."""
    assert sampled_parent((("a", "b"), ("traceparent", PARENT))) == PARENT
    assert sampled_parent((("traceparent", PARENT[:-2] + "03"),)) == PARENT[:-2] + "03"


def test_parts_that_are_waited_for_are_parts() -> None:
    """In their order, also where waiting ends badly."""
    trace = CheckTrace(PARENT)
    with trace.waiting(SETTLE):
        pass
    with pytest.raises(ValueError, match="late"), trace.waiting(KEEP):
        raise ValueError("late")
    (settle, began, ended), (keep, *_) = trace.parts()
    assert (settle, keep) == (SETTLE, KEEP)
    assert trace.began <= began <= ended <= trace.ended()


def test_so_many_checks_are_traced_in_a_second_and_no_more() -> None:
    """The others are counted; a client that asks for every one of its checks gets its share."""
    limited: list[None] = []
    now = [100.0]
    gate = TraceGate(2, limited=lambda: limited.append(None), clock=lambda: now[0])
    sampled, unsampled = (("traceparent", PARENT),), (("traceparent", PARENT[:-2] + "00"),)
    assert [gate.parent(sampled) for _ in range(5)] == [PARENT, PARENT, None, None, None]
    assert len(limited) == 3
    assert gate.parent(unsampled) is gate.parent(()) is None
    assert len(limited) == 3
    now[0] += 0.5
    assert [gate.parent(sampled) for _ in range(2)] == [PARENT, None]
    now[0] += 3600
    assert [gate.parent(sampled) for _ in range(4)] == [PARENT, PARENT, None, None]


def test_a_rate_below_one_still_traces() -> None:
    """One now and the next when it is due."""
    now = [0.0]
    gate = TraceGate(0.1, limited=lambda: None, clock=lambda: now[0])
    sampled = (("traceparent", PARENT),)
    assert [gate.parent(sampled) for _ in range(2)] == [PARENT, None]
    now[0] = 9.9
    assert gate.parent(sampled) is None
    now[0] = 10.1
    assert gate.parent(sampled) == PARENT
