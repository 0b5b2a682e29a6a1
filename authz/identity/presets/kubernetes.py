"""Kubernetes: projected service account tokens of a cluster. Those of old Secrets have no `exp` and are refused."""

from typing import Final

from authz.identity.claimkinds import kinds
from authz.identity.presets.preset import Preset
from authz.identity.profile import SubjectForm, TokenProfile

KUBERNETES: Final = Preset(
    name="kubernetes",
    source="https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/",
    algorithms=("RS256", "ES256", "ES384", "ES512"),
    token_types=("", "jwt"),
    profile=TokenProfile(
        preset="kubernetes",
        required=kinds(object="kubernetes.io", number="iat nbf"),
        subject=SubjectForm.SERVICE_ACCOUNT,
    ),
)
