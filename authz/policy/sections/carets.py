"""From a character of a value to its place in the file: values may be quoted, folded, or blocks of lines."""

import re
from collections.abc import Iterable, Iterator

from authz.policy.problems import Spot
from authz.policy.yamlvalues import Mark

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")
_BREAK = re.compile(r"[ \t]*(?:\r\n|\n|\r)(?:[ \t]*(?:\r\n|\n|\r))*[ \t]*")
_HEADER = re.compile(r"[|>][^\r\n]*(?:\r\n|\n|\r)")
_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
_NEWLINE = re.compile(r"\r\n|\n|\r")


def spot_inside(text: str, mark: Mark, value: str, line: int, column: int) -> Spot:
    """Where the character at `line` and `column` (from 1) of a scalar's `value` stands in the file.

    `text` is the whole file, `mark` the beginning of the scalar. For an alias, that is the place of the alias.
    """
    lines = value.split("\n")
    line = min(max(line, 1), len(lines))
    wanted = sum(len(before) + 1 for before in lines[: line - 1]) + min(column - 1, len(lines[line - 1]))
    at = mark.index
    found = _PROPERTIES.match(text, at)
    at = found.end() if found else at
    match text[at : at + 1]:
        case "*":
            return _spot(text, mark.index, mark.name)
        case "|" | ">":
            at = _in_block(text, at, value, wanted)
        case "'" | '"' as quote:
            at = _in_flow(text, at + 1, wanted, quote)
        case _:
            at = _in_flow(text, at, wanted, "")
    return _spot(text, at, mark.name)


def _in_flow(text: str, at: int, wanted: int, quote: str) -> int:
    """Plain and quoted scalars: walk source and value together (YAML 1.2.2 sections 7.3 and 6.5)."""
    position = 0
    while position < wanted and at < len(text):
        broken = _BREAK.match(text, at)
        if broken is not None:
            at, position = broken.end(), position + max(1, len(_NEWLINE.findall(broken.group())) - 1)
        elif quote == "'" and text.startswith("''", at):
            at, position = at + 2, position + 1
        elif quote == '"' and text[at] == "\\":
            if re.match(r"\\(?:\r\n|\n|\r)", text[at : at + 3]):
                at += 1 + len(_BREAK.match(text, at + 1).group())  # type: ignore[union-attr]  # it has just matched
                continue
            escape = _ESCAPE.match(text, at)
            at, position = (escape.end() if escape else at + 1), position + 1
        else:
            at, position = at + 1, position + 1
    return at


def _in_block(text: str, at: int, value: str, wanted: int) -> int:
    """Literal and folded blocks (YAML 1.2.2 section 8.1): walk line by line, without each line's indentation."""
    header = _HEADER.match(text, at)
    if header is None:
        return at
    lines = list(_lines(text, header.end()))
    indent = _indent(lines, value)
    position = len(value) - len(value.lstrip("\n"))
    found = header.end()
    for start, line in lines:
        content = line[indent:]
        if not content:
            continue
        found = start + indent + min(max(wanted - position, 0), len(content))
        position += len(content)
        if wanted < position:
            break
        # What joins it to the next line: a space where it was folded, else breaks (the empty lines among them).
        if value[position : position + 1] == " ":
            position += 1
        while value[position : position + 1] == "\n":
            position += 1
    return found


def _lines(text: str, at: int) -> Iterator[tuple[int, str]]:
    while at < len(text):
        broken = _NEWLINE.search(text, at)
        end = broken.start() if broken is not None else len(text)
        yield at, text[at:end]
        at = broken.end() if broken is not None else len(text)


def _indent(lines: Iterable[tuple[int, str]], value: str) -> int:
    """The indentation of the first line with something in it, less the spaces that belong to the value."""
    inner = value.lstrip("\n")
    own = len(inner) - len(inner.lstrip(" "))
    return next((len(line) - len(line.lstrip(" ")) - own for _, line in lines if line.strip()), 0)


def _spot(text: str, at: int, name: str) -> Spot:
    before = text[:at]
    start = max(before.rfind("\n"), before.rfind("\r")) + 1
    return Spot(name, len(_NEWLINE.findall(before)) + 1, at - start + 1)
