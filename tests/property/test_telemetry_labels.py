"""No text of a request ever becomes a label."""

import re
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from authz import __version__
from authz.audit.facts import policy_reads
from authz.audit.record import Recorder
from authz.audit.sink import NoAudit
from authz.check import Phase
from authz.errors import Reason
from authz.recording import Recording
from authz.telemetry.metrics import Metrics, Warmth
from authz.transport.answers import AnswerWriter
from authz.transport.engine import TIMED_ONE_IN, Engine, Serving
from tests.unit.transport.questions import question

CLOSED = {"", "allow", "deny", __version__, *Phase, *Reason, *Warmth}
CLOSED |= {"loaded", "unchanged", "refused"}
TRACE_ID = re.compile(r"[0-9a-f]{32}")
TRACEPARENT = st.one_of(st.text(max_size=60), st.from_regex(r"\A00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-9]\Z"))
HEADERS = st.dictionaries(
    st.sampled_from(["authorization", "x-request-id", "host", "cookie"]), st.text(max_size=40)
)


def _samples(metrics: Metrics) -> Iterator[Sample]:
    text = metrics.text("application/openmetrics-text; version=1.0.0")[0].decode()
    for family in text_string_to_metric_families(text):
        yield from family.samples


@settings(deadline=None)
@given(path=st.text(max_size=60), headers=HEADERS, traceparent=TRACEPARENT, garbage=st.binary(max_size=60))
def test_whatever_is_asked_labels_are_of_closed_sets(
    path: str, headers: dict[str, str], traceparent: str, garbage: bytes
) -> None:
    """A label from a stranger is a leak, and as many series as the stranger likes; a trace id is 32 hex digits."""
    metrics = Metrics()
    recording = Recording(Recorder(policy_reads(None)), metrics=metrics, audit=NoAudit())
    answers = AnswerWriter(policy_version="v1", public_url=None)
    engine = Engine(Serving(snapshot=None, answers=answers, observer=recording))
    message = question()
    message.attributes.request.http.path = path
    for name, value in {**headers, "traceparent": traceparent}.items():
        message.attributes.request.http.header_map.headers.add(key=name, raw_value=value.encode())
    for data in (garbage, *[message.SerializeToString()] * TIMED_ONE_IN):
        engine.decide(data)

    for sample in _samples(metrics):
        labels = {value for name, value in sample.labels.items() if name != "le"}
        assert labels <= CLOSED, sample
        if sample.exemplar is not None:
            assert set(sample.exemplar.labels) == {"trace_id"}
            assert TRACE_ID.fullmatch(sample.exemplar.labels["trace_id"])
