"""What is wrong with a policy: every problem with its place, for people and for machines."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum


class Severity(StrEnum):
    """An error keeps the policy from being used; a warning is for the reader of `scopegate check`."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem. `line` and `column` count from 1; None where the place is the file or the whole policy.

    `code` is a stable machine word; `path` is the place in the document, such as `grants[3].to.groups`;
    `help` says what to do about it.
    """

    code: str
    message: str
    file: str
    line: int | None = None
    column: int | None = None
    path: str = ""
    help: str | None = None
    severity: Severity = Severity.ERROR

    @property
    def text(self) -> str:
        """On one line: the place, what is wrong, what to do about it."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = [place, self.path, self.message] if self.path else [place, self.message]
        return ": ".join(parts) + (f"; {self.help}" if self.help else "")


class PolicyError(Exception):
    """The policy cannot be used. `problems` are all of them, in the order of the files and lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        # As it was made, so that one can be pickled.
        super().__init__(self.problems)

    # Python 3.11 has no typing.override, hence the remark.
    def __str__(self) -> str:  # type: ignore[explicit-override]
        return "\n".join(problem.text for problem in self.problems)


def in_file_order(problems: Iterable[Problem], files: Sequence[str]) -> list[Problem]:
    """Without repetitions, sorted by place; `files` is the order in which the files were read."""
    order = {name: position for position, name in enumerate(files)}

    def place(problem: Problem) -> tuple[int, int, int]:
        return (order.get(problem.file, -1), problem.line or 0, problem.column or 0)

    return sorted(dict.fromkeys(problems), key=place)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A suggestion for a misspelt `word`: the nearest known names, else all of them if they are few."""
    names = sorted(set(known))
    near = get_close_matches(word, names, n=1, cutoff=0.6) or [
        name for name in names if name.lower() == word.lower()
    ]
    if near:
        return f"did you mean `{near[0]}`?"
    if not names:
        return None
    if len(names) <= 12:
        return f"known: {listed(names)}"
    return f"known: {listed(names[:10])} and {len(names) - 10} more"


def listed(names: Iterable[str]) -> str:
    """`a`, `b`, `c` in backticks."""
    return ", ".join(f"`{name}`" for name in names)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a policy file; `line` and `column` count from 1."""

    file: str
    line: int | None = None
    column: int | None = None


class Problems:
    """Collects problems while a policy is read, so that all are reported at once."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, code: str, spot: Spot, path: str, message: str, help: str | None = None) -> None:  # noqa: A002 - the word of the report
        self._found.append(
            Problem(
                code=code,
                message=message,
                file=spot.file,
                line=spot.line,
                column=spot.column,
                path=path,
                help=help,
            )
        )

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)
