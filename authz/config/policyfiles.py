"""Finding and reading policy files.

A policy is one file, or the files `*.yaml` and `*.yml` of one directory (not of those below it), in the order of
their names. Names that begin with a dot are skipped: editors' backups, and what kubelet keeps beside a ConfigMap.
"""

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from authz.policy.problems import PolicyError, Problem
from authz.policy.yamlsyntax import MAX_CHARACTERS
from authz.policy.yamlvalues import SourceText
from authz.wholefile import read_whole

SUFFIXES: Final = frozenset({".yaml", ".yml"})
MAX_FILES: Final = 10_000
MAX_BYTES: Final = MAX_CHARACTERS
"""Largest accepted policy, all files together."""

_KUBELET_LINK: Final = "..data"
_READS: Final = 3


class PolicyUnreadableError(PolicyError):
    """There is no policy to ask about: no such file, no permission, not text.

    `passing` says that it could not be read this time (no descriptor left, a disk that errs, a change meanwhile), and
    that nothing about the files need change until it can.
    """

    def __init__(self, problems: Iterable[Problem], *, passing: bool = False) -> None:
        super().__init__(problems)
        self.passing = passing


def read_policy_files(path: Path) -> tuple[SourceText, ...]:
    """The texts of a policy. Names in messages are as `path` was given; file names in it start from its directory.

    Raises `PolicyUnreadableError` with a problem for each file that cannot be read.
    """
    for _ in range(_READS):
        link = _kubelet_link(path)
        sources = _read_all(path)
        # kubelet swaps one link for all files of a ConfigMap: half of an old policy and half of a new one is none.
        if _kubelet_link(path) == link:
            return sources
    raise _unreadable(path, "the files change while they are read", passing=True)


def _read_all(path: Path) -> tuple[SourceText, ...]:
    sources: list[SourceText] = []
    problems: list[Problem] = []
    passing = False
    left = MAX_BYTES
    for file in _find(path):
        try:
            text, size = _read(file, left)
        except PolicyUnreadableError as error:
            problems.extend(error.problems)
            passing = passing or error.passing
            continue
        left -= size
        sources.append(SourceText(str(file), text, base=str(file.parent)))
    if problems:
        raise PolicyUnreadableError(problems, passing=passing)
    return tuple(sources)


def _find(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        children = sorted(path.iterdir())
    except (OSError, ValueError) as error:
        raise _failed(path, error) from None
    files = [
        child
        for child in children
        if child.suffix in SUFFIXES and not child.name.startswith(".") and not child.is_dir()
    ]
    if not files:
        raise _unreadable(path, "no `*.yaml` or `*.yml` file in this directory")
    if len(files) > MAX_FILES:
        raise _unreadable(path, f"{len(files)} policy files, at most {MAX_FILES} are read")
    return files


def _read(file: Path, limit: int) -> tuple[str, int]:
    try:
        # A pipe or a device could block for ever, or never end.
        if not stat.S_ISREG(file.stat().st_mode):
            raise _unreadable(file, "not a regular file")
        with file.open("rb") as opened:
            data = read_whole(opened, limit + 1)
    except (OSError, ValueError) as error:
        raise _failed(file, error) from None
    if len(data) > limit:
        raise _unreadable(file, f"the policy is larger than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8-sig"), len(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyUnreadableError(
            [
                Problem(
                    code="encoding",
                    file=str(file),
                    line=line,
                    message=f"not UTF-8: the byte 0x{data[error.start]:02x}",
                    help="save the file as UTF-8",
                )
            ]
        ) from None


def _kubelet_link(path: Path) -> str | None:
    try:
        return str((path / _KUBELET_LINK).readlink())
    except (OSError, ValueError):
        return None


def _failed(path: Path, error: OSError | ValueError) -> PolicyUnreadableError:
    if isinstance(error, OSError):
        return _unreadable(path, (error.strerror or "cannot be read").lower(), passing=True)
    return _unreadable(path, "not a file name")


def _unreadable(path: Path, message: str, *, passing: bool = False) -> PolicyUnreadableError:
    problem = Problem(code="unreadable", file=str(path), message=message)
    return PolicyUnreadableError([problem], passing=passing)
