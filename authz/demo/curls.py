"""Commands to try while the demo stays up. Each one works as printed, in any POSIX shell with curl."""

import shlex
import sys
from pathlib import Path
from urllib.parse import urlsplit

from authz.demo.stage import Stage


def commands(stage: Stage) -> list[tuple[str, str]]:
    """Titles and commands, in the order in which they build on each other."""
    root = shlex.quote(str(stage.tls.edge_root))
    sales = f"https://localhost:{stage.edge_port}/api/sales"
    issuer = stage.wallet.issuer_url
    token = f"curl -sS -H 'Accept: text/plain' {issuer}/v1/token -d grant_type=password"
    certificate = shlex.quote(str(stage.tls.extract_job.certificate))
    key = shlex.quote(str(stage.tls.extract_job.key))
    scopegate = shlex.quote(str(Path(sys.executable).with_name("scopegate")))
    policy, keys = shlex.quote(str(stage.policy)), shlex.quote(str(stage.policy.with_name("keys.json")))
    options = f"--policy {policy} --warehouse sales --token-file - --jwks okta={keys}"
    return [
        ("a token for Emma; others: emil, uma, carlos, sam", f"TOKEN=$({token} -d username=emma)"),
        ("what Emma may see", f'curl -sS --cacert {root} -H "Authorization: Bearer $TOKEN" {sales}'),
        (
            "be anybody: choose the groups",
            f"YOURS=$({token} -d username=you -d 'groups=analysts-us contractors')",
        ),
        ("what you may see then", f'curl -sS --cacert {root} -H "Authorization: Bearer $YOURS" {sales}'),
        (
            "the extract job, by its client certificate",
            f"curl -sS --cacert {root} --cert {certificate} --key {key} {sales}",
        ),
        ("nobody: look at the challenge and the problem document", f"curl -sS -i --cacert {root} {sales}"),
        (
            "a new signing key: its first token is refused once by each worker (401), which then looks for new keys",
            f"curl -sS -X POST {origin(issuer)}/rotate",
        ),
        (
            "why Emma sees what she sees; edit the policy, and Scopegate follows",
            f'curl -sS {issuer}/v1/keys > {keys}; echo "$TOKEN" | {scopegate} explain {options}',
        ),
    ]


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
