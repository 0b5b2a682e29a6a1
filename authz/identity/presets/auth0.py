"""Auth0: access tokens for an API, in the RFC 9068 profile.

With the profile `Auth0`, `typ` is `JWT` for access tokens and ID tokens alike: then say `token_types: [jwt]`; they are
told apart by `azp` and by what ID tokens have. The issuer ends in a slash.
"""

from typing import Final

from authz.identity.claimkinds import OPENID, joined, kinds
from authz.identity.presets.preset import ACCESS_TOKEN_TYPES, DOMAIN_PATTERN, Parameter, Preset
from authz.identity.profile import ID_TOKEN_CLAIMS, TokenProfile

AUTH0: Final = Preset(
    name="auth0",
    source="https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles",
    parameters=(
        Parameter(
            name="domain",
            what="the domain of the tenant, or its own",
            pattern=DOMAIN_PATTERN,
            example="acme.eu.auth0.com",
        ),
    ),
    issuer="https://{domain}/",
    algorithms=("RS256",),
    token_types=ACCESS_TOKEN_TYPES,
    profile=TokenProfile(
        preset="auth0",
        required=kinds(number="iat"),
        optional=kinds(string="azp client_id scope", strings="permissions"),
        known=joined(OPENID, kinds(string="gty org_id org_name", object="act authorization_details")),
        marks=(frozenset({"azp", "client_id"}),),
        foreign=ID_TOKEN_CLAIMS,
    ),
)
