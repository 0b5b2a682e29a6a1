"""The tables of threats, defences and tests, as values."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
TABLES = tuple(sorted(Path(__file__).parent.glob("*.yaml")))


@dataclass(frozen=True, slots=True)
class Change:
    """In `file`, the text `old` becomes `new`."""

    file: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The text without the defence. Raises ValueError if it is not there exactly once."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file}: {text.count(self.old)} times: {self.old!r}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Defence:
    """A defence, how to take it away, and the tests that must fail then."""

    threat: str
    what: str
    changes: tuple[Change, ...]
    fails: tuple[str, ...]


def defences() -> Iterator[Defence]:
    """Every defence of every table, in their order."""
    for table in TABLES:
        for entry in yaml.safe_load(table.read_text(encoding="utf-8")):
            for defence in entry["defences"]:
                changes = tuple(
                    Change(file, change["from"], change["to"])
                    for file, changed in defence["remove"].items()
                    for change in changed
                )
                yield Defence(entry["threat"], defence["what"], changes, tuple(defence["fails"]))
