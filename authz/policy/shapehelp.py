"""What to do about a value of the wrong shape: how its place would want it written."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from authz.policy.fields import DIMENSION_PATTERN, RULE_ID_PATTERN
from authz.policy.report import Path


def missing_help(path: Path, name: str) -> str | None:
    match path, name:
        case (), "version":
            return "write `version: 1`"
        case ("grants", int()), "scope":
            return "a grant names every dimension, with values or with the word `all`"
        case ("grants", int()), "on":
            return "name the warehouses, or write `on: all`"
        case (_, int()), "id":
            return "give the rule a name; answers and the audit trail show it"
        case ("issuers", str()), "audiences":
            return "name the `aud` of the tokens that are meant for the warehouses"
        case _:
            return None


def _text_help(_: Path, raw: Any) -> str | None:
    if isinstance(raw, bool):
        return f"quote it: `'{str(raw).lower()}'`"
    if isinstance(raw, int | float | Decimal):
        return f"quote it: `'{raw}'`"
    if isinstance(raw, list) and len(raw) == 1 and isinstance(raw[0], str):
        return f"write `{raw[0]}` without brackets"
    return None


def _list_help(_: Path, raw: Any) -> str | None:
    if isinstance(raw, str) and "," in raw:
        return f"write `[{', '.join(part.strip() for part in raw.split(','))}]`"
    if isinstance(raw, str | int | Decimal) and not isinstance(raw, bool):
        return f"write `[{raw}]`"
    if raw is None:
        return "leave the key out"
    return "write its items as a list" if isinstance(raw, dict) else None


def _mapping_help(path: Path, raw: Any) -> str | None:
    if raw is None:
        return "leave the key out"
    if path[:1] == ("dimensions",) and len(path) == 2 and isinstance(raw, str):
        return f"write `{path[1]}: {{type: {raw}}}`"
    if path[-1:] == ("routes",) or path[-2:-1] == ("routes",):
        return f"write `{{prefix: {raw}}}`" if isinstance(raw, str) else None
    if path[-1:] == ("cache",) and isinstance(raw, str) and raw[:1].isdigit():
        return f"write `{{ttl: {raw}}}`"
    if path[-1:] == ("limits",) and isinstance(raw, str):
        return f"write `{{per_principal: {raw}}}`"
    if path[-1:] == ("labels",) and isinstance(raw, list):
        return "write a label for each column, such as `{customer_email: pii}`"
    if path[-1:] == ("claims",) and isinstance(raw, list):
        return "write a type for each claim, such as `{department: string}`"
    if isinstance(raw, list) and len(path) == 1:
        return "give each item a name and write a mapping"
    return None


def _boolean_help(_: Path, raw: Any) -> str | None:
    if isinstance(raw, str) and raw.lower() in {"yes", "on", "y"}:
        return "YAML 1.2 writes `true`"
    if isinstance(raw, str) and raw.lower() in {"no", "off", "n"}:
        return "YAML 1.2 writes `false`"
    return None


def _no_help(_: Path, __: Any) -> None:
    return None


def lowered(raw: Any, pattern: str) -> str | None:
    if pattern == RULE_ID_PATTERN or not isinstance(raw, str):
        return None
    better = raw.lower().replace(" ", "_").replace(".", "_")
    if pattern == DIMENSION_PATTERN:
        better = better.replace("-", "_")
    return (
        f"did you mean `{better}`?" if better != raw and better.isascii() and better[:1].isalpha() else None
    )


def empty_help(path: Path) -> str | None:
    match path[-1:]:
        case ("on",):
            return "a rule for no warehouse does nothing: name some, or write `all`"
        case ("audiences",):
            return "a token that is meant for nobody in particular must not be taken"
        case ("issuers" | "certificates" | "hosts" | "clear" | "hide",):
            return "leave the key out"
        case _:
            return None


WRONG_TYPES: Mapping[str, tuple[str, Callable[[Path, Any], str | None]]] = {
    "string_type": ("text", _text_help),
    "list_type": ("a list", _list_help),
    "dict_type": ("a mapping", _mapping_help),
    "model_type": ("a mapping", _mapping_help),
    "bool_type": ("`true` or `false`", _boolean_help),
    "int_type": ("a whole number", _no_help),
}
