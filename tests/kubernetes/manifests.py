"""The manifests of deploy/k8s, as kustomize makes them: rendered anew, or as they were committed.

`python -m tests.kubernetes.manifests` writes those in tests/golden/kubernetes anew.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

ROOT: Final = Path(__file__).parents[2]
COMMITTED: Final = ROOT / "tests/golden/kubernetes"
OVERLAYS: Final = ("dev", "staging", "prod")
RENDERED: Final = {
    **{name: ROOT / "deploy/k8s/overlays" / name for name in OVERLAYS},
    "vault": ROOT / "tests/kubernetes/vault",
    "assertion": ROOT / "tests/kubernetes/assertion",
    "tracing": ROOT / "tests/kubernetes/tracing",
}
"""What is rendered, by the name of its golden file."""

RULES: Final = "PrometheusRule"
"""Left out of what is committed: deploy/monitoring writes it, and changes it for reasons of its own."""

RENDERER_REQUIRED: Final = "SCOPEGATE_RENDERER_REQUIRED"
"""Set by `make test-kubernetes`: a missing kustomize is a failure then, not a skipped test."""

Manifest = Mapping[str, Any]


class Name(NamedTuple):
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Container:
    """A container and the pod that it belongs to; `initial` if it stands among the init containers."""

    pod: str
    spec: Manifest
    initial: bool

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def goes_on(self) -> bool:
        """Whether it is there as long as the pod is."""
        return not self.initial or self.spec.get("restartPolicy") == "Always"

    @property
    def ports(self) -> dict[str, int]:
        return {port["name"]: int(port["containerPort"]) for port in self.spec.get("ports", [])}


def find_kustomize() -> list[str] | None:
    """The command in front of a directory; None if this machine has none."""
    beside = ROOT / ".venv/bin/kustomize"
    if beside.exists():
        return [str(beside), "build"]
    if found := shutil.which("kustomize"):
        return [found, "build"]
    if found := shutil.which("kubectl"):
        return [found, "kustomize"]
    return None


def render(command: list[str], directory: Path) -> str:
    done = subprocess.run([*command, str(directory)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def without_rules(text: str) -> str:
    """The documents of a rendered overlay, but for the rules of monitoring."""
    documents = text.split("\n---\n")
    return "\n---\n".join(d for d in documents if f"kind: {RULES}\n" not in d).rstrip("\n") + "\n"


@cache
def committed(overlay: str) -> tuple[Manifest, ...]:
    """The objects of an overlay. Do not change them."""
    return parse((COMMITTED / f"{overlay}.yaml").read_text())


def parse(text: str) -> tuple[Manifest, ...]:
    return tuple(yaml.safe_load_all(text))


def name_of(manifest: Manifest) -> Name:
    metadata = manifest["metadata"]
    return Name(manifest["kind"], metadata.get("namespace", ""), metadata["name"])


def of_kind(overlay: str, *kinds: str) -> dict[str, Manifest]:
    """The objects of these kinds, by name."""
    return {m["metadata"]["name"]: m for m in committed(overlay) if m["kind"] in kinds}


def pods(overlay: str) -> dict[str, Manifest]:
    """The pod templates, by the name of their Deployment."""
    return {name: made["spec"]["template"] for name, made in of_kind(overlay, "Deployment").items()}


def containers(overlay: str) -> Iterator[Container]:
    for pod, template in pods(overlay).items():
        for spec in template["spec"].get("initContainers", []):
            yield Container(pod, spec, initial=True)
        for spec in template["spec"]["containers"]:
            yield Container(pod, spec, initial=False)


def write_all() -> None:
    command = find_kustomize()
    assert command is not None, "neither kustomize nor kubectl found"
    COMMITTED.mkdir(exist_ok=True)
    for name, directory in RENDERED.items():
        (COMMITTED / f"{name}.yaml").write_text(without_rules(render(command, directory)))


def renderer_required() -> bool:
    return RENDERER_REQUIRED in os.environ


if __name__ == "__main__":
    write_all()
