"""What a warehouse that knows people by name is told of who asks."""

from authz.errors import Denied, Reason
from authz.identity.principal import Principal
from authz.policy.policyset import Warehouse

MAX_NAME_CHARACTERS = 256


def person_name(warehouse: Warehouse, principal: Principal) -> str:
    """The name of the principal at a warehouse, as its `user` section says.

    Raises `Denied`: `claim_missing` or `claim_invalid` for a claim that gives no name, `claim_too_large`.
    """
    name = principal.subject if warehouse.user.claim is None else _claimed(warehouse.user.claim, principal)
    if len(name) > MAX_NAME_CHARACTERS:
        raise Denied(
            Reason.CLAIM_TOO_LARGE,
            f"a name of {len(name)} characters, at most {MAX_NAME_CHARACTERS} are supported",
        )
    # The configured name of an issuer has no colon, so the first one ends it: nobody can write another's.
    return f"{principal.issuer}:{name}" if warehouse.user.qualified else name


def _claimed(claim: str, principal: Principal) -> str:
    value = principal.claims.get(claim)
    if value is None:
        raise Denied(
            Reason.CLAIM_MISSING, f"the claim `{claim}`, which is the name at the warehouse, is missing"
        )
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise Denied(Reason.CLAIM_INVALID, f"the claim `{claim}` is no name: expected printable text")
    return value
