"""An outcome becomes Envoy's answer: the only writer of CheckResponse.

How Envoy 1.40 reads an answer (measured) decides its form here:
- the verdict is `status.code` alone and an absent status allows, so every answer carries a status;
- a denial with HTTP status 200 is a success to the client, so the table of statuses has none; the one wording that
  goes out so is an error to those who read it (`authz.transport.denials`);
- `error_response` is subject to `failure_mode_allow`, so a failure of ours is a plain denial with 503;
- removals run last, so a name that is both set and removed would be lost: that is refused here.

Serialized protobuf messages merge when they are concatenated
(https://protobuf.dev/programming-guides/encoding/#last-one-wins): the part of an answer that is the same for
every request of a principal to a warehouse is serialized once, and what belongs to the request is appended.
"""

import secrets
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from authz._pb.envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption, QueryParameter
from authz._pb.envoy.service.auth.v3.external_auth_pb2 import (
    CheckResponse,
    DeniedHttpResponse,
    OkHttpResponse,
)
from authz._pb.envoy.type.v3.http_status_pb2 import HttpStatus
from authz._pb.google.rpc.status_pb2 import Status as RpcStatus
from authz.check import Outcome
from authz.errors import Reason
from authz.identity.principal import Principal
from authz.memory import DEFAULT_REMEMBERED, Memory
from authz.policy.decision import Allow
from authz.rendering.rewrites import Rewrites
from authz.request import AccessRequest
from authz.transport import denials
from authz.transport.challenge import challenge, resource_metadata_url
from authz.transport.denials import Wording, wording_for
from authz.transport.status import GRPC_OK, STATUS

DECISION_ID_HEADER: Final = "x-scope-decision-id"

# Stands for the decision id in prepared answers: of its length, and unknown to whoever could write it into a claim.
_PLACEHOLDER: Final = secrets.token_hex(16)

Prepared = tuple[bytes, ...]
"""A serialized answer, cut where the decision id goes."""


class AnswerWriter:
    """Serializes outcomes under one policy; what it has prepared goes with it when the policy changes.

    `basic` names the warehouses that take HTTP Basic, whose clients wait to be asked for it.
    """

    __slots__ = ("_basic", "_denials", "_metadata_url", "allows", "policy_version")

    def __init__(
        self,
        *,
        policy_version: str,
        public_url: str | None,
        basic: Iterable[str] = (),
        remembered: int = DEFAULT_REMEMBERED,
    ) -> None:
        self.policy_version = policy_version
        self._basic = frozenset(basic)
        self._metadata_url = None if public_url is None else resource_metadata_url(public_url)
        self.allows: Memory[Rewrites, Prepared] = Memory(remembered)
        self._denials: dict[tuple[Reason, str | None, Wording], Prepared] = {}

    def prepare_outcome(self, outcome: Outcome, request: AccessRequest | None = None) -> Prepared:
        """The CheckResponse for `outcome`, in the parts that a decision id (32 hex digits) joins.

        `request` decides how a denial is worded.

        Raises ValueError for rewrites that contradict each other; the engine answers that with a denial.
        """
        decision = outcome.decision
        if not isinstance(decision, Allow):
            return self._denial(decision.reason, _name(outcome), wording_for(outcome.warehouse, request))
        if outcome.rewrites is None or outcome.request_rewrites is None or outcome.principal is None:
            raise ValueError("an allow without principal or rewrites")
        prepared = self.allows.recall(outcome.rewrites)
        if prepared is None:
            prepared = self._prepared_allow(decision, outcome.rewrites, outcome.principal)
            if not decision.per_request:
                self.allows[outcome.rewrites] = prepared
        extra = outcome.request_rewrites
        if extra.remove_headers or extra.set_headers or extra.remove_query or outcome.rewrites.remove_query:
            _check_disjoint(outcome.rewrites, extra)
        more = _serialized_extra(extra)
        return (*prepared[:-1], prepared[-1] + more) if more else prepared

    def serialize_denial(
        self,
        reason: Reason,
        decision_id: bytes,
        *,
        warehouse: str | None = None,
        wording: Wording = Wording.PROBLEM,
    ) -> bytes:
        """The CheckResponse for a denial; `warehouse` is a configured name."""
        return decision_id.join(self._denial(reason, warehouse, wording))

    def _denial(self, reason: Reason, warehouse: str | None, wording: Wording) -> Prepared:
        key = (reason, warehouse, wording)
        prepared = self._denials.get(key)
        if prepared is None:
            # Bounded: reasons and wordings are closed sets, warehouses are those of the policy.
            prepared = self._denials[key] = self._prepared_denial(reason, warehouse, wording)
        return prepared

    def _prepared_allow(self, decision: Allow, rewrites: Rewrites, principal: Principal) -> Prepared:
        _check_disjoint(rewrites, rewrites)
        response = CheckResponse(status=RpcStatus(code=GRPC_OK), ok_response=_ok_response(rewrites))
        response.ok_response.response_headers_to_add.append(_header(DECISION_ID_HEADER, _PLACEHOLDER))
        metadata = {
            **rewrites.metadata,
            "principal": principal.key,
            "scope_id": decision.scope.id,
            **self._metadata(Reason.GRANTED, decision.warehouse.name),
        }
        return _cut(response, metadata)

    def _prepared_denial(self, reason: Reason, warehouse: str | None, wording: Wording) -> Prepared:
        status = STATUS[reason]
        # The gRPC code alone is the verdict; the status of HTTP is how it is told.
        if status.grpc == GRPC_OK or not 400 <= status.http <= 599:
            raise ValueError(f"reason `{reason.value}` is no denial")
        headers = [
            *(_header(name, value) for name, value in denials.headers(wording, status)),
            _header("cache-control", "no-store"),
            _header(DECISION_ID_HEADER, _PLACEHOLDER),
        ]
        if status.http == 401:
            headers.append(
                _header(
                    "www-authenticate", challenge(reason, self._metadata_url, basic=warehouse in self._basic)
                )
            )
        response = CheckResponse(
            status=RpcStatus(code=status.grpc),
            denied_response=DeniedHttpResponse(
                status=HttpStatus(code=denials.http_status(wording, status)),
                headers=headers,
                body=denials.body(wording, reason, status, _PLACEHOLDER),
            ),
        )
        return _cut(response, self._metadata(reason, warehouse))

    def _metadata(self, reason: Reason, warehouse: str | None) -> dict[str, str]:
        """For Envoy's access log and rate limits, in the namespace `envoy.filters.http.ext_authz`."""
        return {
            "decision_id": _PLACEHOLDER,
            "reason": reason.value,
            "warehouse": warehouse or "",
            "policy_version": self.policy_version,
        }


