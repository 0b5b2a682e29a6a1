"""Pydantic's findings in our words: what was got, what is expected, what to do about it."""

from collections.abc import Mapping
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from authz.policy.document import Document
from authz.policy.fields import DIMENSION_PATTERN, NAME_PATTERN, RULE_ID_PATTERN, Part
from authz.policy.problems import did_you_mean, listed
from authz.policy.report import Path, Report
from authz.policy.sections.units import WrongError, shown
from authz.policy.shapehelp import WRONG_TYPES, empty_help, lowered, missing_help
from authz.policy.yamlvalues import YamlList, YamlMap

_NAMES = {
    NAME_PATTERN: "a name of lower-case letters, digits, `-` and `_` that begins with a letter, at most 63 long",
    DIMENSION_PATTERN: "a name of lower-case letters, digits and `_` that begins with a letter, at most 63 long",
    RULE_ID_PATTERN: "an id of letters, digits, `.`, `-` and `_`, at most 128 long",
}

# What people write who know another tool, and keys that belong elsewhere.
_HINTS = {
    ("RestrictionPart", "clear"): "a restriction narrows; `clear` belongs to grants",
    ("DenyPart", "scope"): "a deny ends it; narrowing belongs to `restrictions`",
    ("DenyPart", "hide"): "a deny ends it; narrowing belongs to `restrictions`",
    ("DenyPart", "mask"): "a deny ends it; narrowing belongs to `restrictions`",
    ("RestrictionPart", "valid"): "only grants end by themselves; use `when` with `request.time`",
    ("DenyPart", "valid"): "only grants end by themselves; use `when` with `request.time`",
    ("IssuerPart", "audience"): "did you mean `audiences`, a list?",
    ("IssuerPart", "secret"): "keys are asymmetric: there is nothing secret to configure",
    ("WarehousePart", "ttl"): "write `cache: {ttl: …}`",
    ("WarehousePart", "per_principal"): "write `limits: {per_principal: …}`",
}


def report_shape(error: ValidationError, report: Report) -> None:
    """Add every finding of pydantic to the report."""
    for found in error.errors(include_url=False):
        path = _path(found, report.root)
        code, message, help_text = _words(found, path)
        at_key = found["type"] == "extra_forbidden" or found["loc"][-1:] == ("[key]",)
        report.add(code, path, message, help_text, key=at_key)


def _path(found: ErrorDetails, root: YamlMap) -> Path:
    """Pydantic's place without its own additions (`[key]`, the names of alternatives)."""
    path: list[str | int] = []
    here: Any = root
    last = len(found["loc"]) - 1
    for number, step in enumerate(found["loc"]):
        inside = (isinstance(here, YamlMap) and step in here) or (
            isinstance(here, YamlList) and isinstance(step, int) and step < len(here)
        )
        if inside:
            here = here[step]
            path.append(step)
        elif number == last and found["type"] == "missing":
            pass  # what is missing is missing in the thing around it
    return tuple(path)


_Words = tuple[str, str, str | None]
"""Code, message and help."""


def _words(found: ErrorDetails, path: Path) -> _Words:
    kind, raw, context = found["type"], found["input"], found.get("ctx", {})
    if kind in WRONG_TYPES:
        expected, help_of = WRONG_TYPES[kind]
        return "wrong_type", f"got {shown(raw)}, expected {expected}", help_of(path, raw)
    match kind:
        case "missing":
            name = str(found["loc"][-1])
            return "missing", f"`{name}` is missing", missing_help(path, name)
        case "extra_forbidden":
            return _unknown_key(found)
        case "value_error":
            wrong = context["error"]
            return "value", str(wrong), wrong.help if isinstance(wrong, WrongError) else None
        case "literal_error":
            return _choice(raw, context["expected"], path)
        case _:
            return _bad_value(kind, raw, context, path) or _unforeseen(found)


def _bad_value(kind: str, raw: Any, context: Mapping[str, Any], path: Path) -> _Words | None:
    match kind:
        case "greater_than_equal":
            return "value", f"got {shown(raw)}, expected at least {context['ge']}", None
        case "less_than_equal":
            return "value", f"got {shown(raw)}, expected at most {context['le']}", None
        case "string_pattern_mismatch":
            expected = _NAMES.get(context["pattern"], f"text like {context['pattern']}")
            return "value", f"got {shown(raw)}, expected {expected}", lowered(raw, context["pattern"])
        case "string_too_short" | "too_short":
            what = "list" if isinstance(raw, list) else "mapping" if isinstance(raw, dict) else "text"
            return "empty", f"the {what} is empty", empty_help(path)
        case "string_too_long":
            return "value", f"got {shown(raw)}, at most {context['max_length']} characters are allowed", None
        case _:
            return None


def _unforeseen(found: ErrorDetails) -> _Words:
    said = found["msg"]
    return "value", f"got {shown(found['input'])}: {said[:1].lower()}{said[1:]}", None


def _choice(raw: Any, expected: str, path: Path) -> tuple[str, str, str | None]:
    words = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    if path == ("version",):
        return "value", f"got {shown(raw)}, expected the number `1`", None
    if path[-2:-1] == ("algorithms",) and str(raw).upper().startswith(("HS", "NONE")):
        return "value", f"got {shown(raw)}, expected one of {listed(words)}", "keys are asymmetric, always"
    near = did_you_mean(raw, words) if isinstance(raw, str) else None
    help_text = near if near is not None and near.startswith("did") else None
    return "value", f"got {shown(raw)}, expected one of {listed(words)}", help_text


def _unknown_key(found: ErrorDetails) -> tuple[str, str, str | None]:
    key = str(found["loc"][-1])
    model = _model_at(found["loc"][:-1])
    hint = _HINTS.get((model.__name__, key))
    known = [field.alias or name for name, field in model.model_fields.items()]
    return "unknown_key", f"unknown key `{key}`", hint or did_you_mean(key, known)


def _model_at(location: tuple[str | int, ...]) -> type[BaseModel]:
    """The part that a place of pydantic's lies in, found by walking the types."""
    model: type[BaseModel] = Document
    steps = iter(location)
    for step in steps:
        field = _fields(model).get(str(step))
        if field is None:
            continue
        annotation = model.model_fields[field].annotation
        if get_origin(annotation) is dict:
            next(steps, None)  # a name of the policy's own, which may be spelled like a key of ours
        model = _part_of(annotation) or model
    return model


def _fields(model: type[BaseModel]) -> dict[str, str]:
    return {field.alias or name: name for name, field in model.model_fields.items()}


def _part_of(annotation: Any) -> type[BaseModel] | None:
    """The part somewhere inside a type such as `dict[Name, IssuerPart]`."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _part_of(inner)
        if found is not None:
            return found
    return None
