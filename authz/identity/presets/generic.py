"""Any issuer of JWTs: nothing is known of it but what the standards say."""

from typing import Final

from authz.identity.presets.preset import ACCESS_TOKEN_TYPES, PLAIN_TYPES, Preset

GENERIC_ISSUER: Final = Preset(
    name="generic",
    source="https://www.rfc-editor.org/rfc/rfc9068",
    token_types=(*PLAIN_TYPES, *ACCESS_TOKEN_TYPES),
)
