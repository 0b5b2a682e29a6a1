"""The kinds of lines that a trail has, as types: the published schema, and how lines are read again.

Every line has the same beginning: version, kind, writer, number, and the hash of the line before it by the same
writer. The hash is over the exact bytes of the whole line without its newline.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
WriterId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,63}\.[0-9a-f]{16}$")]
Seconds = Annotated[float, Field(description="Seconds since the epoch.")]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    v: Literal[1]
    """The version of this format."""
    writer: WriterId
    """Who wrote it: the host's name and a random part that is new for each start of the server."""
    seq: Annotated[int, Field(ge=0)]
    """Counts the lines of this writer from 0, whatever their kind, without a gap."""
    prev: Hex64
    """SHA-256 of this writer's line before this one (its bytes without the newline); 64 zeros in the first."""
    at: Seconds


class Torn(BaseModel):
    """What a crash has left of a line."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    bytes: Annotated[int, Field(ge=1)]
    sha256: Hex64


class Predecessor(BaseModel):
    """The last whole line that was found at the start: of an earlier writer to the same place."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    writer: WriterId
    seq: Annotated[int, Field(ge=0)]
    hash: Hex64
    """SHA-256 of that line."""
    torn: Torn | None
    """A line behind it that was not finished."""


class StartLine(_Line):
    """The first line of each writer."""

    kind: Literal["start"]
    version: str
    """Scopegate's version."""
    mode: Literal["strict", "buffered"]
    after: Predecessor | None


class ContinuedLine(_Line):
    """The first line of each further file of a writer."""

    kind: Literal["continued"]


class Reads(BaseModel):
    """What the rules on one warehouse read; null is everything."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    groups: list[str] | None
    claims: list[list[str]] | None
    """Paths of claims."""
    path: bool


class PolicyLine(_Line):
    """Stands before the first record of a policy in each file: which facts its records hold."""

    kind: Literal["policy"]
    policy_version: str
    reads: dict[str, Reads]
    """By warehouse. A group that is listed here and not in a record was not in the token."""


class Actor(BaseModel):
    """A verified principal, with those of its facts that the policy reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    key: Hex32
    """The pseudonym that Envoy's access log has, too."""
    issuer: str
    """The configured name of the issuer, or of the certificates' trust where there was no token."""
    subject: str
    methods: list[Literal["token", "certificate", "warehouse"]]
    groups: list[str]
    claims: dict[str, Any]
    """In the shape that the token has; null is a null in the token."""
    absent: list[list[str]]
    """Paths of claims that the policy reads and the token did not have."""
    spiffe_id: str | None
    certificate_name: str | None
    certificate_trust: str | None
    certificate_fingerprint: str | None
    token_id: str | None


class AskedStatement(BaseModel):
    """A statement in SQL that was examined, without its text and its literals."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: str
    """`select`, `show` and so on; of what Trino's OPA plugin asked, its operation: `SelectFromColumns`."""
    tables: list[str]
    """Whole names, those of a metadata catalog included."""
    fingerprint: Hex32
    """Equal for statements that differ in literals, letter case, spaces and comments only."""


class Asked(BaseModel):
    """What was asked for. A path may hold values, so it is there only where the policy reads it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    method: str
    host: str
    route: str | None
    """The policy's text of the route."""
    path: str | None
    source_address: str
    request_id: str | None
    trace_id: Hex32 | None
    statement: AskedStatement | None = None
    """Where the warehouse has guardrails, and a statement was asked that could be examined; or what OPA was asked."""


class DecisionLine(_Line):
    """One decision: who asked for what, when, and what the answer was."""

    kind: Literal["decision"]
    decision_id: Hex32
    outcome: Literal["allow", "deny"]
    reason: str
    """The stable code that the client was told, too."""
    detail: str
    """The operator's explanation of a denial, never told to the client."""
    warehouse: str | None
    rules: list[str]
    """Ids of the grants and restrictions that made the scope, or of the rules that led to a denial."""
    scope_id: Hex32 | None
    policy_version: str
    actor: Actor | None
    """Null where nobody could be verified."""
    asked: Asked | None
    """Null where the question could not be read."""


class GapLine(_Line):
    """Decisions that have no record here. Allows among them did not leave, but those of the moment of a crash."""

    kind: Literal["gap"]
    lost: Annotated[int, Field(ge=1)]
    since: Seconds
    until: Seconds
    cause: Literal["queue_full", "write_failed"]


class SealLine(_Line):
    """Signs all lines of the writer up to here."""

    kind: Literal["seal"]
    why: Literal["interval", "rotated", "reopened", "closed"]
    key: str | None
    """Id of the key: the first 16 hex digits of the SHA-256 of the raw public key; null without one."""
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")] | None
    """Ed25519 over `scopegate-audit-seal-v1`, a newline, and this line's bytes before `,"signature":`."""


Line = Annotated[
    StartLine | ContinuedLine | PolicyLine | DecisionLine | GapLine | SealLine, Field(discriminator="kind")
]
LINE: TypeAdapter[Line] = TypeAdapter(Line)


def json_schema() -> dict[str, Any]:
    """The schema of one line of a trail (JSON Schema 2020-12)."""
    schema = LINE.json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of Scopegate's audit trail",
        **schema,
    }
