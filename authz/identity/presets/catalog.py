"""Every preset by its name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from authz.identity.presets.auth0 import AUTH0
from authz.identity.presets.cloudflare_access import CLOUDFLARE_ACCESS
from authz.identity.presets.entra import ENTRA, ENTRA_V1
from authz.identity.presets.generic import GENERIC_ISSUER
from authz.identity.presets.github_actions import GITHUB_ACTIONS
from authz.identity.presets.google import GOOGLE
from authz.identity.presets.keycloak import KEYCLOAK
from authz.identity.presets.kubernetes import KUBERNETES
from authz.identity.presets.okta import OKTA
from authz.identity.presets.ping import PING
from authz.identity.presets.preset import Preset
from authz.identity.presets.spiffe_jwt_svid import SPIFFE_JWT_SVID
from authz.identity.presets.tableau_connected_app import TABLEAU_CONNECTED_APP

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            GENERIC_ISSUER,
            OKTA,
            ENTRA,
            ENTRA_V1,
            GOOGLE,
            AUTH0,
            KEYCLOAK,
            PING,
            CLOUDFLARE_ACCESS,
            TABLEAU_CONNECTED_APP,
            KUBERNETES,
            SPIFFE_JWT_SVID,
            GITHUB_ACTIONS,
        )
    }
)

PARAMETERS: Final = tuple(
    dict.fromkeys(parameter.name for preset in PRESETS.values() for parameter in preset.parameters)
)
"""Names of all parameters of all presets, each once."""
