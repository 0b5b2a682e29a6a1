"""Whom a rule is for."""

from collections.abc import Callable, Mapping
from typing import Any

from authz.identity.names import parse_dns_name, parse_email_address
from authz.identity.spiffe import SpiffeId, parse_trust_domain
from authz.policy.policyset import Selector
from authz.policy.problems import listed
from authz.policy.report import Path
from authz.policy.ruleparts import SelectorPart
from authz.policy.sections.context import Context, is_broken

_KINDS = {"spiffe": "spiffe", "dns": "dns", "emails": "email"}
"""Key of a selector to the `identity` of the client certificates that have such names."""


def build_selector(context: Context, path: Path, part: SelectorPart | None) -> Selector | None:
    """The selector at `path`, or None after a problem (or where there is none)."""
    if part is None or is_broken(part):
        return None
    before = len(context.report.problems)
    if not part.model_fields_set:
        context.report.add(
            "empty",
            path,
            "the mapping names nobody",
            "name groups, subjects, issuers, spiffe, dns, emails or certificates",
        )
        return None
    if part.issuers:
        context.known((*path, "issuers"), "issuer", part.issuers, context.names.issuers)
    if part.certificates:
        context.known(
            (*path, "certificates"), "client certificates entry", part.certificates, context.names.trusts
        )
    _check_token_facts(context, path, part)
    selector = Selector(
        groups=_set(part.groups),
        subjects=_set(part.subjects),
        issuers=_set(part.issuers),
        spiffe=_certificate_names(context, path, part, "spiffe", _spiffe),
        dns=_certificate_names(context, path, part, "dns", parse_dns_name),
        emails=_certificate_names(context, path, part, "emails", parse_email_address),
        certificates=_set(part.certificates),
    )
    return selector if len(context.report.problems) == before else None


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _check_token_facts(context: Context, path: Path, part: SelectorPart) -> None:
    issuers = context.names.issuers
    if not context.names.somebody:
        return
    for key in ("groups", "subjects"):
        if getattr(part, key) is None:
            continue
        if not issuers:
            context.report.add(
                "unknown_name", (*path, key), "no issuer is configured whose tokens could say it", key=True
            )
        elif part.issuers is None and len(issuers) > 1:
            # Each issuer names its people and groups as it likes: the same word of another one is somebody else.
            context.report.add(
                "ambiguous",
                (*path, key),
                "whose? several issuers are configured",
                f"add `issuers: […]` with one or more of {listed(issuers)}",
                key=True,
            )


def _certificate_names(
    context: Context, path: Path, part: SelectorPart, key: str, parse: Callable[[str], str]
) -> frozenset[str] | None:
    values: list[str] | None = getattr(part, key)
    if values is None:
        return None
    trusts = _trusts(context, part, _KINDS[key])
    if not trusts and context.names.somebody:
        context.report.add(
            "unknown_name",
            (*path, key),
            f"no client certificates with `identity: {_KINDS[key]}` are configured"
            + (" among those that `certificates` names" if part.certificates else ""),
            key=True,
        )
    found = set()
    for number, value in enumerate(values):
        try:
            found.add(parse(value))
        except ValueError as error:
            context.report.add("value", (*path, key, number), f"got `{value}`: {error}", _help(key, value))
            continue
        if key == "spiffe" and trusts:
            _check_trust_domain(context, (*path, key, number), value, trusts)
    return frozenset(found)


def _trusts(context: Context, part: SelectorPart, kind: str) -> Mapping[str, Any]:
    """The client certificates that can have such a name, those of unknown kind included."""
    return {
        name: trust
        for name, trust in context.names.trusts.items()
        if (part.certificates is None or name in part.certificates)
        and (trust is None or is_broken(trust.identity) or trust.identity == kind)
    }


def _spiffe(text: str) -> str:
    """A SPIFFE ID, or one with `/*` after whole segments. Raises ValueError."""
    SpiffeId.parse(text.removesuffix("/*"))
    return text


def _check_trust_domain(context: Context, path: Path, value: str, trusts: Mapping[str, Any]) -> None:
    domains = [_trust_domain(trust) for trust in trusts.values()]
    domain = SpiffeId.parse(value.removesuffix("/*")).trust_domain
    if None not in domains and domain not in domains:
        context.report.unknown(
            path, "trust domain", domain, [known for known in domains if known is not None]
        )


def _trust_domain(trust: Any) -> str | None:
    """None if it is not known, because it is broken or not one."""
    if trust is None or is_broken(trust.trust_domain) or trust.trust_domain is None:
        return None
    try:
        return parse_trust_domain(trust.trust_domain)
    except ValueError:
        return None


def _help(key: str, value: str) -> str | None:
    if key == "spiffe" and "*" in value:
        return "only a last `/*` stands for whole segments"
    if key == "spiffe" and not value.startswith("spiffe://"):
        return f"did you mean `spiffe://{value.lstrip('/')}`?"
    return None
