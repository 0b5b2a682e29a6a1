"""Kind `clickhouse`: statements run as one user, whose row policies read the scope from a setting of the request.

Scopegate writes the query of each request anew: its own setting and `readonly=1` first, so that nothing in the
statement can change either (code 164), then what of the client's is known to be harmless. What the row policies make of
the setting, `scopegate render clickhouse` writes. https://clickhouse.com/docs/interfaces/http
"""

import base64
import json
import re
from decimal import Decimal
from functools import lru_cache
from typing import Final, assert_never
from urllib.parse import quote

from authz.errors import Denied, Reason
from authz.identity.principal import Principal
from authz.policy.decision import Allow
from authz.policy.policyset import Warehouse
from authz.policy.tables import WarehouseKind
from authz.rendering.circumstances import Circumstances
from authz.rendering.dialects import TARGETS, refusal
from authz.rendering.headers import MAX_HEADER_BYTES
from authz.rendering.owned import PREFIXES_OF_KIND, removed_headers
from authz.rendering.rewrites import NO_METADATA, Rewrites
from authz.rendering.targets.common import decision_metadata, owned_removals
from authz.request import AccessRequest
from authz.scopes.constraints import Between, Constraint, OneOf, constraint_type
from authz.scopes.datascope import DataScope
from authz.scopes.rowfilter import Everything, Nothing, RowFilter, Where
from authz.scopes.values import Value, ValueType, value_text

USER: Final = "scopegate"
"""The one user of the warehouse; what it may read, its row policies and grants say."""

SETTING: Final = "SQL_scopegate"

MAX_ALTERNATIVES: Final = 4
"""Alternatives of a row filter that the row policies look at."""

MAX_DECIMALS: Final = 30
"""Places of a decimal that the row policies compare with."""

STATEMENTS: Final = "/"
PING: Final = "/ping"

CLIENT_HEADERS: Final = frozenset({"x-clickhouse-database", "x-clickhouse-format"})
"""What a client may say in headers. Not among them is who it is and with what (user, key, certificate, quota)."""

DROPPED: Final = frozenset(
    {"async_insert", "quota_key", "session_check", "session_id", "session_timeout", "client_protocol_version"}
)
"""Parameters that drivers send by themselves and that are left out: a session would be everybody's who knows its name."""

PASSED: Final = frozenset(
    {
        "cancel_http_readonly_queries_on_client_close",
        "compress",
        "connect_timeout",
        "database",
        "date_time_output_format",
        "default_format",
        "enable_http_compression",
        "extremes",
        "group_by_use_nulls",
        "http_headers_progress_interval_ms",
        "http_response_buffer_size",
        "http_zlib_compression_level",
        "join_use_nulls",
        "max_block_size",
        "max_execution_time",
        "max_result_bytes",
        "max_result_rows",
        "query",
        "query_id",
        "receive_timeout",
        "result_overflow_mode",
        "send_progress_in_http_headers",
        "send_timeout",
        "wait_end_of_query",
    }
)
"""Parameters that a client may say. Not among them is who it is, its role and profile, other zones (`session_timezone`
moves what days are), the old analyzer, and everything that is not known to leave rows as they are."""

PASSED_BEGINNINGS: Final = ("output_format_json_", "param_")

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z", re.ASCII)
_BEGINNINGS: Final = PREFIXES_OF_KIND[WarehouseKind.CLICKHOUSE]


def render(allow: Allow, principal: Principal, circumstances: Circumstances) -> Rewrites:
    """What `authz.rendering.render.render` says, for this kind."""
    # Written for each request by `render_request`; here, so that its denial is remembered with the decision.
    scope_parameter(allow.warehouse, allow.scope)
    return Rewrites(
        set_headers=(("x-clickhouse-user", USER),),
        remove_headers=removed_headers(allow.warehouse),
        metadata=decision_metadata(allow, principal, circumstances.policy_version),
    )


def render_request(allow: Allow, request: AccessRequest) -> Rewrites:
    """What `authz.rendering.render.render_request` says, for this kind.

    Raises `Denied`: `parameter_denied` for a parameter that is not known to leave rows as they are.
    """
    remove = (
        *owned_removals(allow.warehouse, request),
        *(
            name
            for name in map(str.lower, request.headers)
            if name.startswith(_BEGINNINGS) and name not in CLIENT_HEADERS and name != "x-clickhouse-user"
        ),
    )
    return Rewrites(set_headers=(), remove_headers=remove, path=_target(allow, request), metadata=NO_METADATA)