def _name(outcome: Outcome) -> str | None:
    return None if outcome.warehouse is None else outcome.warehouse.name


def _cut(response: CheckResponse, metadata: Mapping[str, str]) -> Prepared:
    response.dynamic_metadata.update(metadata)
    return tuple(_bytes(response).split(_PLACEHOLDER.encode()))


def _header(name: str, value: str) -> HeaderValueOption:
    # Envoy reads `value`, never `raw_value`, in an answer; without an action it would append to a client's copy.
    return HeaderValueOption(
        header=HeaderValue(key=name, value=value),
        append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def _ok_response(rewrites: Rewrites) -> OkHttpResponse:
    headers = [_header(name, value) for name, value in rewrites.set_headers]
    if rewrites.path is not None:
        headers.append(_header(":path", rewrites.path))
    return OkHttpResponse(
        headers=headers,
        headers_to_remove=rewrites.remove_headers,
        query_parameters_to_set=[QueryParameter(key=name, value=value) for name, value in rewrites.set_query],
        query_parameters_to_remove=rewrites.remove_query,
    )


def _check_disjoint(first: Rewrites, second: Rewrites) -> None:
    """Neither part removes a name that either part sets: Envoy would remove it, and with it the scope."""
    parts = (first, second)
    headers = {name.lower() for part in parts for name, _ in part.set_headers} & {
        name.lower() for part in parts for name in part.remove_headers
    }
    parameters = {name for part in parts for name, _ in part.set_query} & {
        name for part in parts for name in part.remove_query
    }
    if headers or parameters:
        raise ValueError(f"both set and removed: {sorted(headers | parameters)}")


def _bytes(response: CheckResponse) -> bytes:
    serialized: bytes = response.SerializeToString()
    return serialized


def _serialized_extra(extra: Rewrites) -> bytes:
    """What one request needs beside the prepared answer, to be appended to it."""
    if extra.path is not None or extra.metadata or extra.set_headers:
        response = CheckResponse(ok_response=_ok_response(extra))
        if extra.metadata:
            response.dynamic_metadata.update(extra.metadata)
        return _bytes(response)
    return b"".join(
        [
            *[_parameter(name, value) for name, value in extra.set_query],
            *[_header_removal(name) for name in extra.remove_headers],
            *[_parameter_removal(name) for name in extra.remove_query],
        ]
    )


@lru_cache(4096)
def _parameter(name: str, value: str) -> bytes:
    parameter = QueryParameter(key=name, value=value)
    return _bytes(CheckResponse(ok_response=OkHttpResponse(query_parameters_to_set=[parameter])))


@lru_cache(1024)
def _header_removal(name: str) -> bytes:
    return _bytes(CheckResponse(ok_response=OkHttpResponse(headers_to_remove=[name])))


@lru_cache(1024)
def _parameter_removal(name: str) -> bytes:
    return _bytes(CheckResponse(ok_response=OkHttpResponse(query_parameters_to_remove=[name])))
