"""Denials in the words of those who read them."""

import json
from dataclasses import replace

import pytest

from authz.errors import Reason
from authz.policy.tables import WarehouseKind
from authz.transport import denials
from authz.transport.denials import Wording, wording_for
from authz.transport.status import STATUS
from tests.allows import request, warehouse

DECISION = "d" * 32
DENIALS = [reason for reason in Reason if reason is not Reason.GRANTED]
POLL = f"/~{'A' * 24}/v1/statement/queued/20261123_080910_00012_ab3de/x{'0' * 40}/1"


@pytest.mark.parametrize(
    ("kind", "method", "path", "wording"),
    [
        (WarehouseKind.HTTP, "GET", "/", Wording.PROBLEM),
        (WarehouseKind.POSTGREST, "GET", "/", Wording.PROBLEM),
        (WarehouseKind.CUBE, "GET", "/", Wording.PROBLEM),
        (WarehouseKind.TRINO, "POST", "/v1/statement", Wording.TRINO_QUERY),
        (WarehouseKind.TRINO, "GET", POLL, Wording.TRINO_QUERY),
        (WarehouseKind.TRINO, "HEAD", "/v1/statement", Wording.TEXT),
        (WarehouseKind.TRINO, "DELETE", POLL, Wording.TEXT),
        (WarehouseKind.TRINO, "GET", "/v1/info", Wording.TEXT),
        (WarehouseKind.TRINO, "GET", "/ui/", Wording.TEXT),
        (WarehouseKind.CLICKHOUSE, "POST", "/", Wording.CLICKHOUSE),
    ],
)
def test_the_wording_is_that_of_the_warehouse(
    kind: WarehouseKind, method: str, path: str, wording: Wording
) -> None:
    """A HEAD and a DELETE of Trino never get a 200: it would say yes."""
    asked = replace(request(path=path), method=method)
    assert wording_for(warehouse(kind=kind), asked) is wording


def test_without_a_warehouse_it_is_a_problem_document() -> None:
    """Nobody knows who reads it."""
    assert wording_for(None, request()) is wording_for(warehouse(), None) is Wording.PROBLEM


@pytest.mark.parametrize("wording", Wording)
@pytest.mark.parametrize("reason", DENIALS)
def test_every_wording_says_reason_and_decision_and_nothing_of_the_operators(
    wording: Wording, reason: Reason
) -> None:
    """With the title, which is the same for all."""
    status = STATUS[reason]
    body = denials.body(wording, reason, status, DECISION)
    assert reason.value in body
    assert DECISION in body
    assert status.title.replace("'", "'") in body


@pytest.mark.parametrize("wording", Wording)
@pytest.mark.parametrize("reason", DENIALS)
def test_a_200_is_only_a_failed_query(wording: Wording, reason: Reason) -> None:
    """Never without an `error` in it, never with rows or a further address."""
    status = denials.http_status(wording, STATUS[reason])
    if status != 200:
        assert status == STATUS[reason].http
        return
    assert wording is Wording.TRINO_QUERY
    answer = json.loads(denials.body(wording, reason, STATUS[reason], DECISION))
    assert answer["error"]["errorName"] == "PERMISSION_DENIED"
    assert not {"data", "columns", "nextUri"} & set(answer)
    assert dict(denials.headers(wording, STATUS[reason])) == {"content-type": "application/json"}


def test_who_could_help_themselves_is_told_so() -> None:
    """401 asks for other credentials, 503 to try again: a failed query would be given up."""
    assert denials.http_status(Wording.TRINO_QUERY, STATUS[Reason.TOKEN_EXPIRED]) == 401
    assert denials.http_status(Wording.TRINO_QUERY, STATUS[Reason.NOT_READY]) == 503
    assert denials.body(
        Wording.TRINO_QUERY, Reason.TOKEN_EXPIRED, STATUS[Reason.TOKEN_EXPIRED], DECISION
    ) == (f"The token has expired: token_expired (decision {DECISION})\n")


@pytest.mark.parametrize(
    ("reason", "code", "name"),
    [
        (Reason.NO_GRANT, "497", "ACCESS_DENIED"),
        (Reason.TOKEN_EXPIRED, "516", "AUTHENTICATION_FAILED"),
        (Reason.NOT_READY, "210", "NETWORK_ERROR"),
    ],
)
def test_clickhouse_has_its_own_codes(reason: Reason, code: str, name: str) -> None:
    """In a header, or its drivers show `<Unreadable error message>`."""
    status = STATUS[reason]
    assert dict(denials.headers(Wording.CLICKHOUSE, status))["x-clickhouse-exception-code"] == code
    text = denials.body(Wording.CLICKHOUSE, reason, status, DECISION)
    assert text.startswith(f"Code: {code}. DB::Exception: {status.title}: {reason.value}")
    assert text.endswith(f"({name})\n")
