"""Google: ID tokens, because its access tokens are opaque. The audience is the OAuth client.

Every Google account can be given a token for a client whose consent screen is external: pin the domain of the
organization (`hd`). No groups: grants name subjects.
"""

from typing import Final

from authz.identity.claimkinds import OPENID, joined, kinds
from authz.identity.presets.preset import DOMAIN_PATTERN, Parameter, Preset
from authz.identity.profile import TokenProfile

GOOGLE: Final = Preset(
    name="google",
    source="https://developers.google.com/identity/openid-connect/reference",
    parameters=(
        Parameter(
            name="hosted_domain",
            what="the domain of the Workspace organization",
            pattern=DOMAIN_PATTERN,
            example="acme.example",
            optional=True,
        ),
    ),
    issuer="https://accounts.google.com",
    algorithms=("RS256",),
    token_types=("jwt",),
    profile=TokenProfile(
        preset="google",
        required=kinds(number="iat"),
        optional=kinds(string="azp hd email", boolean="email_verified"),
        known=joined(OPENID, kinds(object="google")),
        pinned={"hd": frozenset({"{hosted_domain}"})},
    ),
)
