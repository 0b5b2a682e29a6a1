"""Keycloak: access tokens of a realm. The claim `typ` names the kind of token: `Bearer`, `ID`, `Refresh`, `DPoP`."""

import re
from typing import Final

from authz.identity.claimkinds import OPENID, joined, kinds
from authz.identity.presets.preset import Parameter, Preset
from authz.identity.profile import TokenProfile

KEYCLOAK: Final = Preset(
    name="keycloak",
    source="https://www.keycloak.org/docs/latest/server_admin/",
    parameters=(
        Parameter(
            name="base_url",
            what="the URL of the server with its path, if it has one",
            pattern=re.compile(
                r"https?://[a-z0-9][a-z0-9.\-]{0,252}(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~\-]+)*\Z", re.ASCII
            ),
            example="https://sso.acme.example",
        ),
        Parameter(
            name="realm",
            what="the name of the realm",
            pattern=re.compile(r"[A-Za-z0-9._~\-]{1,255}\Z", re.ASCII),
            example="acme",
        ),
    ),
    issuer="{base_url}/realms/{realm}",
    algorithms=("RS256", "PS256", "ES256", "EdDSA"),
    token_types=("jwt", "at+jwt"),
    groups_claim="groups",
    profile=TokenProfile(
        preset="keycloak",
        required=kinds(string="typ jti", number="iat"),
        optional=kinds(string="azp scope", strings="groups", object="realm_access resource_access"),
        # `nonce` stood in access tokens, too, before version 24.
        known=joined(
            OPENID,
            kinds(
                string="session_state clientHost clientAddress client_id",
                strings="allowed-origins trusted-certs",
                object="authorization act",
                any="organization",
            ),
        ),
        kinds={"typ": frozenset({"Bearer"})},
    ),
)
