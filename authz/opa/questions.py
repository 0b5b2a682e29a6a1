"""What Trino's OPA plugin asks, read strictly: who, which operation, on what.

Shapes as Trino 476 sends them (recorded): https://trino.io/docs/current/security/opa-access-control.html
What a later Trino adds beside them is passed over; an operation that nobody here knows is denied where it is answered.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from authz.errors import Denied, Reason
from authz.identity.strictjson import StrictJsonError, parse_object

MAX_NAME: Final = 1_024
"""Longest name of anything, in characters."""
MAX_GROUPS: Final = 5_000

_OPERATION: Final = re.compile(r"[A-Za-z]{1,64}\Z", re.ASCII)


class Endpoint(StrEnum):
    """What the plugin is told the addresses of, each by the end of its path."""

    ALLOW = "allow"
    BATCH = "batch"
    ROW_FILTERS = "row-filters"
    COLUMN_MASK = "column-mask"
    COLUMN_MASKS = "column-masks"


_Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _Catalog(_Part):
    name: _Name


class _Schema(_Part):
    catalog: _Name = Field(alias="catalogName")
    name: _Name = Field(alias="schemaName")


class TableResource(_Part):
    """A table, and some of its columns where an operation is about these."""

    catalog: _Name = Field(alias="catalogName")
    schema_name: _Name = Field(alias="schemaName")
    name: _Name = Field(alias="tableName")
    columns: list[_Name] | None = None


class ColumnResource(_Part):
    """A column of a table, and its type in Trino's words."""

    catalog: _Name = Field(alias="catalogName")
    schema_name: _Name = Field(alias="schemaName")
    table: _Name = Field(alias="tableName")
    name: _Name = Field(alias="columnName")
    type_name: _Name = Field(alias="columnType")


class _User(_Part):
    user: _Name


class _Function(_Part):
    catalog: _Name | None = Field(default=None, alias="catalogName")
    schema_name: _Name | None = Field(default=None, alias="schemaName")
    name: _Name = Field(alias="functionName")


class Resource(_Part):
    """What an operation is about: one of these, as the operation says."""

    catalog: _Catalog | None = None
    schema_: _Schema | None = Field(default=None, alias="schema")
    table: TableResource | None = None
    column: ColumnResource | None = None
    user: _User | None = None
    function: _Function | None = None


class _Identity(_Part):
    user: _Name
    # Not optional: who is in no group is another person to a policy than one of whom that is not known.
    groups: Annotated[list[_Name], Field(max_length=MAX_GROUPS)]


class _Context(_Part):
    identity: _Identity


class _Action(_Part):
    operation: str
    resource: Resource | None = None
    filter_resources: list[Resource] | None = Field(default=None, alias="filterResources")


class _Input(_Part):
    context: _Context
    action: _Action


class _Document(_Part):
    input: _Input


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question. `several` says that it is about a list, of which the answer names some."""

    user: str
    groups: frozenset[str]
    operation: str
    resources: tuple[Resource, ...]
    several: bool


def parse_question(body: bytes) -> Question:
    """The question in a request's body, whose size the caller bounds. Raises `Denied(request_malformed)`."""
    try:
        read = _Document.model_validate(parse_object(body)).input
    except StrictJsonError as error:
        raise Denied(Reason.REQUEST_MALFORMED, f"the body is {error}") from None
    except ValidationError as error:
        # Where it is wrong, never what stood there.
        place = ".".join(str(step) for step in error.errors()[0]["loc"])[:100]
        raise Denied(Reason.REQUEST_MALFORMED, f"the body is no question of Trino's: `{place}`") from None
    action = read.action
    if not _OPERATION.match(action.operation):
        raise Denied(Reason.REQUEST_MALFORMED, "the operation is no word")
    if action.resource is not None and action.filter_resources is not None:
        raise Denied(Reason.REQUEST_AMBIGUOUS, "a question about one thing and about several")
    single = () if action.resource is None else (action.resource,)
    return Question(
        user=read.context.identity.user,
        groups=frozenset(read.context.identity.groups),
        operation=action.operation,
        resources=single if action.filter_resources is None else tuple(action.filter_resources),
        several=action.filter_resources is not None,
    )
