"""Okta: access tokens of a custom authorization server.

Those of the org authorization server are for Okta's own API and cannot be verified by anybody else. Header: `kid`
and `alg`, no `typ`; so access tokens are told from ID tokens by `cid`.
"""

from typing import Final

from authz.identity.claimkinds import OPENID, joined, kinds
from authz.identity.presets.preset import DOMAIN_PATTERN, WORD_PATTERN, Parameter, Preset
from authz.identity.profile import ID_TOKEN_CLAIMS, MUTABLE_CLAIMS, TokenProfile

OKTA: Final = Preset(
    name="okta",
    source="https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/",
    parameters=(
        Parameter(
            name="domain", what="the domain of the org", pattern=DOMAIN_PATTERN, example="acme.okta.com"
        ),
        Parameter(
            name="authorization_server",
            what="the ID of a custom authorization server",
            pattern=WORD_PATTERN,
            example="aus1a2b3c4d5e6f7g8h9",
            default="default",
        ),
    ),
    issuer="https://{domain}/oauth2/{authorization_server}",
    algorithms=("RS256",),
    token_types=("", "jwt", "at+jwt"),
    # `sub` is the login, an e-mail address as a rule; `uid` is never given to another person.
    subject_claim="uid",
    groups_claim="groups",
    profile=TokenProfile(
        preset="okta",
        required=kinds(string="cid jti", number="ver iat"),
        optional=kinds(string="uid", strings="scp groups", number="auth_time"),
        known=joined(OPENID, kinds(any="rqs")),
        marks=(frozenset({"cid"}),),
        foreign=ID_TOKEN_CLAIMS,
        mutable=MUTABLE_CLAIMS | {"sub"},
    ),
)
