"""What `verify` finds, and what it can say of each writer's chain."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What is wrong with a trail."""

    NOT_A_LINE = "not_a_line"
    """It is not a whole line of a trail: edited, inserted, or torn by a crash that nobody vouches for."""
    CHAIN_BROKEN = "chain_broken"
    """The line before was edited, or another one stood there."""
    SEQUENCE_BROKEN = "sequence_broken"
    """Lines are missing, stand twice or stand in another order."""
    SIGNATURE_INVALID = "signature_invalid"
    KEY_UNKNOWN = "key_unknown"
    """A seal names a key that was not given."""
    UNSIGNED = "unsigned"
    """A seal without a signature: whoever can write the file could have made all of it anew."""
    BEGINNING_MISSING = "beginning_missing"
    """The chain begins with a later file than its first."""
    END_OPEN = "end_open"
    """No closing seal, and no later writer saw this end: still written, ended by a crash, or cut."""
    TAIL_CUT = "tail_cut"
    """A later writer found more lines than there are."""
    PREDECESSOR_MISSING = "predecessor_missing"
    """A writer names one before it of which there is no line."""
    GONE_ON = "gone_on"
    """A writer goes on behind its closing seal, or where a later writer found its end."""
    KNOWN_HEAD_MISSING = "known_head_missing"
    """An earlier report saw a line that is not there any more, or another one in its place."""
    UNREADABLE = "unreadable"
    """The file cannot be read to its end."""
    EMPTY = "empty"
    """There is no line at all."""


ACCEPTABLE: Mapping[str, frozenset[Fault]] = {
    "open": frozenset({Fault.END_OPEN}),
    "pruned": frozenset({Fault.BEGINNING_MISSING, Fault.PREDECESSOR_MISSING}),
    "unsigned": frozenset({Fault.UNSIGNED}),
}
"""What an operator may know a good reason for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `line` counts from 1 in `file`; `seq` is the number that was due or found."""

    fault: Fault
    file: str
    line: int
    writer: str | None = None
    seq: int | None = None
    detail: str

    @property
    def text(self) -> str:
        """For people: place first."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        who = "" if self.writer is None else f"{self.writer}"
        number = "" if self.seq is None else f"#{self.seq}"
        subject = f" {who}{number}:" if who or number else ""
        return f"{where}:{subject} {self.detail} ({self.fault.value})"


class End(StrEnum):
    """How a chain ends."""

    CLOSED = "closed"
    """With a closing seal: nothing was cut off behind it."""
    CRASHED = "crashed"
    """Without one, but a later writer to the same place found exactly this end."""
    OPEN = "open"


@dataclass(slots=True, kw_only=True)
class ChainReport:
    """One writer's chain."""

    writer: str
    first_seq: int
    next_seq: int
    head: str
    records: int = 0
    allows: int = 0
    lost: int = 0
    gaps: int = 0
    sealed_through: int | None = None
    """The last number that a valid signature covers."""
    end: End = End.OPEN
    file: str = ""
    line: int = 0


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of a verification."""

    files: int = 0
    lines: int = 0
    records: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    more_findings: int = 0
    notices: list[str] = field(default_factory=list)
    chains: list[ChainReport] = field(default_factory=list)

    @property
    def is_intact(self) -> bool:
        return not self.findings and not self.more_findings
