"""How a denial is worded for who reads it: a problem document, or what a warehouse's own drivers show a person.

Measured with trino-jdbc 484, PyPI `trino`, clickhouse-jdbc 0.9.4 and clickhouse-connect: a driver that gets anything
but its warehouse's own form of an error shows a person raw text or nothing. In every form the person reads the title,
the reason and the decision id, and nothing else.
"""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, assert_never

from authz.errors import Reason
from authz.policy.policyset import Warehouse
from authz.policy.tables import WarehouseKind
from authz.request import AccessRequest
from authz.transport.status import Status

PROBLEM_TYPE: Final = "urn:scopegate:reason:"
"""RFC 9457 `type`, followed by the reason."""


class Wording(StrEnum):
    """The form of a denial."""

    PROBLEM = "problem"
    """RFC 9457, for everybody."""
    TRINO_QUERY = "trino_query"
    """A failed query, in an HTTP answer of status 200: the only form that Trino's drivers show as an error."""
    TEXT = "text"
    """Text, which Trino's drivers show with a status of 401."""
    CLICKHOUSE = "clickhouse"
    """ClickHouse's exception."""


def wording_for(warehouse: Warehouse | None, request: AccessRequest | None) -> Wording:
    """The form that whoever sent the request can read."""
    if warehouse is None or request is None:
        return Wording.PROBLEM
    match warehouse.kind:
        case WarehouseKind.TRINO:
            # A HEAD asks whether a connection is good, and a DELETE ends something: a 200 would say yes.
            return (
                Wording.TRINO_QUERY
                if request.method in {"GET", "POST"} and _reads_results(request)
                else Wording.TEXT
            )
        case WarehouseKind.CLICKHOUSE:
            return Wording.CLICKHOUSE
        case WarehouseKind.HTTP | WarehouseKind.POSTGREST | WarehouseKind.CUBE:
            return Wording.PROBLEM
        case kind:
            assert_never(kind)


def _reads_results(request: AccessRequest) -> bool:
    return "/v1/statement" in request.path


def http_status(wording: Wording, status: Status) -> int:
    """The status with which a denial goes out."""
    # 401 asks for other credentials, 503 to try again: the drivers do as they are asked.
    if wording is Wording.TRINO_QUERY and status.http not in {401, 503}:
        return 200
    return status.http


def headers(wording: Wording, status: Status) -> Iterator[tuple[str, str]]:
    """What says how the body is to be read."""
    match wording:
        case Wording.PROBLEM:
            yield "content-type", "application/problem+json"
        case Wording.TRINO_QUERY if http_status(wording, status) == 200:
            yield "content-type", "application/json"
        case Wording.TRINO_QUERY | Wording.TEXT:
            yield "content-type", "text/plain; charset=utf-8"
        case Wording.CLICKHOUSE:
            yield "content-type", "text/plain; charset=utf-8"
            yield "x-clickhouse-exception-code", str(_clickhouse(status)[0])
        case _:
            assert_never(wording)


def body(wording: Wording, reason: Reason, status: Status, decision_id: str) -> str:
    """Everything in it is fixed but the decision id."""
    said = f"{status.title}: {reason.value} (decision {decision_id})"
    match wording:
        case Wording.PROBLEM:
            return _problem(reason, status, decision_id)
        case Wording.TRINO_QUERY if http_status(wording, status) == 200:
            return _failed_query(said, decision_id)
        case Wording.TRINO_QUERY | Wording.TEXT:
            return f"{said}\n"
        case Wording.CLICKHOUSE:
            code, name = _clickhouse(status)
            return f"Code: {code}. DB::Exception: {said}. ({name})\n"
        case _:
            assert_never(wording)


def _problem(reason: Reason, status: Status, decision_id: str) -> str:
    """RFC 9457 (https://www.rfc-editor.org/rfc/rfc9457)."""
    return json.dumps(
        {
            "type": PROBLEM_TYPE + reason.value,
            "title": status.title,
            "status": status.http,
            "reason": reason.value,
            "decision_id": decision_id,
        }
    )


def _clickhouse(status: Status) -> tuple[int, str]:
    """Code and name of ClickHouse's own errors (src/Common/ErrorCodes.cpp)."""
    match status.http:
        case 401:
            return 516, "AUTHENTICATION_FAILED"
        case 503:
            return 210, "NETWORK_ERROR"
        case _:
            return 497, "ACCESS_DENIED"


def _failed_query(said: str, decision_id: str) -> str:
    """A query that has failed before it began, with every member that the drivers insist on.

    https://trino.io/docs/current/develop/client-protocol.html#overview-of-query-processing
    """
    message = f"Access Denied: {said}"
    counts = (
        "nodes", "totalSplits", "queuedSplits", "runningSplits", "completedSplits", "cpuTimeMillis", "wallTimeMillis",
        "queuedTimeMillis", "elapsedTimeMillis", "processedRows", "processedBytes", "physicalInputBytes",
        "physicalWrittenBytes", "internalNetworkInputBytes", "peakMemoryBytes", "spilledBytes",
    )  # fmt: skip
    return json.dumps(
        {
            "id": decision_id,
            "infoUri": "http://localhost/",
            "stats": {"state": "FAILED", "queued": False, "scheduled": False, **dict.fromkeys(counts, 0)},
            "error": {
                "message": message,
                "errorCode": 4,
                "errorName": "PERMISSION_DENIED",
                "errorType": "USER_ERROR",
                "failureInfo": {
                    "type": "io.trino.spi.security.AccessDeniedException",
                    "message": message,
                    "suppressed": [],
                    "stack": [],
                },
            },
            "warnings": [],
        }
    )
