"""GitHub Actions: OIDC tokens of workflow runs.

Anybody's workflow can ask for a token with any audience, so the owner of the repository is pinned, by a number:
names can be given up and taken by somebody else.
"""

import re
from typing import Final

from authz.identity.claimkinds import kinds
from authz.identity.presets.preset import Parameter, Preset
from authz.identity.profile import TokenProfile

GITHUB_ACTIONS: Final = Preset(
    name="github_actions",
    source="https://docs.github.com/actions/reference/security/oidc",
    parameters=(
        Parameter(
            name="owner_id",
            what="the number of the organization or user that owns the repositories",
            pattern=re.compile(r"[1-9][0-9]{0,19}\Z", re.ASCII),
            example="65000000",
        ),
    ),
    issuer="https://token.actions.githubusercontent.com",
    own_issuer=True,
    algorithms=("RS256",),
    token_types=("jwt",),
    profile=TokenProfile(
        preset="github_actions",
        required=kinds(
            string="jti repository repository_id repository_owner repository_owner_id workflow_ref event_name",
            number="iat nbf",
        ),
        known=kinds(
            string="actor actor_id base_ref check_run_id enterprise enterprise_id environment"
            " environment_node_id head_ref job_workflow_ref job_workflow_sha ref ref_protected ref_type"
            " repository_visibility run_attempt run_id run_number runner_environment sha workflow workflow_sha",
            any="issuer_scope",
        ),
        pinned={"repository_owner_id": frozenset({"{owner_id}"})},
    ),
)
