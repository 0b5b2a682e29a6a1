"""Tables of every key of the policy file, made from its types: docs/policy.md holds them between markers."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from authz.policy.document import Document
from authz.policy.fields import TERM_SCHEMA, Part
from authz.policy.schema import default_of, json_schema, keys, parts
from authz.policy.sections.units import DURATION_PATTERN, RATE_PATTERN

BEGIN, END = "<!-- table of `{name}`, made from the types -->", "<!-- end of table -->"

SECTIONS: Mapping[str, str] = {
    "Document": "file",
    "IssuerPart": "issuers",
    "IntrospectionPart": "introspection",
    "PrivateKeyJwtPart": "private_key_jwt",
    "PlacePart": "credentials",
    "CertificateTrustPart": "client_certificates",
    "DimensionPart": "dimensions",
    "WarehousePart": "warehouses",
    "TablePart": "tables",
    "PostgrestPart": "postgrest",
    "TrinoPart": "trino",
    "OpaPart": "opa",
    "FilterPart": "filter",
    "PersonNamePart": "user",
    "GuardrailsPart": "guardrails",
    "PartitionPart": "partitions",
    "RoutePart": "routes",
    "CachePart": "cache",
    "LimitsPart": "limits",
    "GrantPart": "grants",
    "RestrictionPart": "restrictions",
    "DenyPart": "denies",
    "SelectorPart": "to",
    "ValidityPart": "valid",
    "AssertionPart": "assertion",
    "RevocationsPart": "revocations",
    "EdgePart": "edge",
    "AuditPart": "audit",
}
"""The heading under which each kind of mapping stands."""

_PATTERNS: Mapping[str, str] = {DURATION_PATTERN: "duration", RATE_PATTERN: "rate"}


def tables() -> dict[str, str]:
    """A Markdown table for each kind of mapping, by its heading."""
    schema = json_schema()
    return {
        SECTIONS[part.__name__]: _table(part, schema if part is Document else schema["$defs"][part.__name__])
        for part in parts()
    }


def with_tables(text: str) -> str:
    """The text with the tables between its markers as they are now. Raises `ValueError` for a table without a place."""
    for name, table in tables().items():
        begin = BEGIN.format(name=name)
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(END)
        if not found or not ended:
            raise ValueError(f"no place for the table of {name}: write `{begin}` and `{END}`")
        text = f"{before}{begin}\n{table}{END}{after}"
    return text


def _table(part: type[Part], schema: Mapping[str, Any]) -> str:
    return "".join(
        f"{line}\n"
        for line in ("| key | value | default | meaning |", "|---|---|---|---|", *_rows(part, schema))
    )


def _rows(part: type[Part], schema: Mapping[str, Any]) -> Iterator[str]:
    for key, field in keys(part):
        default = "**required**" if field.is_required() else _default(default_of(field))
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        yield f"| `{key}` | {_kind(schema['properties'][key])} | {default} | {meaning} |"


def _default(value: Any) -> str:
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, list):
        return f"`[{', '.join(item or repr(item) for item in value)}]`"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _kind(schema: Mapping[str, Any]) -> str:
    """What stands behind a key, in a few words."""
    if schema.get("pattern") in _PATTERNS:
        return _PATTERNS[schema["pattern"]]
    if schema.get("anyOf") == TERM_SCHEMA["anyOf"]:
        return "[term](#scope-terms)"
    if "$ref" in schema:
        return _link(schema["$ref"].rpartition("/")[2])
    words = [schema["const"]] if "const" in schema else schema.get("enum")
    if words is not None:
        return " · ".join(f"`{word}`" for word in words if word is not None)
    if "oneOf" in schema:
        return " or ".join(map(_kind, schema["oneOf"]))
    return _plain(schema)


def _plain(schema: Mapping[str, Any]) -> str:
    match schema["type"]:
        case "array":
            return f"list of {_kind(schema['items'])}"
        case "object":
            named = schema.get("patternProperties")
            return f"name → {_kind(next(iter(named.values())) if named else schema['additionalProperties'])}"
        case "integer":
            return f"{schema['minimum']:,} to {schema['maximum']:,}"
        case "boolean":
            return "`true` · `false`"
        case _:
            return "text"


def _link(name: str) -> str:
    return f"[{SECTIONS[name]}](#{SECTIONS[name]})"
