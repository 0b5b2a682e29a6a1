"""The policy file's JSON Schema, for editors: docs/policy.schema.json is its committed copy."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from authz.policy.document import Document
from authz.policy.fields import Part
from authz.policy.names import DIALECTS
from authz.policy.policyset import RateLimit
from authz.policy.sections.units import duration_text, rate_text

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    schema_dialect = DIALECT

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:  # type: ignore[explicit-override]  # typing.override is Python 3.12's
        """Defaults are added below, as the file would say them."""
        return self.generate_inner(schema["schema"])


def json_schema() -> dict[str, Any]:
    """Draft 2020-12. What it accepts may still be refused by `scopegate check`, which knows what the names mean.

    `version` is not required here: in a directory, one file says it for all.
    """
    schema = Document.model_json_schema(by_alias=True, schema_generator=_Generator)
    schema["title"] = "Scopegate policy"
    schema.pop("required")
    for part in parts():
        where = schema if part is Document else schema["$defs"][part.__name__]
        for key, field in keys(part):
            _describe(where["properties"][key], field)
    schema["$defs"]["WarehousePart"]["properties"]["dialect"]["enum"] = list(DIALECTS)
    return {"$schema": DIALECT, **schema}


def parts() -> tuple[type[Part], ...]:
    """Every kind of mapping of the document, from the outside inwards."""
    found: list[type[Part]] = [Document]
    for part in found:
        for _, field in keys(part):
            found.extend(inner for inner in _parts_in(field.annotation) if inner not in found)
    return tuple(found)


def keys(part: type[Part]) -> Iterator[tuple[str, FieldInfo]]:
    """The keys of a mapping, as they are written."""
    return ((field.alias or name, field) for name, field in part.model_fields.items())


def default_of(field: FieldInfo) -> Any:
    """The default of a key as it would be written; None if there is none."""
    value = field.get_default(call_default_factory=True, validated_data={})
    match value:
        case timedelta():
            return duration_text(value)
        case RateLimit():
            return rate_text(value)
        case Part():
            return {}
        case _:
            return value


def _parts_in(annotation: Any) -> Iterator[type[Part]]:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
        return
    for inner in getattr(annotation, "__args__", ()):
        yield from _parts_in(inner)


def _describe(schema: dict[str, Any], field: FieldInfo) -> None:
    """Without pydantic's titles, which editors show in place of what helps, and without nulls: no key may be empty."""
    schema.pop("title", None)
    if not field.is_required() and (default := default_of(field)) not in (None, {}, []):
        schema["default"] = default
    if "patternProperties" in schema:
        schema["additionalProperties"] = False
    choices = schema.get("anyOf", [])
    if {"type": "null"} in choices:
        choices.remove({"type": "null"})
        if len(choices) == 1:
            schema.pop("anyOf")
            schema.update({**choices[0], **schema})
