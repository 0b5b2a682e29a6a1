"""Cloudflare Access: the application token that it adds to every request, in a header of its own.

`type` tells application tokens (`app`) from the session of the whole organization (`org`). Tokens of service tokens
have an empty `sub` and are refused: they name nobody.
"""

from typing import Final

from authz.identity.accepts import Header
from authz.identity.claimkinds import OPENID, joined, kinds
from authz.identity.presets.preset import WORD_PATTERN, Parameter, Preset
from authz.identity.profile import TokenProfile

CLOUDFLARE_ACCESS: Final = Preset(
    name="cloudflare_access",
    source="https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps"
    "/authorization-cookie/application-token/",
    parameters=(Parameter(name="team", what="the team name", pattern=WORD_PATTERN, example="acme"),),
    issuer="https://{team}.cloudflareaccess.com",
    jwks_url="https://{team}.cloudflareaccess.com/cdn-cgi/access/certs",
    algorithms=("RS256",),
    token_types=("jwt",),
    places=(Header("cf-access-jwt-assertion"),),
    profile=TokenProfile(
        preset="cloudflare_access",
        required=kinds(string="type", number="iat nbf"),
        optional=kinds(string="email"),
        known=joined(
            OPENID,
            kinds(string="identity_nonce country common_name policy_id", object="custom", any="device_id"),
        ),
        kinds={"type": frozenset({"app"})},
    ),
)
