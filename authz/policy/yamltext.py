"""YAML 1.2 text becomes plain values that know where they stand.

PyYAML's C parser gives events; the resolution of scalars is our own, because PyYAML's is that of
YAML 1.1, where `NO` is false and `on` is a key called true (YAML 1.2.2 section 10.3.2, core schema).
What two YAML readers could understand differently is refused: duplicate keys, merge keys, tags,
several documents, line breaks that only YAML 1.1 knows. Keys are text as written.
"""

from io import StringIO
from typing import Any, NamedTuple, NoReturn

from yaml import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    YAMLError,
    cyaml,
)

from authz.policy.problems import Problems
from authz.policy.yamlsyntax import readable, syntax_problem
from authz.policy.yamlvalues import (
    MAX_NUMBER_CHARACTERS,
    NUMBER,
    RESOLVED_FIRST,
    WORDS,
    Mark,
    SourceText,
    YamlList,
    YamlMap,
    number,
    spot_of,
)

MAX_DEPTH = 40
"""Deepest accepted nesting; a policy needs seven."""
MAX_NODES = 3_000_000
"""Most values of one file, aliases counted as often as they are used (an alias bomb is small as text)."""


class Unreadable(Exception):  # noqa: N818 - it ends the reading of one file; the problem has been recorded
    """The rest of this file cannot be read."""


def read_yaml(source: SourceText, problems: Problems) -> Any:
    """The document of one file: YamlMap, YamlList, str, int, Decimal, float (not finite), bool or None.

    Adds every problem found to `problems`. A file that cannot be read to its end gives None, as an empty one does.
    """
    text = source.text.removeprefix("\ufeff")
    if not readable(source.name, text, problems):
        return None
    try:
        return _Reader(source.name, text, problems).document()
    except Unreadable:
        return None
    except YAMLError as error:
        syntax_problem(error, source.name, text, problems)
        return None


class _Named(StringIO):
    def __init__(self, name: str, text: str) -> None:
        super().__init__(text, newline="")
        self.name = name


class _Anchored(NamedTuple):
    value: Any
    nodes: int
    height: int


