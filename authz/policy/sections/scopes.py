"""The rows and columns of a rule: terms by dimension, masks by label."""

from collections.abc import Mapping
from typing import Any

from authz.policy.problems import listed
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken
from authz.policy.sections.terms import check_form, read_term
from authz.policy.terms import ScopeTerm
from authz.scopes.columns import ColumnMask


def build_scope(
    context: Context, path: Path, scope: Mapping[str, Any], on: frozenset[str] | None, *, complete: bool
) -> dict[str, ScopeTerm]:
    """The terms of a rule for the warehouses `on` (None: not known). `complete`: every dimension must be named."""
    if is_broken(scope):
        return {}
    terms: dict[str, ScopeTerm] = {}
    for dimension, raw in scope.items():
        if dimension not in context.names.dimensions:
            context.report.unknown(
                (*path, dimension), "dimension", dimension, tuple(context.names.dimensions), key=True
            )
            continue
        type_ = context.names.dimensions[dimension]
        place = (*path, dimension)
        if type_ is None:
            check_form(context, place, raw)
            continue
        term = read_term(context, place, dimension, type_, raw)
        if term is not None:
            terms[dimension] = term
    if on is not None:
        _check_dimensions(context, path, scope, on, complete=complete)
    return terms


def _check_dimensions(
    context: Context, path: Path, scope: Mapping[str, Any], on: frozenset[str], *, complete: bool
) -> None:
    dimensions = _dimensions_of(context, on)
    if dimensions is None:
        return
    every, common = dimensions
    for dimension in scope:
        if dimension in context.names.dimensions and dimension not in common:
            # Ignoring it where it is missing would let more through than the rule says.
            lacking = sorted(name for name in on if dimension not in (context.names.warehouses[name] or ()))
            context.report.add(
                "foreign_dimension",
                (*path, dimension),
                f"{_warehouses(lacking)} no dimension `{dimension}`",
                "leave it out" if len(on) == 1 else "write a rule of its own for the others",
                key=True,
            )
    if complete and (missing := sorted(every - scope.keys())):
        context.report.add(
            "missing_dimension",
            path,
            f"dimension {listed(missing)} is missing"
            if len(missing) == 1
            else f"dimensions {listed(missing)} are missing",
            "a grant names every dimension of its warehouses, with values or with the word `all`",
            key=True,
        )


def _warehouses(names: list[str]) -> str:
    return f"warehouse {listed(names)} has" if len(names) == 1 else f"warehouses {listed(names)} have"


def _dimensions_of(context: Context, on: frozenset[str]) -> tuple[frozenset[str], frozenset[str]] | None:
    """The dimensions of any and of all of the warehouses; None if one of them is broken."""
    if on not in context.dimensions_of:
        sets = [context.names.warehouses[name] for name in on]
        known = [found for found in sets if found is not None]
        context.dimensions_of[on] = (
            (frozenset().union(*known), frozenset.intersection(*known))
            if known and len(known) == len(sets)
            else None
        )
    return context.dimensions_of[on]


def build_columns(context: Context, path: Path, *, clear: Any, mask: Any, hide: Any) -> dict[str, ColumnMask]:
    """The treatment of labels that a rule names."""
    columns: dict[str, ColumnMask] = {}
    if clear and not is_broken(clear):
        for number, label in enumerate(clear):
            _put(context, (*path, "clear", number), columns, label, ColumnMask.CLEAR)
    if mask and not is_broken(mask):
        for label, word in mask.items():
            _put(context, (*path, "mask", label), columns, label, ColumnMask(word or "null"))
    if hide and not is_broken(hide):
        for number, label in enumerate(hide):
            _put(context, (*path, "hide", number), columns, label, ColumnMask.HIDDEN)
    return columns


def _put(context: Context, path: Path, columns: dict[str, ColumnMask], label: str, mask: ColumnMask) -> None:
    if label not in context.names.labels and context.names.labels_are_known:
        context.report.unknown(path, "label", label, tuple(context.names.labels), key=True)
    elif columns.setdefault(label, mask) is not mask:
        context.report.add(
            "conflict",
            path,
            f"the label `{label}` is treated as {columns[label].value} and as {mask.value}",
            key=True,
        )
