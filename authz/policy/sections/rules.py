"""Grants, restrictions and denies."""

from typing import Any

from authz.policy.policyset import DenyRule, Grant, Restriction, Selector
from authz.policy.report import Path, path_text
from authz.policy.ruleparts import DenyPart, GrantPart, RestrictionPart, ValidityPart
from authz.policy.sections.context import Context, is_broken
from authz.policy.sections.scopes import build_columns, build_scope
from authz.policy.sections.selectors import build_selector
from authz.policy.sections.units import WrongError, parse_moment

NOBODY_NAMED = Selector()


def build_grant(context: Context, path: Path, part: GrantPart) -> Grant | None:
    before = len(context.report.problems)
    _check_id(context, path, part.id)
    on = _warehouses(context, (*path, "on"), part.on)
    to = build_selector(context, (*path, "to"), part.to)
    if part.to is None and part.when is None:
        context.report.add(
            "missing", path, "`to` is missing", "say who, with `to`, with a condition in `when`, or both"
        )
    scope = build_scope(context, (*path, "scope"), part.scope, on, complete=True)
    columns = build_columns(context, path, clear=part.clear, mask=part.mask, hide=part.hide)
    when = context.condition((*path, "when"), part.when)
    valid_from, valid_until = _validity(context, (*path, "valid"), part.valid)
    if len(context.report.problems) != before or on is None or is_broken(*_values(part)):
        return None
    return Grant(
        id=part.id,
        to=to or NOBODY_NAMED,
        on=on,
        scope=scope,
        columns=columns,
        when=when,
        valid_from=valid_from,
        valid_until=valid_until,
        place=context.report.place(path),
    )


def build_restriction(context: Context, path: Path, part: RestrictionPart) -> Restriction | None:
    before = len(context.report.problems)
    _check_id(context, path, part.id)
    on = _warehouses(context, (*path, "on"), part.on)
    to = build_selector(context, (*path, "to"), part.to)
    scope = build_scope(context, (*path, "scope"), part.scope, on, complete=False)
    columns = build_columns(context, path, clear=None, mask=part.mask, hide=part.hide)
    if not (part.scope or part.mask or part.hide):
        context.report.add(
            "missing", path, "the restriction narrows nothing", "say what, with `scope`, `mask` or `hide`"
        )
    when = context.condition((*path, "when"), part.when)
    if len(context.report.problems) != before or on is None or is_broken(*_values(part)):
        return None
    return Restriction(
        id=part.id, to=to, on=on, scope=scope, columns=columns, when=when, place=context.report.place(path)
    )


def build_deny(context: Context, path: Path, part: DenyPart) -> DenyRule | None:
    before = len(context.report.problems)
    _check_id(context, path, part.id)
    on = _warehouses(context, (*path, "on"), part.on)
    to = build_selector(context, (*path, "to"), part.to)
    when = context.condition((*path, "when"), part.when)
    if part.to is None and part.when is None:
        context.report.add(
            "missing",
            path,
            "`to` or `when` is missing",
            "to close a warehouse for everybody, write `when: 'true'`",
        )
    if len(context.report.problems) != before or on is None or is_broken(*_values(part)):
        return None
    return DenyRule(id=part.id, to=to, on=on, when=when, place=context.report.place(path))


def _values(part: GrantPart | RestrictionPart | DenyPart) -> list[Any]:
    return list(part.__dict__.values())


def _check_id(context: Context, path: Path, rule_id: str) -> None:
    if is_broken(rule_id):
        return
    first = context.ids.setdefault(rule_id, path)
    if first is not path:
        place = context.report.place((*first, "id"))
        context.report.add(
            "duplicate_id",
            (*path, "id"),
            f"the id `{rule_id}` is taken",
            f"{path_text(first)} has it, in {place.file}:{place.line}",
        )


def _warehouses(context: Context, path: Path, on: Any) -> frozenset[str] | None:
    """The names, or None if they are not known."""
    if is_broken(on):
        return None
    if on == "all":
        return frozenset(context.names.warehouses)
    if "all" in on and "all" not in context.names.warehouses:
        context.report.add(
            "value", path, "`all` is a word and no warehouse", "write `on: all` without brackets"
        )
        return None
    return frozenset(on) if context.known(path, "warehouse", on, context.names.warehouses) else None


def _validity(context: Context, path: Path, part: ValidityPart | None) -> tuple[float | None, float | None]:
    if part is None or is_broken(part):
        return None, None
    if not part.model_fields_set:
        context.report.add("empty", path, "the mapping is empty", "write `from`, `until` or both")
    bounds = {"from": part.from_, "until": part.until}
    moments: dict[str, float | None] = {"from": None, "until": None}
    for key, raw in bounds.items():
        if (key if key == "until" else "from_") not in part.model_fields_set:
            continue
        try:
            moments[key] = parse_moment(raw)
        except WrongError as wrong:
            context.report.add("value", (*path, key), str(wrong), wrong.help)
    start, end = moments["from"], moments["until"]
    if start is not None and end is not None and end <= start:
        context.report.add(
            "value",
            path,
            f"the grant ends (`{part.until}`) before it begins (`{part.from_}`)",
            "it would never exist",
        )
    return start, end
