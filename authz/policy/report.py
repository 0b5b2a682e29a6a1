"""Problems with their places: a path into the document becomes a file, a line and a column."""

import re
from collections.abc import Sequence
from typing import Any

from authz.policy.policyset import Place
from authz.policy.problems import Problems, Spot, did_you_mean
from authz.policy.yamlvalues import Mark, YamlList, YamlMap, spot_of

Path = tuple[str | int, ...]
"""Keys and indexes from the top of the document."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+\Z", re.ASCII)


def path_text(path: Sequence[str | int]) -> str:
    """`grants[3].to.groups`; keys that are no plain words stand in quotes."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            word = step if _PLAIN_KEY.match(step) else f'"{step}"'
            parts.append(f".{word}" if parts else word)
    return "".join(parts)


class Report:
    """The problems of one document, added by path."""

    def __init__(self, root: YamlMap, problems: Problems) -> None:
        self.root = root
        self.problems = problems

    def mark(self, path: Path, *, key: bool = False) -> Mark:
        """Where a value stands (or its key); where the nearest thing around it stands, if it is not there."""
        here: Any = self.root
        mark = self.root.mark
        for number, step in enumerate(path):
            if isinstance(here, YamlMap) and isinstance(step, str) and step in here.marks:
                mark = here.marks[step][0 if key and number == len(path) - 1 else 1]
            elif isinstance(here, YamlList) and isinstance(step, int) and 0 <= step < len(here):
                mark = here.marks[step]
            else:
                break
            here = here[step]
        return mark

    def spot(self, path: Path, *, key: bool = False) -> Spot:
        return spot_of(self.mark(path, key=key))

    def place(self, path: Path) -> Place:
        """For what is built: the line of the key, or of the item of a list."""
        spot = self.spot(path, key=True)
        return Place(spot.file, spot.line or 1, path_text(path))

    def add(  # noqa: PLR0913 - the parts of a problem
        self,
        code: str,
        path: Path,
        message: str,
        help: str | None = None,  # noqa: A002 - the word of the report
        *,
        key: bool = False,
        spot: Spot | None = None,
    ) -> None:
        self.problems.add(code, spot or self.spot(path, key=key), path_text(path), message, help)

    def unknown(self, path: Path, kind: str, word: str, known: Sequence[str], *, key: bool = False) -> None:
        """A name that nothing in the policy has."""
        self.add(
            "unknown_name",
            path,
            f"unknown {kind} `{word}`",
            did_you_mean(word, known) or f"no {kind} is configured",
            key=key,
        )
