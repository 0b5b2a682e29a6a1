"""The configuration as text."""

from enum import StrEnum

from authz.edge.bootstrap import build_bootstrap
from authz.edge.deployment import PLAIN, Deployment
from authz.edge.messages import to_json, to_yaml
from authz.policy.policyset import EdgeSettings, PolicySet

_HEADER = """\
# Envoy's configuration for a Scopegate policy, rendered by `scopegate envoy render`.
# Do not edit: change the policy and render again.
"""


class Format(StrEnum):
    YAML = "yaml"
    JSON = "json"


def render_envoy(
    policy: PolicySet,
    edge: EdgeSettings | None = None,
    text_format: Format = Format.YAML,
    deployment: Deployment = PLAIN,
) -> str:
    """Envoy's bootstrap for `policy`; `edge` in place of the policy's own section. The same input, the same text.

    Raises `EdgeError`.
    """
    message = build_bootstrap(policy, edge, deployment)
    match text_format:
        case Format.YAML:
            return _HEADER + to_yaml(message)
        case Format.JSON:
            return to_json(message)
