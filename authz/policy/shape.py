"""The document against its types: pydantic's findings in our words, and what can still be examined after them.

A rule with one wrong key is still held against the rest of the policy, so that one run shows everything: the
wrong part is replaced by `BROKEN`, and whoever comes to it says nothing more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError, create_model

from authz.policy.document import (
    AssertionPart,
    AuditPart,
    CertificateTrustPart,
    DimensionPart,
    Document,
    EdgePart,
    RevocationsPart,
    WarehousePart,
)
from authz.policy.fields import Part
from authz.policy.identityparts import IssuerPart
from authz.policy.report import Report
from authz.policy.ruleparts import DenyPart, GrantPart, RestrictionPart
from authz.policy.shapemessages import report_shape
from authz.policy.yamlvalues import YamlList, YamlMap

PartT = TypeVar("PartT", bound=Part)


class Broken:
    """Stands for a value whose problem has been reported."""


BROKEN: Final[Any] = Broken()


@dataclass(slots=True)
class Draft:
    """A document that is read, with what could be read of its broken parts. None: not even that much."""

    issuers: Mapping[str, IssuerPart | None] = field(default_factory=dict)
    client_certificates: Mapping[str, CertificateTrustPart | None] = field(default_factory=dict)
    dimensions: Mapping[str, DimensionPart | None] = field(default_factory=dict)
    warehouses: Mapping[str, WarehousePart | None] = field(default_factory=dict)
    grants: list[GrantPart | None] = field(default_factory=list)
    restrictions: list[RestrictionPart | None] = field(default_factory=list)
    denies: list[DenyPart | None] = field(default_factory=list)
    assertion: AssertionPart | None = None
    revocations: RevocationsPart | None = None
    edge: EdgePart | None = None
    audit: AuditPart | None = None


def read_document(root: YamlMap, report: Report) -> Draft:
    """The document, or what is left of it after every departure from its shape has been reported."""
    try:
        document = Document.model_validate(root)
    except ValidationError as error:
        report_shape(error, report)
    else:
        return Draft(
            issuers=document.issuers,
            client_certificates=document.client_certificates,
            dimensions=document.dimensions,
            warehouses=document.warehouses,
            grants=list(document.grants),
            restrictions=list(document.restrictions),
            denies=list(document.denies),
            assertion=document.assertion,
            revocations=document.revocations,
            edge=document.edge,
            audit=document.audit,
        )
    return Draft(
        issuers=_named(root.get("issuers"), _Salvage(IssuerPart)),
        client_certificates=_named(root.get("client_certificates"), _Salvage(CertificateTrustPart)),
        dimensions=_named(root.get("dimensions"), _Salvage(DimensionPart)),
        warehouses=_named(root.get("warehouses"), _Salvage(WarehousePart)),
        grants=_listed(root.get("grants"), _Salvage(GrantPart)),
        restrictions=_listed(root.get("restrictions"), _Salvage(RestrictionPart)),
        denies=_listed(root.get("denies"), _Salvage(DenyPart)),
        assertion=_Salvage(AssertionPart)(root.get("assertion")),
        revocations=_Salvage(RevocationsPart)(root.get("revocations")),
        edge=_Salvage(EdgePart)(root["edge"]) if "edge" in root else EdgePart(),
        audit=_Salvage(AuditPart)(root["audit"]) if "audit" in root else AuditPart(),
    )


class _Salvage(Generic[PartT]):
    """Reads one part as far as it goes."""

    def __init__(self, model: type[PartT]) -> None:
        self._model = model

    def __call__(self, raw: Any) -> PartT | None:
        if not isinstance(raw, YamlMap):
            return None
        try:
            return self._model.model_validate(raw)
        except ValidationError as error:
            broken = {str(found["loc"][0]) for found in error.errors(include_url=False) if found["loc"]}
        known = frozenset(broken & _keys(self._model))
        try:
            # What is broken is left out; a key that is missing altogether is broken, too.
            left = {key: value for key, value in raw.items() if key not in broken}
            return cast("PartT", _without(self._model, known).model_validate(left))
        except ValidationError:
            return None


def _keys(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items())


@cache
def _without(model: type[PartT], keys: frozenset[str]) -> type[PartT]:
    """The same part with `BROKEN` in place of some keys."""
    changed: dict[str, Any] = dict.fromkeys(keys, (Any, BROKEN))
    return create_model(f"{model.__name__}WithoutSome", __base__=model, **changed)


def _named(raw: Any, read: _Salvage[PartT]) -> dict[str, PartT | None]:
    return {name: read(part) for name, part in raw.items()} if isinstance(raw, YamlMap) else {}


def _listed(raw: Any, read: _Salvage[PartT]) -> list[PartT | None]:
    return [read(part) for part in raw] if isinstance(raw, YamlList) else []
