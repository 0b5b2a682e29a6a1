"""The JSON types of claims, and the claims that standards define."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never


class ClaimKind(StrEnum):
    """The JSON type of a claim, as an issuer documents it."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    STRINGS = "strings"
    """A list of strings."""
    STRING_OR_STRINGS = "string_or_strings"
    OBJECT = "object"
    ANY = "any"

    def fits(self, value: object) -> bool:
        """Whether a claim has this type. Null has none."""
        match self:
            case ClaimKind.STRING:
                return isinstance(value, str)
            case ClaimKind.NUMBER:
                return isinstance(value, int | float) and not isinstance(value, bool)
            case ClaimKind.BOOLEAN:
                return isinstance(value, bool)
            case ClaimKind.STRINGS:
                return isinstance(value, list) and all(isinstance(item, str) for item in value)
            case ClaimKind.STRING_OR_STRINGS:
                return ClaimKind.STRING.fits(value) or ClaimKind.STRINGS.fits(value)
            case ClaimKind.OBJECT:
                return isinstance(value, dict)
            case ClaimKind.ANY:
                return value is not None
            case _:
                assert_never(self)


Kinds = Mapping[str, ClaimKind]


def kinds(**names: str) -> Kinds:
    """A table of claims: under each type the names of its claims, separated by spaces."""
    return MappingProxyType(
        {name: ClaimKind(kind) for kind, listed in names.items() for name in listed.split()}
    )


def joined(*tables: Kinds) -> Kinds:
    """One table of several; a later one has the last word."""
    return MappingProxyType({name: kind for table in tables for name, kind in table.items()})


REGISTERED: Final = kinds(string="iss sub jti", number="exp nbf iat", string_or_strings="aud", object="cnf")
"""RFC 7519 section 4.1 and RFC 7800 section 3: what Scopegate reads of every token."""

OPENID: Final = kinds(
    string="name given_name family_name middle_name nickname preferred_username profile picture website email"
    " gender birthdate zoneinfo locale phone_number nonce acr azp at_hash c_hash s_hash sid",
    number="auth_time updated_at",
    boolean="email_verified phone_number_verified",
    strings="amr",
    object="address _claim_names _claim_sources",
)
"""OpenID Connect Core 1.0 sections 2, 5.1 and 5.6.2: https://openid.net/specs/openid-connect-core-1_0.html"""

ACCESS_TOKEN: Final = kinds(
    string="client_id scope acr",
    number="auth_time",
    strings="amr groups roles entitlements",
    object="act may_act",
)
"""RFC 9068 section 2.2 and RFC 8693 section 4: https://www.rfc-editor.org/rfc/rfc9068#section-2.2"""
