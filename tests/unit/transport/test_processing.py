"""Envoy's external processing of a first answer, in the messages of an implementation that is not ours."""

import json
from typing import Any

import pytest
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.filters.http.ext_proc import v3 as mode
from envoy_data_plane.envoy.service.ext_proc import v3 as ext_proc
from envoy_data_plane.google import protobuf
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.rendering.polls import QueryOwner, is_owned_by, parse_poll
from authz.signing.keys import SigningKeys
from authz.transport.processing import AnswerProcessor
from tests.signingkeys import one_key
from tests.unit.rendering.test_polls import first_answer, path_of

KEYS = one_key()
JSON = {":status": "200", "content-type": "application/json", "content-length": "700"}
FACTS = {"warehouse": "lake", "principal": "a" * 32}


def _answered(
    request: ext_proc.ProcessingRequest, keys: SigningKeys | None = KEYS
) -> ext_proc.ProcessingResponse:
    return ext_proc.ProcessingResponse.parse(AnswerProcessor(lambda: keys).process(bytes(request)))


def _headers(headers: dict[str, str], *, end: bool = False) -> ext_proc.ProcessingRequest:
    values = [core.HeaderValue(key=name, raw_value=value.encode()) for name, value in headers.items()]
    return ext_proc.ProcessingRequest(
        response_headers=ext_proc.HttpHeaders(headers=core.HeaderMap(headers=values), end_of_stream=end)
    )


def _body(
    body: bytes,
    facts: dict[str, Any] | None = FACTS,
    *,
    end: bool = True,
    namespace: str = "envoy.filters.http.ext_authz",
) -> ext_proc.ProcessingRequest:
    known = {} if facts is None else {namespace: protobuf.Struct.from_dict(facts)}
    return ext_proc.ProcessingRequest(
        response_body=ext_proc.HttpBody(body=body, end_of_stream=end),
        metadata_context=core.Metadata(filter_metadata=known),
    )


def _refused(answer: ext_proc.ProcessingResponse) -> int:
    assert answer.immediate_response is not None
    assert answer.immediate_response.status is not None
    return int(answer.immediate_response.status.code)


def test_a_first_answer_is_bound_to_whom_the_check_has_let_in() -> None:
    """Warehouse and principal come from the check, through Envoy."""
    answer = _answered(_body(first_answer()))
    assert answer.response_body is not None
    assert answer.response_body.response is not None
    assert answer.response_body.response.body_mutation is not None
    bound = json.loads(answer.response_body.response.body_mutation.body)
    poll = parse_poll(path_of(bound))
    assert poll is not None
    assert is_owned_by(QueryOwner("lake", "a" * 32), poll, KEYS)
    assert not is_owned_by(QueryOwner("lake", "b" * 32), poll, KEYS)


def test_the_length_of_an_answer_that_will_be_longer_goes() -> None:
    """Envoy refuses a length that is not kept."""
    answer = _answered(_headers(JSON))
    assert answer.response_headers is not None
    assert answer.response_headers.response is not None
    assert answer.response_headers.response.header_mutation is not None
    assert answer.response_headers.response.header_mutation.remove_headers == ["content-length"]
    assert answer.mode_override is None


@pytest.mark.parametrize("status", ["307", "401", "429", "500", "503", "201", ""])
def test_other_answers_than_200_are_left_alone(status: str) -> None:
    """They name no query; their bodies are not asked for."""
    answer = _answered(_headers({**JSON, ":status": status}))
    assert answer.response_headers is not None
    assert answer.mode_override is not None
    assert answer.mode_override.response_body_mode == mode.ProcessingModeBodySendMode.NONE


def test_scopegates_own_denial_is_left_alone() -> None:
    """Envoy sends it on the same way; a failed query of ours names none that could be polled."""
    for reason, alone in (("no_grant", True), ("granted", False), ("", False), ("anything", False)):
        request = _headers({**JSON, "content-type": "text/html"})
        known = protobuf.Struct.from_dict({**FACTS, "reason": reason})
        request.metadata_context = core.Metadata(filter_metadata={"envoy.filters.http.ext_authz": known})
        answer = _answered(request)
        assert (answer.response_headers is not None and answer.mode_override is not None) is alone


@pytest.mark.parametrize(
    "changes",
    [
        {"content-encoding": "gzip"},
        {"content-type": "text/html"},
        {"content-type": ""},
        {"content-length": "65537"},
        {"content-length": "-1"},
        {"content-length": "\u0661"},
    ],
)
def test_an_answer_that_cannot_be_bound_is_refused_before_it_begins(changes: dict[str, str]) -> None:
    """Not after a 200."""
    assert _refused(_answered(_headers({**JSON, **changes}))) == 502


@pytest.mark.parametrize(
    "request_",
    [
        _body(first_answer(data=[[1]])),
        _body(b"{}"),
        _body(b"\xff"),
        _body(first_answer(), None),
        _body(first_answer(), {"warehouse": "lake"}),
        _body(first_answer(), {"principal": "a"}),
        _body(first_answer(), {"principal": "", "warehouse": "lake"}),
        _body(first_answer(), {"principal": 7, "warehouse": "lake"}),
        _body(first_answer(), namespace="envoy.filters.http.lua"),
        _body(first_answer(), end=False),
        ext_proc.ProcessingRequest(),
        ext_proc.ProcessingRequest(request_headers=ext_proc.HttpHeaders()),
        ext_proc.ProcessingRequest(request_body=ext_proc.HttpBody(body=b"SELECT 1", end_of_stream=True)),
    ],
)
def test_what_cannot_be_bound_does_not_leave(request_: ext_proc.ProcessingRequest) -> None:
    """Whatever it is: the message is answered, or Envoy would pass the answer on."""
    assert _refused(_answered(request_)) == 502


def test_without_keys_nothing_is_bound_to_anybody() -> None:
    """No key is no reason to let an address out that anybody could use."""
    assert _refused(_answered(_body(first_answer()), None)) == 502


def test_an_empty_answer_needs_no_binding() -> None:
    """There is no address in it."""
    assert _answered(_body(b"")).response_body is not None


def test_a_defect_is_a_refusal_and_told() -> None:
    """The stream must not end without an answer."""

    def defective() -> SigningKeys | None:
        raise RuntimeError("canary")

    answer = ext_proc.ProcessingResponse.parse(
        AnswerProcessor(defective).process(bytes(_body(first_answer())))
    )
    assert _refused(answer) == 500
    assert answer.immediate_response is not None
    assert b"canary" not in answer.immediate_response.body


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200) | st.binary(max_size=60).map(lambda noise: bytes(_body(first_answer())) + noise)
)
def test_hostile_messages_are_answered(data: bytes) -> None:
    """Never an exception: that would end the stream."""
    ext_proc.ProcessingResponse.parse(AnswerProcessor(lambda: KEYS).process(data))
