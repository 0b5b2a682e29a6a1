"""What the rules of one decision may read: the principal, the warehouse, the request, the time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from authz.identity.principal import Principal
from authz.request import AccessRequest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """The facts of one decision. `now` is in seconds since the epoch."""

    principal: Principal
    warehouse: str
    request: AccessRequest
    now: float


Read = Callable[[Facts], object]


def _spiffe_id(facts: Facts) -> str:
    certificate = facts.principal.certificate
    return "" if certificate is None else certificate.spiffe_id or ""


def _certificate_name(facts: Facts) -> str:
    certificate = facts.principal.certificate
    return "" if certificate is None else certificate.name


# Sorted: a condition may index a list, and a set has no order that two workers would share.
READERS: Mapping[str, Read] = {
    "principal.subject": lambda facts: facts.principal.subject,
    "principal.issuer": lambda facts: facts.principal.issuer,
    "principal.groups": lambda facts: sorted(facts.principal.groups),
    "principal.claims": lambda facts: facts.principal.claims,
    "principal.methods": lambda facts: sorted(method.value for method in facts.principal.methods),
    "principal.spiffe_id": _spiffe_id,
    "principal.certificate_name": _certificate_name,
    "request.method": lambda facts: facts.request.method,
    "request.path": lambda facts: facts.request.path,
    "request.host": lambda facts: facts.request.host,
    "request.time": lambda facts: datetime.fromtimestamp(facts.now, UTC),
    "request.source_address": lambda facts: facts.request.source_address,
    "warehouse.name": lambda facts: facts.warehouse,
}
"""How each variable of a condition is read. No request headers: a client controls those."""

CLAIMS = "principal.claims"
TOKEN_FACTS = frozenset(
    {"principal.subject", "principal.issuer", "principal.groups", CLAIMS, "principal.methods"}
)
TOLD_BY_WAREHOUSES = frozenset(
    {"principal.subject", "principal.issuer", "principal.groups", "request.time", "warehouse.name"}
)
"""What is known of somebody whom a warehouse has let in itself."""
CERTIFICATE_FACTS = frozenset({"principal.spiffe_id", "principal.certificate_name"})
