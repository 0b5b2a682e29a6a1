"""A pod of the manifests as processes of this machine, started and ended in the order that kubelet keeps.

Commands, arguments, environment, mounts and probes are the manifests' own. Mounted directories become temporary
ones, ports free ones on loopback, and names inside the cluster addresses of counterparts, by replacing text.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import yaml

from authz.edge.binary import find_envoy
from tests.envoy_process import end_process, wait_until
from tests.kubernetes.manifests import Container, Manifest, containers, of_kind, pods
from tests.ports import free_port

STARTED_SECONDS = 60.0
_NOTICE = re.compile(r"--notice-seconds=[0-9]+")


def mount_like_kubelet(directory: Path, files: Mapping[str, str]) -> None:
    """Put `files` into a volume, at first or in place of others: all of them by one swap of one link.

    https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/atomic_writer.go
    """
    link = directory / "..data"
    before = link.resolve() if link.is_symlink() else None
    fresh = directory / f"..{time.time_ns()}"
    fresh.mkdir()
    for name, text in files.items():
        (fresh / name).write_text(text)
    (directory / "..data_tmp").symlink_to(fresh.name)
    (directory / "..data_tmp").replace(link)
    for name in files:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")
    for file in directory.iterdir():
        if not file.name.startswith("..") and file.name not in files:
            file.unlink()
    if before is not None:
        for file in before.iterdir():
            file.unlink()
        before.rmdir()


@dataclass(slots=True)
class LocalPod:
    """The pod `name` of an overlay, below `directory`. `counterparts` maps `host:port` inside the cluster to here."""

    overlay: str
    name: str
    directory: Path
    counterparts: Mapping[str, str]
    notice_seconds: int = 1
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for volume in self.template["spec"]["volumes"]:
            self.volume(volume["name"]).mkdir()

    @property
    def template(self) -> Manifest:
        return pods(self.overlay)[self.name]

    @property
    def containers(self) -> list[Container]:
        return [container for container in containers(self.overlay) if container.pod == self.name]

    def volume(self, name: str) -> Path:
        return self.directory / name

    def configmaps(self, volume: str) -> dict[str, str]:
        """What the ConfigMaps of a projected volume hold, in places of this machine."""
        (found,) = (v for v in self.template["spec"]["volumes"] if v["name"] == volume)
        objects = of_kind(self.overlay, "ConfigMap")
        sources = [source["configMap"]["name"] for source in found["projected"]["sources"]]
        return {
            file: self.text(text) for name in sources for file, text in sorted(objects[name]["data"].items())
        }

    def port(self, port: str) -> int:
        if port not in self.ports:
            self.ports[port] = free_port()
        return self.ports[port]

    def text(self, text: str) -> str:
        """What a manifest says, in places of this machine."""
        for inside, here in self.counterparts.items():
            text = text.replace(inside, here)
        text = re.sub(r"0\.0\.0\.0:([0-9]+)", lambda found: f"127.0.0.1:{self.port(found[1])}", text)
        text = _NOTICE.sub(f"--notice-seconds={self.notice_seconds}", text)
        places = {
            mount["mountPath"]: mount["name"] for c in self.containers for mount in c.spec["volumeMounts"]
        }
        for place in sorted(places, key=len, reverse=True):
            text = re.sub(rf"(?<![\w/]){re.escape(place)}(?![\w-])", str(self.volume(places[place])), text)
        return text

    def command(self, container: Container) -> list[str]:
        words = [
            self.text(word) for word in (*container.spec.get("command", []), *container.spec.get("args", []))
        ]
        if container.name == "envoy":
            assert words[0] == "envoy"
            return [str(find_envoy()), *words[1:], "--file-flush-interval-msec", "50"]
        # The image's entry point is our command.
        return [str(Path(sys.executable).with_name("scopegate")), *words]

    def __enter__(self) -> Self:
        try:
            for container in self.containers:
                self.start(container)
            wait_until(self.ready, f"{self.name} is ready", STARTED_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes.values()):
            end_process(process)

    def start(self, container: Container) -> None:
        """Start one container, and wait for what kubelet waits for before it starts the next one."""
        if not container.goes_on:
            done = subprocess.run(
                self.command(container), capture_output=True, text=True, check=False, timeout=STARTED_SECONDS
            )
            assert done.returncode == 0, done.stderr
            return
        with self._log(container.name).open("wb") as log:
            self.processes[container.name] = self._spawn(container, log)
        if container.initial:
            # kubelet starts the next one when this one's startup probe has succeeded.
            wait_until(
                lambda: self.probe(container, "startupProbe"),
                f"{container.name} has started",
                STARTED_SECONDS,
            )

    def _spawn(self, container: Container, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        told = {entry["name"]: entry["value"] for entry in container.spec.get("env", [])}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SCOPEGATE_")}
        return subprocess.Popen(self.command(container), stdout=log, stderr=log, env={**kept, **told})

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def log(self, name: str) -> str:
        return self._log(name).read_text(errors="replace")

    def probe(self, container: Container, key: str) -> bool:
        """One probe, as kubelet asks it. Fails if the container has ended."""
        status = self.processes[container.name].poll()
        assert status is None, f"{container.name} ended with {status}:\n{self.log(container.name)}"
        http = container.spec[key]["httpGet"]
        try:
            return self.get(container.ports[http["port"]], http["path"])[0] == 200
        except OSError:
            return False

    def get(self, port: int, path: str, method: str = "GET") -> tuple[int, str]:
        """Ask a port of the pod by HTTP."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port(str(port))}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def ready(self) -> bool:
        """Whether every container that can be asked says so."""
        return all(self.probe(c, "readinessProbe") for c in self.containers if "readinessProbe" in c.spec)

    def terminate(self) -> dict[str, int]:
        """End the pod as kubelet does; the exit statuses, in the order of the ends.

        Containers at once: for each its preStop hook, then SIGTERM. Then the sidecars, the last one first.
        """
        began = time.monotonic()
        statuses: dict[str, int] = {}
        mains = [container for container in self.containers if not container.initial]
        enders = [threading.Thread(target=self._end, args=(container, statuses)) for container in mains]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()
        for container in reversed([c for c in self.containers if c.initial and c.goes_on]):
            self._end(container, statuses)
        assert time.monotonic() - began < self.template["spec"]["terminationGracePeriodSeconds"]
        return statuses

    def _end(self, container: Container, statuses: dict[str, int]) -> None:
        hook: Sequence[str] = (
            container.spec.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
        )
        if hook:
            subprocess.run([self.text(word) for word in hook], check=True, timeout=STARTED_SECONDS)
        process = self.processes[container.name]
        process.send_signal(signal.SIGTERM)
        statuses[container.name] = process.wait(STARTED_SECONDS)


def with_keys(environment: str, keys: Path) -> str:
    """The environment's part of the policy, with its issuers' keys in a file: there is no internet here."""
    document: dict[str, Any] = yaml.safe_load(environment)
    for issuer in document["issuers"].values():
        issuer["jwks_file"] = str(keys)
    return yaml.safe_dump(document)


@contextlib.contextmanager
def in_background(work: Sequence[threading.Thread]) -> Iterator[None]:
    """Started, and waited for at the end."""
    for thread in work:
        thread.start()
    try:
        yield
    finally:
        for thread in work:
            thread.join(STARTED_SECONDS)