def _target(allow: Allow, request: AccessRequest) -> str:
    if request.path == PING and request.method in {"GET", "HEAD"}:
        return PING
    if request.path != STATEMENTS:
        raise Denied(Reason.ROUTE_UNKNOWN, "the path is none that drivers need")
    kept = kept_parameters(request.query)
    if request.method in {"GET", "HEAD"} and not any(part.startswith("query=") for part in kept):
        return STATEMENTS
    if request.method != "POST":
        # For a GET the server sets `readonly=2` first, after which ours would be refused.
        raise Denied(Reason.METHOD_DENIED, f"`{request.method}`, where statements are posted")
    return f"{STATEMENTS}?{'&'.join((_own(allow), *kept))}"


def kept_parameters(query: str) -> list[str]:
    """The parameters of a raw query that go on, as they were written. Raises `Denied`."""
    if ";" in query:
        # Some servers take it for `&`; whoever means it in a value writes %3B.
        raise Denied(Reason.REQUEST_AMBIGUOUS, "a bare `;` in the query")
    kept: list[str] = []
    seen: set[str] = set()
    for part in filter(None, query.split("&")):
        name = part.partition("=")[0]
        if not _NAME.match(name):
            raise Denied(Reason.PARAMETER_DENIED, "the name of a parameter is not written in plain letters")
        if name in seen:
            raise Denied(Reason.REQUEST_AMBIGUOUS, f"the parameter `{name[:64]}` was sent twice")
        seen.add(name)
        if name in PASSED or name.startswith(PASSED_BEGINNINGS):
            kept.append(part)
        elif name not in DROPPED:
            raise Denied(Reason.PARAMETER_DENIED, f"the parameter `{name[:64]}` is not open")
    return kept


@lru_cache(maxsize=4096)
def _own(allow: Allow) -> str:
    """Remembered by the decision object, which is itself remembered and immutable."""
    return scope_parameter(allow.warehouse, allow.scope)


def scope_parameter(warehouse: Warehouse, scope: DataScope) -> str:
    """Our part of a raw query. Raises `Denied`: `scope_not_expressible`, `scope_too_large`."""
    # Quoted, because a custom setting may be read as a literal; in base64, because then nothing needs to be escaped.
    text = quote(f"'{base64.b64encode(scope_text(warehouse, scope.rows).encode()).decode()}'", safe="")
    if len(text) > MAX_HEADER_BYTES:
        raise Denied(
            Reason.SCOPE_TOO_LARGE,
            f"a setting of {len(text)} bytes, at most {MAX_HEADER_BYTES} are supported",
        )
    return f"{SETTING}={text}&readonly=1"


def scope_text(warehouse: Warehouse, rows: RowFilter) -> str:
    """What the row policies read: `{"warehouse": …, "rows": "all" or alternatives}`, every value a text.

    No alternative selects nothing. Raises `Denied(scope_not_expressible)`.
    """
    match rows:
        case Everything():
            told: object = "all"
        case Nothing():
            told = []
        case Where(disjuncts):
            if len(disjuncts) > MAX_ALTERNATIVES:
                raise Denied(
                    Reason.SCOPE_NOT_EXPRESSIBLE,
                    f"{len(disjuncts)} alternatives, the row policies look at {MAX_ALTERNATIVES}",
                )
            told = [{name: _constraint(each) for name, each in disjunct} for disjunct in disjuncts]
        case _:
            assert_never(rows)
    return json.dumps({"warehouse": warehouse.name, "rows": told}, separators=(",", ":"), sort_keys=True)


def _constraint(constraint: Constraint) -> dict[str, object]:
    problem = refusal(constraint, TARGETS["clickhouse"])
    if problem is not None:
        raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, problem)
    kind = constraint_type(constraint)
    match constraint:
        case OneOf(values):
            return {"type": kind.value, "in": [_text(value, kind) for value in values]}
        case Between(low=low, high=high, low_open=low_open, high_open=high_open):
            bounds: dict[str, object] = {"type": kind.value}
            if low is not None:
                bounds["after" if low_open else "from"] = _text(low, kind)
            if high is not None:
                bounds["before" if high_open else "through"] = _text(high, kind)
            return bounds
        case _:
            assert_never(constraint)


def _text(value: Value, kind: ValueType) -> str:
    if kind is ValueType.BOOLEAN:
        return "1" if value else "0"
    text = value_text(value)
    if isinstance(value, Decimal) and len(text.partition(".")[2]) > MAX_DECIMALS:
        raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, f"a decimal of more than {MAX_DECIMALS} places")
    # ClickHouse reads a moment without its `Z`; the column's own zone does not matter to it.
    return text.replace("T", " ").removesuffix("Z") if kind is ValueType.TIMESTAMP else text
