"""Trails for tests: records that were noted, a trail in a file, what it tells."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authz.audit.facts import PolicyReads
from authz.audit.filestore import FileStore
from authz.audit.keys import signer_of, verifier_of
from authz.audit.options import Rotation, TrailSettings
from authz.audit.record import Noted, Recorder
from authz.audit.sink import Fate
from authz.audit.store import Store
from authz.audit.trail import Trail
from authz.case import Occasion
from authz.check import Outcome
from authz.request import AccessRequest
from tests.unit.transport.outcomes import denied

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER, VERIFIER = signer_of(_KEY), verifier_of(_KEY.public_key())
OTHER_VERIFIER = verifier_of(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key())

RECORDER = Recorder({"sales": PolicyReads(groups=frozenset({"emea"}), claims=frozenset({("department",)}))})


def noted(
    number: int = 0, outcome: Outcome | None = None, *, request: AccessRequest | None = None, **changes: Any
) -> Noted:
    """What the deciding thread hands over; by default a denial without a question."""
    occasion = Occasion.of(
        denied() if outcome is None else outcome,
        request,
        decision_id=f"{number:032x}",
        at=float(number),
        seconds=3e-5,
    )
    return RECORDER, occasion._replace(**changes)


class Notes:
    """What a trail counts and tells."""

    def __init__(self) -> None:
        self.fates: Counter[Fate] = Counter()
        self.told: list[str] = []

    def count(self, fate: Fate, records: int) -> None:
        self.fates[fate] += records


def open_trail(
    target: Path | Store,
    notes: Notes | None = None,
    *,
    rotation: Rotation | None = None,
    signed: bool = True,
    clock: Callable[[], float] | None = None,
    **settings: Any,
) -> Trail:
    """A trail that has begun."""
    notes = notes or Notes()
    store = target
    if isinstance(target, Path):
        store = FileStore(target, rotation=rotation or Rotation(), told=notes.told.append)
    return Trail(
        store,  # type: ignore[arg-type]
        TrailSettings(**settings),
        signer=SIGNER if signed else None,
        counted=notes.count,
        told=notes.told.append,
        **({} if clock is None else {"clock": clock}),
    )


def write_trail(path: Path, records: int, **options: Any) -> None:
    """A whole trail with so many decisions, closed."""
    trail = open_trail(path, **options)
    for number in range(records):
        trail.offer(noted(number))
    trail.close()


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Every line of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def decisions_of(path: Path) -> list[int]:
    """The numbers of its decisions."""
    return [int(line["decision_id"], 16) for line in lines_of(path) if line["kind"] == "decision"]


def kinds_of(path: Path) -> list[str]:
    """The kinds of its lines; a seal with why."""
    return [f"seal:{line['why']}" if line["kind"] == "seal" else line["kind"] for line in lines_of(path)]


class Fragile:
    """A file store whose disk is full, or slow, when the test says so."""

    def __init__(self, path: Path) -> None:
        self._inner = FileStore(path)
        self.failure: OSError | None = None
        self.before: Callable[[], object] = lambda: None

    def append(self, lines: Any, *, durable: bool) -> None:
        self.before()
        if self.failure is not None:
            raise self.failure
        self._inner.append(lines, durable=durable)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def body_of(note: Noted) -> Mapping[str, Any]:
    """The record as JSON, without its place in a chain."""
    recorder, occasion = note
    body: Mapping[str, Any] = json.loads(f"{{{recorder.body(occasion)}}}")
    return body
