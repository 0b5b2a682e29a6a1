"""What docs/operations.md tells people to type works as written, in the order in which it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.envoy_process import wait_until
from tests.ports import free_port
from tests.tokens import ec_key, jwks

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations.md"
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
POLICY = """\
version: 1
edge: {listen: "127.0.0.1:8443", certificate: tls.crt, private_key: tls.key, scopegate: ["unix:/run/scopegate/scopegate-1.sock"]}
issuers: {okta: {issuer: "https://issuer.example/oauth2/default", audiences: [api://warehouse], groups_claim: groups, jwks_file: jwks.json}}
dimensions: {region: {type: string}}
warehouses: {sales: {routes: [{prefix: /api/}], upstream: "http://127.0.0.1:1", columns: {region: region}}}
grants: [{id: emea, to: {groups: [analysts-emea]}, on: [sales], scope: {region: [EU]}}]
"""


class Machine:
    """A machine whose /etc, /run and /var/log are a directory of the test's, with `scopegate` on the path."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        for name in ("run", "etc", "log"):
            (directory / name).mkdir()

    def text(self, block: str) -> str:
        for there, here in (
            ("/run/scopegate", "run"),
            ("/etc/scopegate", "etc"),
            ("/var/log/scopegate", "log"),
        ):
            block = block.replace(there, str(self._directory / here))
        return block.replace("127.0.0.1:9101", f"127.0.0.1:{self._port}")

    def start(self, block: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            ["bash", "-euc", f"exec {self.text(block)}"], cwd=self._directory, env=_environment()
        )

    def run(self, block: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.text(block)],
            cwd=self._directory,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def _environment() -> dict[str, str]:
    own = str(Path(sys.executable).parent)
    return {"PATH": f"{own}:{os.environ['PATH']}", "HOME": "/nonexistent", "LANG": "C.UTF-8"}


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    """One after the other; the server that one of them starts runs until the last."""
    machine = Machine(tmp_path)
    (tmp_path / "scopegate.yaml").write_text(machine.text(POLICY))
    (tmp_path / "jwks.json").write_bytes(jwks(ec_key("system")))
    assert machine.run("scopegate audit keygen /etc/scopegate/audit.key").returncode == 0
    server: subprocess.Popen[bytes] | None = None
    try:
        for block in BLOCKS:
            if block.startswith("scopegate serve"):
                if server is not None:
                    server.terminate()
                    assert server.wait(30) == 0
                server = machine.start(block)
                wait_until(
                    lambda: machine.run("curl --fail --silent http://127.0.0.1:9101/readyz").returncode == 0,
                    "ready",
                )
                continue
            done = machine.run(block)
            assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
    finally:
        if server is not None:
            server.terminate()
            assert server.wait(30) == 0


def test_the_page_starts_a_server_and_asks_it() -> None:
    """Else the test above proved little."""
    assert len(BLOCKS) == 9
    assert sum(block.startswith("scopegate serve") for block in BLOCKS) == 2


@pytest.mark.parametrize("page", ["docs/operations.md", "SECURITY.md", "docs/warehouses.md", "README.md"])
def test_every_link_of_the_page_leads_somewhere(page: str) -> None:
    """To a file, and to a heading in it."""
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        place = (ROOT / page).parent / file if file else ROOT / page
        assert place.exists(), target
        if heading:
            headings = [
                re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
                for line in place.read_text().splitlines()
                if line.startswith("#")
            ]
            assert heading in headings, target
