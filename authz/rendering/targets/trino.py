"""Kind `trino`: statements run as the person, within the scope of a signed assertion.

Scopegate's own token logs in as a user without rights (`trino.proxy`) who may ask in people's names; the person's
name goes along in `x-trino-user` and the assertion as an extra credential, which Scopegate's plugin in Trino verifies.
A query is polled under a path that is bound to who asked (`authz.rendering.polls`).

Trino's client headers: https://trino.io/docs/current/develop/client-protocol.html#client-request-headers
"""

from typing import Final

from authz.errors import Denied, Reason
from authz.guardrails.trino import STATEMENT
from authz.identity.principal import Principal
from authz.policy.decision import Allow
from authz.policy.policyset import Warehouse
from authz.policy.tables import WarehouseKind
from authz.rendering.assertion import assertion
from authz.rendering.circumstances import Circumstances
from authz.rendering.owned import PREFIXES_OF_KIND
from authz.rendering.person import person_name
from authz.rendering.polls import QueryOwner, is_owned_by, parse_poll
from authz.rendering.rewrites import NO_METADATA, Rewrites
from authz.rendering.targets.common import bearer, removals_only
from authz.request import AccessRequest
from authz.scopes.constraints import constraint_type
from authz.scopes.rowfilter import RowFilter, Where
from authz.scopes.values import ValueType
from authz.signing.keys import SigningKeys

CREDENTIAL: Final = "scope"
"""The name of the extra credential."""

INFO: Final = "/v1/info"
PREFIX: Final = "x-forwarded-prefix"

OPEN: Final = frozenset({("POST", STATEMENT), ("HEAD", STATEMENT), ("GET", INFO), ("HEAD", INFO)})
"""What the drivers need beside polling. `/v1/query` shows everybody's statements, `/ui` and the rest no one's rows."""
POLL_METHODS: Final = frozenset({"GET", "HEAD", "DELETE"})

CLIENT_HEADERS: Final = frozenset(
    f"x-trino-{name}"
    for name in (
        "catalog",
        "client-capabilities",
        "client-info",
        "client-tags",
        "language",
        "prepared-statement",
        "schema",
        "source",
        "time-zone",
        "trace-token",
        "transaction-id",
    )
)
"""What a client may say. Not among them is who it is (user, original-user, role), what it may (extra-credential,
session, resource-estimate), where functions are looked for (path), and how rows come (query-data-encoding: spooled
segments are read by whoever has their address)."""

_BEGINNINGS: Final = PREFIXES_OF_KIND[WarehouseKind.TRINO]
_SET: Final = frozenset({"x-trino-user", "x-trino-extra-credential"})


def render(allow: Allow, principal: Principal, circumstances: Circumstances) -> Rewrites:
    """What `authz.rendering.render.render` says, for this kind."""
    warehouse = allow.warehouse
    name = person_name(warehouse, principal)
    if not name.isascii() or not name.isprintable() or name != name.strip():
        raise Denied(Reason.CLAIM_INVALID, "a name that is no header: expected printable ASCII")
    signed = assertion(allow, principal, circumstances)
    # Trino compares moments with columns without a zone by the session's zone, which the client could choose.
    utc = (("x-trino-time-zone", "UTC"),) if _depends_on_zone(allow.scope.rows) else ()
    login = {"aud": login_audience(warehouse), "sub": warehouse.trino.proxy}
    return bearer(
        allow,
        principal,
        circumstances,
        login,
        ("x-trino-user", name),
        ("x-trino-extra-credential", f"{CREDENTIAL}={signed.text}"),
        *utc,
    )


def login_audience(warehouse: Warehouse) -> str:
    """Of the token that logs in. Not the assertion's: Trino would take one for a login of the person's own."""
    return f"{warehouse.name}/login"


def render_request(
    allow: Allow, principal: Principal, request: AccessRequest, signing: SigningKeys | None
) -> Rewrites:
    """What `authz.rendering.render.render_request` says, for this kind.

    Raises `Denied(query_foreign)` for a poll that is bound to somebody else.
    """
    polled = _polled(allow, principal, request, signing)
    own = removals_only(allow.warehouse, request)
    foreign = tuple(
        name
        for name in map(str.lower, request.headers)
        if name.startswith(_BEGINNINGS) and name not in CLIENT_HEADERS and name not in _SET
    )
    if polled is not None:
        return Rewrites(
            set_headers=((PREFIX, f"/~{polled}"),),
            remove_headers=own.remove_headers + foreign,
            metadata=NO_METADATA,
        )
    return Rewrites(
        set_headers=(), remove_headers=(*own.remove_headers, *foreign, PREFIX), metadata=NO_METADATA
    )


def _polled(
    allow: Allow, principal: Principal, request: AccessRequest, signing: SigningKeys | None
) -> str | None:
    """The tag under which a query is polled; None for what needs none."""
    if (request.method, request.path) in OPEN:
        return None
    poll = parse_poll(request.path)
    if poll is None or request.method not in POLL_METHODS:
        raise Denied(Reason.ROUTE_UNKNOWN, "the path is none that drivers need, or not bound to anybody")
    if signing is None:
        raise Denied(Reason.NOT_READY, "the keys that queries are bound by are not loaded")
    if not is_owned_by(QueryOwner(allow.warehouse.name, principal.key), poll, signing):
        raise Denied(Reason.QUERY_FOREIGN, "the query is bound to somebody else, or by a key that is gone")
    return poll.tag


def _depends_on_zone(rows: RowFilter) -> bool:
    if not isinstance(rows, Where):
        return False
    kinds = {constraint_type(constraint) for disjunct in rows.disjuncts for _, constraint in disjunct}
    return not kinds.isdisjoint({ValueType.DATE, ValueType.TIMESTAMP})
