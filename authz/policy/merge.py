"""Several files become one document: mappings are merged, lists appended, nothing is overwritten."""

from collections.abc import Sequence
from typing import Any

from authz.policy.problems import Problems, Spot
from authz.policy.sections.units import shown
from authz.policy.yamlsyntax import MAX_CHARACTERS
from authz.policy.yamltext import read_yaml
from authz.policy.yamlvalues import Mark, SourceText, YamlList, YamlMap, spot_of

_LISTS = ("grants", "restrictions", "denies")


def read_sources(sources: Sequence[SourceText], problems: Problems) -> YamlMap | None:
    """The one document of all files; None after a problem that leaves a file unread, or if there is nothing."""
    if sum(len(source.text) for source in sources) > MAX_CHARACTERS:
        problems.add(
            "too_large",
            Spot(sources[0].name),
            "",
            f"more than {MAX_CHARACTERS} characters, all files together",
        )
        return None
    roots: list[YamlMap] = []
    complete = True
    for source in sources:
        before = len(problems)
        root = read_yaml(source, problems)
        if isinstance(root, YamlMap):
            roots.append(root)
        elif root is not None:
            problems.add(
                "wrong_type",
                Spot(source.name, 1, 1),
                "",
                f"got {shown(root)}, expected a mapping",
                "begin with `version: 1`",
            )
        complete = complete and (root is not None or len(problems) == before)
    if not roots and complete and not len(problems):
        name = sources[0].name if sources else "the policy"
        problems.add("empty", Spot(name), "", "the policy is empty", "begin with `version: 1`")
    if not roots or not complete:
        return None
    return roots[0] if len(roots) == 1 else _merged(roots, problems)


def _merged(roots: Sequence[YamlMap], problems: Problems) -> YamlMap:
    whole = YamlMap()
    whole.mark = roots[0].mark
    whole.marks = {}
    for root in roots:
        for section, value in root.items():
            marks = root.marks[section]
            if section not in whole:
                whole[section] = _copy(value)
                whole.marks[section] = marks
            else:
                _merge(whole, section, value, marks, problems)
    return whole


def _copy(value: Any) -> Any:
    """Containers are copied, because what they are merged into may be an alias of something else."""
    if isinstance(value, YamlMap):
        copy = YamlMap(value)
        copy.mark, copy.marks = value.mark, dict(value.marks)
        return copy
    if isinstance(value, YamlList):
        items = YamlList(value)
        items.mark, items.marks = value.mark, list(value.marks)
        return items
    return value


def _merge(whole: YamlMap, section: str, value: Any, marks: tuple[Mark, Mark], problems: Problems) -> None:
    known = whole[section]
    first = spot_of(whole.marks[section][0])
    if isinstance(known, YamlMap) and isinstance(value, YamlMap):
        for key, inner in value.items():
            if key in known:
                there = spot_of(known.marks[key][0])
                problems.add(
                    "duplicate_key",
                    spot_of(value.marks[key][0]),
                    section,
                    f"`{key}` is defined twice",
                    f"the first is in {there.file}:{there.line}",
                )
            else:
                known[key] = inner
                known.marks[key] = value.marks[key]
    elif isinstance(known, YamlList) and isinstance(value, YamlList):
        known.extend(value)
        known.marks.extend(value.marks)
    elif isinstance(known, YamlMap | YamlList) or isinstance(value, YamlMap | YamlList):
        kind = "a list" if section in _LISTS else "a mapping"
        problems.add(
            "wrong_type",
            spot_of(marks[1]),
            section,
            f"got {shown(value)}, where {first.file}:{first.line} has {shown(known)}",
            f"`{section}` is {kind}",
        )
    elif known != value or type(known) is not type(value):
        problems.add(
            "conflict",
            spot_of(marks[1]),
            section,
            f"got {shown(value)}, where {first.file}:{first.line} has {shown(known)}",
        )
