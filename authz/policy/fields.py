"""The kinds of values that a policy file has: names, durations, rates, scopes, masks."""

from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
)

from authz.policy.policyset import RateLimit
from authz.policy.sections.units import DURATION_PATTERN, RATE_PATTERN, WrongError, parse_duration, parse_rate

NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
DIMENSION_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
RULE_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"

Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
DimensionName = Annotated[str, StringConstraints(pattern=DIMENSION_PATTERN)]
RuleId = Annotated[str, StringConstraints(pattern=RULE_ID_PATTERN)]
Duration = Annotated[
    timedelta,
    PlainValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["60s", "12h", "400d"]}),
]
Rate = Annotated[
    RateLimit,
    PlainValidator(parse_rate),
    WithJsonSchema({"type": "string", "pattern": RATE_PATTERN, "examples": ["5/s", "120/min", "1000/h"]}),
]


def _given(raw: object) -> object:
    """A key with nothing behind it is a value that somebody forgot or commented out.

    To read it as one that was left out would, for `when`, `to`, `valid` or `issuers`, mean more than was said.
    """
    if raw is None:
        raise WrongError("got nothing, expected a value", "leave the key out")
    return raw


T = TypeVar("T")
Maybe = Annotated[T | None, BeforeValidator(_given)]
"""A key that may be left out, but not left empty."""


def _all_or_list(raw: object) -> str:
    return "all" if raw == "all" else "list"


On = Annotated[
    Annotated[Literal["all"], Tag("all")] | Annotated[list[Text], Field(min_length=1), Tag("list")],
    Discriminator(_all_or_list),
]


class Part(BaseModel):
    """Every mapping of the document: closed, strict about types, immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


_BOUND = {"type": ["string", "number"]}
TERM_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"const": "all", "description": "every value"},
        {
            "type": "array",
            "items": {"type": ["string", "number", "boolean"]},
            "description": "one of these values; none, if empty",
        },
        {
            "type": "object",
            "properties": {
                "last": {"type": "string", "pattern": DURATION_PATTERN},
                "step": {"type": "string", "pattern": DURATION_PATTERN},
            },
            "required": ["last"],
            "additionalProperties": False,
            "description": "a window that ends now and moves in steps",
        },
        {
            "type": "object",
            "properties": {"from": _BOUND, "through": _BOUND, "after": _BOUND, "before": _BOUND},
            "minProperties": 1,
            "additionalProperties": False,
            "description": "a range: `from` and `through` include the bound, `after` and `before` do not",
        },
        {
            "type": "object",
            "properties": {"claim": {"type": "string"}, "max_values": {"type": "integer"}},
            "required": ["claim"],
            "additionalProperties": False,
            "description": "the values of a claim of the token",
        },
    ],
}
Scope = dict[Text, Annotated[Any, WithJsonSchema(TERM_SCHEMA)]]
Mask = Annotated[
    Literal["hash", "last4", "year", "null"] | None,
    WithJsonSchema({"enum": ["hash", "last4", "year", "null", None]}),
]
Labels = Annotated[list[Text], Field(min_length=1)]
