"""docs/warehouses.md, about the signed assertion: its commands are run, its reader reads what a real server signs."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from authz.policy.document import AssertionPart
from authz.rendering.assertion import ASSERTION_FORMAT, ASSERTION_TYPE
from authz.rendering.minting import max_claims_bytes
from authz.scopes.columns import ColumnMask
from authz.signing.jws import sign
from authz.transport.jwks import JWKS_MAX_AGE
from tests.integration.scopegate_server import Scopegate, ask_for_sales, token
from tests.signingkeys import ec_pem, one_key, verified
from tests.tokens import jwks, rsa_key

TEXT = (Path(__file__).parents[2] / "docs" / "warehouses.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("## The signed assertion\n")[2].partition("\n## ")[0]
PORT = "127.0.0.1:9101"

POLICY = """\
version: 1
issuers:
  okta: {issuer: https://issuer.example/oauth2/default, audiences: [api://warehouse], groups_claim: groups,
         jwks_file: jwks.json}
dimensions:
  region: {type: string}
grants:
  - {id: emea, to: {groups: [analysts-emea]}, on: all, scope: {region: [EU]}}
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


def run(script: str, directory: Path) -> str:
    """A block of commands, as somebody would paste it; the first that fails ends it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_policy(directory: Path, assertion: str) -> Path:
    """The example of the page, in the policy that it leaves out."""
    (directory / "jwks.json").write_bytes(jwks(rsa_key()))
    sales = "  sales:\n    routes: [{prefix: /api/}]\n    upstream: http://w\n    columns: {region: region}\n"
    (directory / "scopegate.yaml").write_text(POLICY + assertion.replace("  sales:\n", sales))
    return directory / "scopegate.yaml"


def reader(server: Scopegate) -> Any:
    """The page's function, at the server's address."""
    (code,) = blocks("python")
    found: dict[str, Any] = {}
    exec(code.replace(PORT, server.http), found)
    return found["scope_of"]


def test_whoever_follows_the_page_reads_what_is_signed(tmp_path: Path) -> None:
    """Keys by openssl, the example's policy, the reader: what it takes, and what it refuses one step away."""
    (example,) = blocks("yaml")
    make_keys, fetch_keys = blocks("sh")
    AssertionPart.model_validate(yaml.safe_load(example)["assertion"])
    policy = write_policy(tmp_path, example)
    assert "no problems" in run(make_keys, tmp_path)
    with Scopegate(policy) as server:
        server.wait_for("ready")
        published = json.loads(run(fetch_keys.replace(PORT, server.http), tmp_path))
        scope_of = reader(server)
        text = server.ask(ask_for_sales(token())).headers["x-scope-assertion"]
        told = scope_of(text)
        assert told["rows"] == [{"region": {"type": "string", "in": ["EU"]}}]
        assert told == verified(text, published)
        for refused in _forgeries(told):
            with pytest.raises((jwt.InvalidTokenError, jwt.PyJWKClientError)):
                scope_of(refused)


def _forgeries(told: dict[str, Any]) -> list[str]:
    """Signed by somebody else, and not at all."""
    stranger = one_key(ec_pem("stranger"))
    forged = sign(told, ASSERTION_TYPE, stranger)
    unsigned = jwt.encode(told, "", algorithm="none", headers={"typ": ASSERTION_TYPE})
    return [forged, unsigned, forged.rpartition(".")[0] + ".", "", "x"]


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "ledger"},
        {"iss": "https://other.example"},
        {"exp": 1},
        {"exp": None},
        {"format": 2},
        {"format": None},
        {"typ": "at+jwt"},
    ],
)
def test_the_reader_of_the_page_refuses(tmp_path: Path, changes: dict[str, Any]) -> None:
    """With the right signature: another warehouse's, another issuer's, an old one, another format or type."""
    keys = one_key()
    now = int(time.time())
    honest = {"iss": "https://data.acme.example", "aud": "sales", "iat": now, "exp": now + 60, "format": 1}
    (code,) = blocks("python")
    found: dict[str, Any] = {}
    exec(code, found)
    found["KEYS"].fetch_data = lambda: {"keys": [dict(keys.signing.public)]}
    assert found["scope_of"](sign(honest, ASSERTION_TYPE, keys)) == honest
    typ = changes.pop("typ", ASSERTION_TYPE)
    claims = {name: value for name, value in {**honest, **changes}.items() if value is not None}
    with pytest.raises(jwt.InvalidTokenError):
        found["scope_of"](sign(claims, typ, keys))


def test_the_page_names_what_the_code_does() -> None:
    """Figures and words that somebody builds a reader with."""
    assert f"more than {max_claims_bytes():,}" in " ".join(SECTION.split())
    assert f"to be kept for {JWKS_MAX_AGE} seconds" in " ".join(SECTION.split())
    assert f"| `format` | `{ASSERTION_FORMAT}` |" in SECTION
    masks = {mask.value for mask in ColumnMask} - {"clear", "hidden"}
    assert all(f"`{mask}`" in SECTION for mask in masks)
