"""Policy files become a PolicySet, or every problem in them is reported.

In this order: the text (YAML 1.2), the files together, the shape (pydantic), then what the names mean to each
other. Only a text that cannot be read keeps the later steps from being taken.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from authz.policy.canonical import policy_version
from authz.policy.index import RuleIndex
from authz.policy.merge import read_sources
from authz.policy.names import RESERVED_DIMENSIONS
from authz.policy.policyset import Dimension, Place, PolicySet, Warehouse
from authz.policy.problems import PolicyError, Problems, in_file_order
from authz.policy.report import Path, Report
from authz.policy.routes import RouteTable
from authz.policy.sections.assertion import build_assertion, check_assertions
from authz.policy.sections.audit import build_audit
from authz.policy.sections.context import Context, names_of
from authz.policy.sections.edge import build_edge
from authz.policy.sections.identities import build_trust
from authz.policy.sections.introspection import check_patience
from authz.policy.sections.issuers import build_issuer, check_issuers_differ
from authz.policy.sections.routing import check_conflicts
from authz.policy.sections.rules import build_deny, build_grant, build_restriction
from authz.policy.sections.warehouses import build_warehouse
from authz.policy.shape import Draft, read_document
from authz.policy.yamlvalues import SourceText, YamlMap

__all__ = ["SourceText", "parse_policy"]

_NAMING = ("issuers", "client_certificates", "dimensions", "warehouses")

PartT = TypeVar("PartT")
BuiltT = TypeVar("BuiltT")


def parse_policy(sources: Sequence[SourceText]) -> PolicySet:
    """The policy of one file, or of several files together.

    Raises `PolicyError` with every problem, in the order of files and lines; nothing else, whatever the text.
    """
    problems = Problems()
    root = read_sources(sources, problems)
    policy = None if root is None else _build(root, Report(root, problems), sources)
    if policy is None or len(problems):
        raise PolicyError(in_file_order(problems, [source.name for source in sources]))
    return policy


def _build(root: YamlMap, report: Report, sources: Sequence[SourceText]) -> PolicySet | None:
    draft = read_document(root, report)
    if any(section in root and not isinstance(root[section], YamlMap) for section in _NAMING):
        # Nothing is known of its names: every use of one would look like a mistake.
        return None
    context = Context(
        report=report, sources={source.name: source for source in sources}, names=names_of(draft)
    )
    _check_sections(context, draft)
    issuers = _named(draft.issuers, partial(build_issuer, context))
    check_issuers_differ(context, draft.issuers)
    trusts = _named(draft.client_certificates, partial(build_trust, context))
    warehouses = _named(draft.warehouses, partial(build_warehouse, context))
    check_conflicts(context, warehouses.values())
    warehouses = _without_tokens(warehouses)
    grants = _listed("grants", draft.grants, partial(build_grant, context))
    restrictions = _listed("restrictions", draft.restrictions, partial(build_restriction, context))
    denies = _listed("denies", draft.denies, partial(build_deny, context))
    edge = None if draft.edge is None else build_edge(context, draft.edge)
    if edge is not None and edge.forward_client_chain:
        warehouses = _with_client_chains(warehouses)
    for name, part in draft.issuers.items():
        check_patience(context, name, part, draft.edge)
    assertion = None if draft.assertion is None else build_assertion(context, draft.assertion, draft.edge)
    check_assertions(context, warehouses.values())
    also_record = None if draft.audit is None else build_audit(context, draft.audit)
    if len(report.problems) or edge is None or also_record is None:
        return None
    return PolicySet(
        version=policy_version(root),
        issuers=issuers,
        trusts=trusts,
        dimensions={
            name: Dimension(name=name, type=type_)
            for name, type_ in context.names.dimensions.items()
            if type_ is not None
        },
        warehouses=warehouses,
        grants=grants,
        restrictions=restrictions,
        denies=denies,
        edge=edge,
        also_record=also_record,
        routes=RouteTable(warehouses.values()),
        index=RuleIndex((*grants, *restrictions, *denies)),
        assertion=assertion,
        revocations=None
        if draft.revocations is None
        else context.file(("revocations", "file"), draft.revocations.file),
        places=_places(context, draft),
    )


def _without_tokens(warehouses: Mapping[str, Warehouse]) -> dict[str, Warehouse]:
    """A token that is meant for one warehouse must not be told to another, which could use it there."""
    headers = frozenset(name for warehouse in warehouses.values() for name in warehouse.accepts.headers)
    return {name: replace(warehouse, token_headers=headers) for name, warehouse in warehouses.items()}


def _with_client_chains(warehouses: Mapping[str, Warehouse]) -> dict[str, Warehouse]:
    return {
        name: replace(warehouse, accepts=replace(warehouse.accepts, client_chain=True))
        for name, warehouse in warehouses.items()
    }


def _named(
    parts: Mapping[str, PartT | None], build: Callable[[str, PartT], BuiltT | None]
) -> dict[str, BuiltT]:
    made = ((name, None if part is None else build(name, part)) for name, part in parts.items())
    return {name: built for name, built in made if built is not None}


def _listed(
    section: str, parts: Sequence[PartT | None], build: Callable[[Path, PartT], BuiltT | None]
) -> tuple[BuiltT, ...]:
    made = (None if part is None else build((section, number), part) for number, part in enumerate(parts))
    return tuple(built for built in made if built is not None)


def _check_sections(context: Context, draft: Draft) -> None:
    report = context.report
    for name in draft.dimensions:
        if name in RESERVED_DIMENSIONS:
            report.add(
                "owned_name",
                ("dimensions", name),
                f"the name `{name}` is reserved",
                f"the header `x-scope-{name.replace('_', '-')}` says something else; choose another name",
                key=True,
            )
    if not draft.warehouses and "warehouses" not in report.root:
        report.add("missing", (), "`warehouses` is missing", "a policy protects at least one")
    if not {"issuers", "client_certificates"} & report.root.keys():
        report.add(
            "missing",
            (),
            "`issuers` and `client_certificates` are missing",
            "nobody could prove who they are",
        )


def _places(context: Context, draft: Draft) -> dict[str, Place]:
    sections: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("issuers", draft.issuers),
        ("client_certificates", draft.client_certificates),
        ("dimensions", draft.dimensions),
    )
    places = {
        f"{section}.{name}": context.report.place((section, name))
        for section, parts in sections
        for name in parts
    }
    written = [
        section
        for section in ("issuers", "edge", "assertion", "revocations")
        if section in context.report.root
    ]
    return places | {section: context.report.place((section,)) for section in written}
