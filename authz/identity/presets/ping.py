"""Ping: access tokens of a PingOne environment for a custom resource; by `issuer`, those of PingFederate.

`typ` is `at+jwt` or absent; access tokens are told from ID tokens by `client_id`. Application tokens have no `sub`.
"""

from typing import Final

from authz.identity.claimkinds import OPENID, joined, kinds
from authz.identity.presets.preset import DOMAIN_PATTERN, GUID_PATTERN, Parameter, Preset
from authz.identity.profile import ID_TOKEN_CLAIMS, TokenProfile

PING: Final = Preset(
    name="ping",
    source="https://developer.pingidentity.com/pingone-api/foundations/authentication-concepts"
    "/access-tokens-and-id-tokens/token-claims.html",
    parameters=(
        Parameter(
            name="environment",
            what="the environment ID, a GUID in lower case",
            pattern=GUID_PATTERN,
            example="3c5f0a52-7a0e-4a0b-9a44-2f8c1d7e6b90",
        ),
        Parameter(
            name="domain",
            what="the domain of the region",
            pattern=DOMAIN_PATTERN,
            example="auth.pingone.eu",
            default="auth.pingone.com",
        ),
    ),
    issuer="https://{domain}/{environment}/as",
    own_issuer=True,
    algorithms=("RS256",),
    token_types=("at+jwt", ""),
    groups_claim="groups",
    profile=TokenProfile(
        preset="ping",
        required=kinds(string="client_id", number="iat"),
        optional=kinds(string="scope", strings="groups"),
        known=joined(OPENID, kinds(string="env org p1.rid p1.userId p1.region", object="act may_act")),
        marks=(frozenset({"client_id"}),),
        foreign=ID_TOKEN_CLAIMS,
    ),
)
