"""Tableau connected apps (direct trust): tokens that a portal signs with a secret that Tableau has, too.

Tableau takes such a token once, in exchange for a session, and at most ten minutes after it was made; so does
Scopegate, but without a session: one token, one request. The header's `kid` is the ID of the secret.
"""

from typing import Final

from authz.identity.claimkinds import kinds
from authz.identity.presets.preset import GUID_PATTERN, Parameter, Preset
from authz.identity.profile import TokenProfile

TABLEAU_CONNECTED_APP: Final = Preset(
    name="tableau_connected_app",
    source="https://help.tableau.com/current/server/en-us/connected_apps_direct.htm",
    parameters=(
        Parameter(
            name="client_id",
            what="the client ID of the connected app, a GUID in lower case",
            pattern=GUID_PATTERN,
            example="4d1f2c9a-6d0f-4d0e-8a53-1f6f0f1c7b2a",
        ),
    ),
    issuer="{client_id}",
    discovers=False,
    shared_secrets=True,
    audiences=("tableau",),
    algorithms=("HS256",),
    token_types=("jwt", ""),
    profile=TokenProfile(
        preset="tableau_connected_app",
        required=kinds(string="jti", strings="scp"),
        optional=kinds(strings="https://tableau.com/groups"),
        known=kinds(any="https://tableau.com/oda", string="email name"),
        single_use=True,
        max_lifetime_seconds=600.0,
    ),
)
