"""What is wrong with a text that is not YAML, in words that help."""

import re

from yaml import YAMLError
from yaml.reader import ReaderError

from authz.policy.problems import Problems, Spot

MAX_CHARACTERS = 32 * 1024 * 1024
"""Longest accepted policy text, all files together."""


# C0 and C1 controls are no YAML (section 5.1); NEL, LS and PS end a line for a 1.1 reader (and PyYAML's C
# parser is one) and are ordinary characters for a 1.2 reader: one could hide a key from the other.
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def readable(name: str, text: str, problems: Problems) -> bool:
    if len(text) > MAX_CHARACTERS:
        problems.add(
            "too_large",
            Spot(name),
            "",
            f"the file has {len(text)} characters, at most {MAX_CHARACTERS} are read",
        )
        return False
    found = _UNREADABLE.search(text)
    if found is None:
        return True
    before = text[: found.start()]
    line_start = max(before.rfind("\n"), before.rfind("\r")) + 1
    problems.add(
        "syntax",
        Spot(name, len(lines_of(before)), found.start() - line_start + 1),
        "",
        f"the character U+{ord(found.group()):04X} cannot stand in a policy file",
        "write it as an escape in double quotes",
    )
    return False


def lines_of(text: str) -> list[str]:
    """The lines of a text as YAML counts them (YAML 1.2.2 section 5.4)."""
    return re.split("\r\n|\n|\r", text)


def syntax_problem(error: YAMLError, name: str, text: str, problems: Problems) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if isinstance(error, ReaderError) or mark is None:
        problems.add("syntax", Spot(name), "", f"not YAML: {error}")
        return
    lines = lines_of(text)
    # libyaml counts a line after the last one, where a text ends in the middle of something.
    number, column = (mark.line, mark.column) if mark.line < len(lines) else (len(lines) - 1, len(lines[-1]))
    line = lines[number]
    said = getattr(error, "problem", None) or "cannot be read"
    context = getattr(error, "context", None)
    if context:
        begun = getattr(error, "context_mark", None)
        since = f" (begun in line {begun.line + 1})" if begun is not None and begun.line != mark.line else ""
        said = f"{said} {context}{since}"
    problems.add(
        "syntax",
        Spot(name, number + 1, column + 1),
        "",
        f"not YAML: {said}",
        _syntax_help(line, column, said),
    )


def _syntax_help(line: str, column: int, said: str) -> str | None:
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "a tab cannot indent YAML: use spaces"
    if line[column : column + 1] in {"@", "`", "%"}:
        return f"quote a text that begins with `{line[column : column + 1]}`"
    if "mapping values are not allowed" in said:
        return "quote a text that has `: ` in it, and look at the indentation"
    if (
        "expected <document start>" in said
        or "expected <block end>" in said
        or "could not find expected ':'" in said
    ):
        return "look at the indentation of this line and the one above"
    return None
