"""What every builder needs: where to report, what is configured, and where the files are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from authz.policy.conditions import Condition, ConditionError, compile_condition
from authz.policy.document import WarehousePart
from authz.policy.policyset import Place
from authz.policy.problems import Spot
from authz.policy.report import Path, Report
from authz.policy.sections.carets import spot_inside
from authz.policy.shape import BROKEN, Draft
from authz.policy.terms import ScopeTerm
from authz.policy.yamlvalues import SourceText
from authz.scopes.values import ValueType


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What is configured, by its names. The value is None where the thing itself is broken: ask no more of it."""

    issuers: Mapping[str, Any]
    trusts: Mapping[str, Any]
    dimensions: Mapping[str, ValueType | None]
    warehouses: Mapping[str, frozenset[str] | None]
    """Warehouse to its dimensions."""
    labels: Mapping[str, frozenset[str]]
    """Label to the warehouses that have it."""
    labels_are_known: bool

    @property
    def somebody(self) -> bool:
        """Whether anybody can prove who they are; if not, that has been said already."""
        return bool(self.issuers or self.trusts)


@dataclass(slots=True)
class Context:
    """One reading of a policy. The memories keep a policy of ten thousand similar rules cheap."""

    report: Report
    sources: Mapping[str, SourceText]
    names: Names
    terms: dict[tuple[str, str], ScopeTerm] = field(default_factory=dict)
    conditions: dict[str, Condition] = field(default_factory=dict)
    dimensions_of: dict[frozenset[str], tuple[frozenset[str], frozenset[str]] | None] = field(
        default_factory=dict
    )
    ids: dict[str, Path] = field(default_factory=dict)

    def file(self, path: Path, name: str) -> str:
        """A file's name as it is to be opened: relative ones start from the directory of the file that names them."""
        source = self.sources.get(self.report.mark(path).name)
        base = source.base if source is not None else ""
        return name if not base or name.startswith("/") else f"{base.rstrip('/')}/{name}"

    def known(self, path: Path, kind: str, words: Sequence[str] | Any, known: Mapping[str, Any]) -> bool:
        """Whether all `words` are configured names; reports those that are not."""
        good = True
        for number, word in enumerate(words):
            if word not in known:
                self.report.unknown((*path, number), kind, word, tuple(known))
                good = False
        return good

    def condition(self, path: Path, text: Any) -> Condition | None:
        """The compiled condition at `path`, or None, also after a problem (which stands where the mistake is)."""
        if text is None or text is BROKEN:
            return None
        if (done := self.conditions.get(text)) is None:
            try:
                done = compile_condition(text)
            except ConditionError as error:
                self.report.add("condition", path, error.message, spot=self._inside(path, text, error))
                return None
            self.conditions[text] = done
        return _at(done, self.report.place(path))

    def _inside(self, path: Path, text: str, error: ConditionError) -> Spot:
        mark = self.report.mark(path)
        source = self.sources[mark.name]
        return spot_inside(source.text.removeprefix("\ufeff"), mark, text, error.line, error.column)


def _at(condition: Condition, place: Place) -> Condition:
    return Condition(
        text=condition.text,
        place=place,
        reads=condition.reads,
        variables=condition.variables,
        claims=condition.claims,
        loops=condition.loops,
        program=condition.program,
    )


def is_broken(*values: object) -> bool:
    """Whether one of the values has been reported already."""
    return any(value is BROKEN for value in values)


def dimensions_named(part: WarehousePart) -> frozenset[str] | None:
    """The dimensions that a warehouse or one of its tables names; None if they cannot be read, or none is named."""
    if is_broken(part.columns, part.tables):
        return None
    of_tables = (name for table in part.tables.values() for name in (*table.columns, *table.unfiltered))
    return frozenset((*part.columns, *of_tables)) or None


def _dimensions(part: WarehousePart, draft: Draft) -> frozenset[str] | None:
    """None also for a warehouse with a misspelt dimension: its rules name the right one."""
    named = dimensions_named(part)
    return named if named is not None and named <= draft.dimensions.keys() else None


def names_of(draft: Draft) -> Names:
    """The names that the document gives, those of broken parts included: who uses them makes no mistake."""
    labels: dict[str, set[str]] = {}
    for name, warehouse in draft.warehouses.items():
        if warehouse is not None and not is_broken(warehouse.labels, warehouse.tables):
            of_tables = (label for table in warehouse.tables.values() for label in table.labels.values())
            for label in (*warehouse.labels.values(), *of_tables):
                labels.setdefault(label, set()).add(name)
    return Names(
        issuers=draft.issuers,
        trusts=draft.client_certificates,
        dimensions={
            name: None if part is None or is_broken(part.type) else ValueType(part.type)
            for name, part in draft.dimensions.items()
        },
        warehouses={
            name: None if part is None else _dimensions(part, draft)
            for name, part in draft.warehouses.items()
        },
        labels={label: frozenset(where) for label, where in labels.items()},
        labels_are_known=all(
            part is not None and not is_broken(part.labels, part.tables) for part in draft.warehouses.values()
        ),
    )
