"""What a trace is told of a check, and whose trace it is."""

import pytest

from authz.transport.tracing import KEEP, SETTLE, CheckTrace, sampled_parent

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
