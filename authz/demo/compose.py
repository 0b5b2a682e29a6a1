"""The files that the services of docker-compose.yml share."""

import secrets
from pathlib import Path

from authz.demo.places import COMPOSE_DIRECTORY, packaged_policy, relocate, write_tls
from authz.demo.stage import read_policy
from authz.edge.deployment import Deployment
from authz.edge.render import render_envoy

HOSTS = ("localhost", "127.0.0.1", "envoy")
OPERATORS = "0.0.0.0:9901"
"""Envoy's metrics and probes, inside the container's networks."""


def write_files(out: Path) -> list[Path]:
    """Fill `out` with certificates, the warehouse's key, the policy and Envoy's configuration for it.

    What is there already is kept, so that a second `docker compose up` does not invalidate the CA file that
    somebody has given to a client. Raises `PolicyError`, `EdgeError`, `OSError`.
    """
    out.mkdir(parents=True, exist_ok=True)
    policy, key, envoy = out / "scopegate.yaml", out / "warehouse.key", out / "envoy.yaml"
    if not (out / "tls").exists():
        write_tls(out / "tls", HOSTS)
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(secrets.token_urlsafe(24))
    if not policy.exists():
        policy.write_text(relocate(packaged_policy(), {COMPOSE_DIRECTORY: str(out)}))
    envoy.write_text(render_envoy(read_policy(policy), deployment=Deployment(http=OPERATORS)))
    return [*sorted((out / "tls").iterdir()), key, policy, envoy]