class _Reader:
    """Reads the events of one file; recursion is bounded by `MAX_DEPTH`."""

    def __init__(self, name: str, text: str, problems: Problems) -> None:
        self._next: Any = cyaml.CParser(_Named(name, text)).get_event  # type: ignore[attr-defined]  # not in the stubs
        self._name = name
        self._problems = problems
        self._anchors: dict[str, _Anchored | None] = {}
        self._nodes = 0
        self._deepest = 0

    def document(self) -> Any:
        self._next()  # the stream's start
        start = self._next()
        if isinstance(start, StreamEndEvent):
            return None
        value = self._value(self._next(), 0)
        end = self._next()
        extra = self._next()
        if isinstance(extra, DocumentStartEvent):
            self._stop(
                extra, "syntax", "a second YAML document begins here", "write one document in each file"
            )
        if start.explicit and not end.explicit:
            self._stop(
                start,
                "syntax",
                "the document begins with `---` and does not end with `...`",
                "is it written to its end? so framed, the first half of a file is never taken for all of it",
            )
        return value

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(event, "too_large", f"more than {MAX_NODES} values, repeated ones counted")
        if kind is ScalarEvent:
            value = self._scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = _Anchored(value, 1, 0)
            return value
        if kind is AliasEvent:
            return self._alias(event, depth)
        if depth >= MAX_DEPTH:
            self._stop(event, "too_deep", f"nested more than {MAX_DEPTH} levels deep")
        return self._collection(event, depth)

    def _collection(self, event: Any, depth: int) -> Any:
        if event.tag is not None:
            self._refuse_tag(event)
        anchor = event.anchor
        nodes_before, deepest_before = self._nodes, self._deepest
        self._deepest = depth
        if anchor is not None:
            self._anchors[anchor] = None
        read = self._map if type(event) is MappingStartEvent else self._list
        value = read(event, depth + 1)
        if anchor is not None:
            self._anchors[anchor] = _Anchored(
                value, self._nodes - nodes_before + 1, self._deepest - depth + 1
            )
        self._deepest = max(self._deepest, deepest_before)
        return value

    def _list(self, start: Any, depth: int) -> YamlList:
        result = YamlList()
        result.mark = start.start_mark
        marks: list[Mark] = []
        result.marks = marks
        while type(event := self._next()) is not SequenceEndEvent:
            marks.append(event.start_mark)
            result.append(self._value(event, depth))
        return result

    def _map(self, start: Any, depth: int) -> YamlMap:
        result = YamlMap()
        result.mark = start.start_mark
        marks: dict[str, tuple[Mark, Mark]] = {}
        result.marks = marks
        while type(event := self._next()) is not MappingEndEvent:
            key = self._key(event, depth)
            after = self._next()
            value = self._value(after, depth)
            if key is None:
                continue
            if key in marks:
                self._problem(
                    event,
                    "duplicate_key",
                    f"the key `{key}` stands twice in this mapping",
                    f"the first is in line {marks[key][0].line + 1}",
                )
                continue
            marks[key] = (event.start_mark, after.start_mark)
            result[key] = value
        return result

    def _key(self, event: Any, depth: int) -> str | None:
        """The text of a key, or None after a problem."""
        if type(event) is not ScalarEvent:
            self._problem(
                event, "key_not_text", "a key must be text", "quote it if it begins with `*`, `[` or `{`"
            )
            self._value(event, depth)
            return None
        if event.tag is not None:
            self._refuse_tag(event)
        key: str = event.value
        if key == "<<" and event.implicit[0]:
            self._problem(
                event,
                "merge_key",
                "merge keys (`<<`) are not part of YAML 1.2",
                "write the keys out, or use an alias for a whole value",
            )
            return None
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(key, 1, 0)
        return key

    def _scalar(self, event: Any) -> Any:
        if event.tag is not None:
            self._refuse_tag(event)
        value = event.value
        if event.implicit[0] and (not value or value[0] in RESOLVED_FIRST):
            return self._resolve(event, value)
        return value

    def _resolve(self, event: Any, text: str) -> Any:
        if text in WORDS:
            return WORDS[text]
        if not NUMBER.match(text):
            return text
        if len(text) > MAX_NUMBER_CHARACTERS:
            self._problem(event, "value", f"a number of {len(text)} characters", "quote it if it is text")
            return None
        return number(text)

    def _alias(self, event: Any, depth: int) -> Any:
        if event.anchor not in self._anchors:
            self._stop(
                event,
                "syntax",
                f"the alias `*{event.anchor}` has no anchor before it",
                "quote a text that begins with `*`",
            )
        known = self._anchors[event.anchor]
        if known is None:
            self._stop(event, "syntax", f"the alias `*{event.anchor}` stands inside its own anchor")
        # Counted before it is used, because the values that follow share it: an alias bomb costs nothing to build,
        # and a chain of aliases is as deep as it is long.
        self._nodes += known.nodes - 1
        if self._nodes > MAX_NODES:
            self._stop(event, "too_large", f"more than {MAX_NODES} values, repeated ones counted")
        self._deepest = max(self._deepest, depth + known.height - 1)
        if self._deepest > MAX_DEPTH:
            self._stop(event, "too_deep", f"nested more than {MAX_DEPTH} levels deep")
        return known.value

    def _refuse_tag(self, event: Any) -> None:
        self._problem(
            event,
            "tag",
            f"the tag `{event.tag}` is not understood",
            "policy files have no tags; quote a value that is text",
        )

    def _problem(self, event: Any, code: str, message: str, help_text: str | None = None) -> None:
        self._problems.add(code, spot_of(event.start_mark), "", message, help_text)

    def _stop(self, event: Any, code: str, message: str, help_text: str | None = None) -> NoReturn:
        self._problem(event, code, message, help_text)
        raise Unreadable
