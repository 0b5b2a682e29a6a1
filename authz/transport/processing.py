"""Answers of a Trino on their way back: the addresses in the first one are bound to who asked.

One stream of Envoy's external processing is one answer. Whatever cannot be bound is not passed on: by then Trino has
only registered the statement, and runs it when the first of the bound addresses is fetched.

How Envoy 1.40 treats a stream decides its form here (measured): a stream that ends without an answer would pass
the answer on as it is, so every message is answered, and every exception is an answer, too.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_proc_filter
"""

from collections.abc import Callable, Mapping
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from authz._pb.envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from authz._pb.envoy.extensions.filters.http.ext_proc.v3.processing_mode_pb2 import ProcessingMode
from authz._pb.envoy.service.ext_proc.v3.external_processor_pb2 import (
    BodyMutation,
    BodyResponse,
    CommonResponse,
    HeaderMutation,
    HeadersResponse,
    HttpBody,
    HttpHeaders,
    ImmediateResponse,
    ProcessingRequest,
    ProcessingResponse,
)
from authz._pb.envoy.type.v3.http_status_pb2 import HttpStatus
from authz.errors import Reason
from authz.rendering.polls import MAX_FIRST_ANSWER_BYTES, FirstAnswerError, QueryOwner, bind_first_answer
from authz.signing.keys import SigningKeys

NAMESPACE: Final = "envoy.filters.http.ext_authz"
"""Where Envoy keeps what the check has answered: no client can write there."""

_REFUSED: Final = 502
_DENIALS: Final = frozenset(reason.value for reason in Reason if reason is not Reason.GRANTED)
_log: Final = structlog.get_logger("scopegate.processing")


class AnswerProcessor:
    """Answers each message of a stream. `signing` gives the keys in force."""

    __slots__ = ("_signing",)

    def __init__(self, signing: Callable[[], SigningKeys | None]) -> None:
        self._signing = signing

    def process(self, data: bytes) -> bytes:
        """The serialized ProcessingResponse for a serialized ProcessingRequest. Never raises for what `data` holds."""
        try:
            return _serialized(self._processed(ProcessingRequest.FromString(data)))
        except DecodeError:
            problem = "no ProcessingRequest that can be read"
        except FirstAnswerError as error:
            problem = str(error)
        except Exception as defect:  # noqa: BLE001 - an answer that is not processed must not pass
            _log.error("defect", exc_info=defect)
            return _serialized(_immediate(500))
        _log.warning("answer_refused", problem=problem)
        return _serialized(_immediate(_REFUSED))

    def _processed(self, request: ProcessingRequest) -> ProcessingResponse:
        match request.WhichOneof("request"):
            case "response_headers":
                if _is_denied(request):
                    return _left_alone()
                return _of_headers(request.response_headers)
            case "response_body":
                return self._of_body(request.response_body, _facts(request))
            case _:
                raise FirstAnswerError("a part of the exchange that is not to be processed")

    def _of_body(self, body: HttpBody, facts: Mapping[str, str]) -> ProcessingResponse:
        keys = self._signing()
        if keys is None:
            raise FirstAnswerError("the keys that queries are bound by are not loaded")
        if not body.end_of_stream:
            raise FirstAnswerError("a part of an answer")
        if not body.body:
            return ProcessingResponse(response_body=BodyResponse())
        bound = bind_first_answer(body.body, _owner(facts), keys)
        return ProcessingResponse(
            response_body=BodyResponse(response=CommonResponse(body_mutation=BodyMutation(body=bound)))
        )


def _of_headers(message: HttpHeaders) -> ProcessingResponse:
    headers = {header.key.lower(): _text(header) for header in message.headers.headers}
    if headers.get(":status") != "200":
        # Errors of Trino's HTTP layer name no query.
        return _left_alone()
    if headers.get("content-encoding", "identity") != "identity":
        raise FirstAnswerError("a compressed answer")
    if message.end_of_stream:
        return ProcessingResponse(response_headers=HeadersResponse())
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise FirstAnswerError("an answer that is no JSON")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length) > MAX_FIRST_ANSWER_BYTES:
        raise FirstAnswerError(f"more than {MAX_FIRST_ANSWER_BYTES} bytes")
    # The bound answer is longer; Envoy refuses a length that is not kept.
    mutation = HeaderMutation(remove_headers=["content-length"])
    return ProcessingResponse(
        response_headers=HeadersResponse(response=CommonResponse(header_mutation=mutation))
    )


def _left_alone() -> ProcessingResponse:
    """The answer goes on as it is; its body is not asked for."""
    override = ProcessingMode(
        response_header_mode=ProcessingMode.SEND, response_body_mode=ProcessingMode.NONE
    )
    return ProcessingResponse(response_headers=HeadersResponse(), mode_override=override)


def _is_denied(request: ProcessingRequest) -> bool:
    """Whether the answer is Scopegate's own denial: Envoy sends what it answers itself on the same way."""
    known = request.metadata_context.filter_metadata
    if NAMESPACE not in known:
        return False
    reason = known[NAMESPACE].fields["reason"].string_value
    return reason in _DENIALS


def _serialized(response: ProcessingResponse) -> bytes:
    data: bytes = response.SerializeToString()
    return data


def _text(header: HeaderValue) -> str:
    return header.raw_value.decode("latin-1") if header.raw_value else header.value


def _facts(request: ProcessingRequest) -> Mapping[str, str]:
    known = request.metadata_context.filter_metadata
    if NAMESPACE not in known:
        raise FirstAnswerError("an answer without a decision")
    return {name: value.string_value for name, value in known[NAMESPACE].fields.items()}


def _owner(facts: Mapping[str, str]) -> QueryOwner:
    warehouse, principal = facts.get("warehouse"), facts.get("principal")
    if not warehouse or not principal:
        raise FirstAnswerError("an answer to nobody")
    return QueryOwner(warehouse, principal)


def _immediate(status: int) -> ProcessingResponse:
    """In place of the answer. Nothing in it says why: that is in the log."""
    headers = HeaderMutation(
        set_headers=[
            HeaderValueOption(
                header=HeaderValue(key="cache-control", raw_value=b"no-store"),
                append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
            )
        ]
    )
    return ProcessingResponse(
        immediate_response=ImmediateResponse(
            status=HttpStatus(code=status),
            headers=headers,
            body=b"the warehouse's answer could not be bound to who asked\n",
            details="scopegate_unbound",
        )
    )
