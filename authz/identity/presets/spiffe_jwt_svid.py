"""SPIFFE JWT-SVIDs of one trust domain.

https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md sections 2 and 3: `sub`, `aud` and `exp` are there,
`iss` need not be. Without `issuer` in the policy only tokens without `iss` are taken, by the trust domain of `sub`.
"""

from typing import Final

from authz.identity.presets.preset import Parameter, Preset
from authz.identity.profile import SubjectForm, TokenProfile
from authz.identity.spiffe import TRUST_DOMAIN_PATTERN

SPIFFE_JWT_SVID: Final = Preset(
    name="spiffe_jwt_svid",
    source="https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md",
    parameters=(
        Parameter(
            name="trust_domain",
            what="the trust domain, without `spiffe://`",
            pattern=TRUST_DOMAIN_PATTERN,
            example="acme.example",
        ),
    ),
    issuer="spiffe://{trust_domain}",
    own_issuer=True,
    discovers=False,
    # SPIFFE_Trust_Domain_and_Bundle.md section 4.2.2, in the trust domain's own bundle.
    key_use="jwt-svid",
    algorithms=("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"),
    token_types=("jwt", "jose", ""),
    profile=TokenProfile(
        preset="spiffe_jwt_svid",
        subject=SubjectForm.SPIFFE_ID,
        trust_domain="{trust_domain}",
        iss_may_be_absent=True,
    ),
)
