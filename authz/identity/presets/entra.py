"""Microsoft Entra ID: access tokens for an API of one tenant, of version 2 and of version 1.

The same keys sign for every tenant, and whoever has a tenant can be given tokens for a multi-tenant application.
So the issuer names the tenant and `tid` is pinned to it ("nOAuth", oauth2-proxy CVE-2026-40574). `typ` is always
`JWT`: access tokens are told from ID tokens by the client that they were given to (`azp`, in version 1 `appid`).
"""

from typing import Final

from authz.identity.claimkinds import OPENID, joined, kinds
from authz.identity.presets.preset import GUID_PATTERN, Parameter, Preset
from authz.identity.profile import ID_TOKEN_CLAIMS, TokenProfile

_SOURCE: Final = "https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference"
_TENANT: Final = Parameter(
    name="tenant",
    what="the directory (tenant) ID, a GUID in lower case",
    pattern=GUID_PATTERN,
    example="8f6b1c1e-52a1-4d0c-9d2b-7d3b0a4f9e11",
)
_REQUIRED: Final = kinds(string="tid oid ver", number="iat nbf")
_OPTIONAL: Final = kinds(string="scp", strings="roles groups wids")
_KNOWN: Final = joined(
    OPENID,
    kinds(
        string="aio azp azpacr appid appidacr idp idtyp uti rh unique_name upn ipaddr onprem_sid login_hint"
        " ctry tenant_ctry tenant_region_scope verified_primary_email xms_mirid family_name puid platf deviceid"
        " xms_az_rid xms_ftd xms_idrel xms_act_fct xms_sub_fct xms_spcu e_exp",
        any="acct acrs amr xms_cc xms_edov xms_tcdt xms_tdbr xms_pdl xms_pl in_corp pwd_exp pwd_url fwd"
        " xms_st xms_rd auth_time signin_state family_name hasgroups",
    ),
)
# Optional claims that hold groups of the directory stop at 200 (150 in SAML); above, a link stands in their place.
_OVERAGE: Final = {"hasgroups": "groups"}

ENTRA: Final = Preset(
    name="entra",
    source=_SOURCE,
    parameters=(_TENANT,),
    issuer="https://login.microsoftonline.com/{tenant}/v2.0",
    algorithms=("RS256",),
    token_types=("jwt",),
    # The object ID: the same in every application of the tenant, and what its portal shows.
    subject_claim="oid",
    # App roles never run over; groups can, see `groups_overage`.
    groups_claim="roles",
    profile=TokenProfile(
        preset="entra",
        required=_REQUIRED,
        optional=_OPTIONAL,
        known=_KNOWN,
        pinned={"tid": frozenset({"{tenant}"}), "ver": frozenset({"2.0"})},
        marks=(frozenset({"azp"}),),
        foreign=ID_TOKEN_CLAIMS,
        overage=_OVERAGE,
    ),
)

ENTRA_V1: Final = Preset(
    name="entra_v1",
    source=_SOURCE,
    parameters=(_TENANT,),
    issuer="https://sts.windows.net/{tenant}/",
    discovery="https://login.microsoftonline.com/{tenant}",
    algorithms=("RS256",),
    token_types=("jwt",),
    subject_claim="oid",
    groups_claim="roles",
    profile=TokenProfile(
        preset="entra_v1",
        required=_REQUIRED,
        optional=_OPTIONAL,
        known=_KNOWN,
        pinned={"tid": frozenset({"{tenant}"}), "ver": frozenset({"1.0"})},
        marks=(frozenset({"appid"}),),
        foreign=ID_TOKEN_CLAIMS,
        overage=_OVERAGE,
    ),
)
