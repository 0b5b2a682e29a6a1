"""Issuers of tokens: a preset, and what the policy says beside it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from authz.identity.claimkinds import ClaimKind
from authz.identity.issuer import Issuer
from authz.identity.presets.preset import Preset
from authz.identity.profile import TokenProfile
from authz.policy.identityparts import IssuerPart
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken
from authz.policy.sections.introspection import build_introspection
from authz.policy.sections.keylocations import key_location
from authz.policy.sections.presets import filled_preset, iss_of

_MAX_LEEWAY = timedelta(minutes=5)
_REFRESH = (timedelta(seconds=10), timedelta(days=1))
_LIFETIME = (timedelta(seconds=10), timedelta(days=366))
_SPACE = re.compile(r"[\s\x00-\x1f]")


def build_issuer(context: Context, name: str, part: IssuerPart) -> Issuer | None:
    path: Path = ("issuers", name)
    report = context.report
    before = len(report.problems)
    _check_durations(context, path, part)
    preset = filled_preset(context, path, part)
    if not is_broken(part.issuer) and part.issuer is not None and _SPACE.search(part.issuer):
        report.add("value", (*path, "issuer"), "the issuer has a space in it", "it is compared byte for byte")
    if preset is None:
        return None
    _check_fixed(context, path, part, preset)
    location = key_location(context, path, part, preset)
    profile = None if is_broken(*part.__dict__.values()) else _profile(part, preset.profile)
    introspection = build_introspection(
        context, path, part, single_use=profile is not None and profile.single_use
    )
    if len(report.problems) != before or location is None or profile is None:
        return None
    return Issuer(
        name=name,
        issuer=preset.issuer or "",
        audiences=frozenset(part.audiences or preset.audiences),
        keys=location,
        algorithms=frozenset(part.algorithms or preset.algorithms),
        token_types=_token_types(part.token_types or preset.token_types),
        subject_claim=part.subject_claim or preset.subject_claim,
        groups_claim=part.groups_claim or preset.groups_claim,
        required_claims=frozenset(part.required_claims),
        leeway_seconds=part.leeway.total_seconds(),
        max_token_bytes=part.max_token_bytes,
        max_groups=part.max_groups,
        profile=profile,
        introspection=introspection,
    )


def check_issuers_differ(context: Context, parts: Mapping[str, IssuerPart | None]) -> None:
    """Two entries for one `iss` would make the answer a matter of their order."""
    first: dict[str, str] = {}
    for name, part in parts.items():
        iss = None if part is None else iss_of(part)
        if part is None or iss is None:
            continue
        known = first.setdefault(iss, name)
        if known != name:
            context.report.add(
                "conflict",
                ("issuers", name, "issuer") if part.issuer is not None else ("issuers", name),
                f"the issuer `{iss}` is that of `{known}`, too",
                "keep one entry",
            )


def _profile(part: IssuerPart, profile: TokenProfile) -> TokenProfile:
    lifetime = part.max_lifetime
    return replace(
        profile,
        declared={name: ClaimKind(kind) for name, kind in part.claims.items()},
        oauth_scopes=frozenset(part.oauth_scopes or ()),
        single_use=profile.single_use if part.single_use is None else part.single_use,
        max_lifetime_seconds=profile.max_lifetime_seconds if lifetime is None else lifetime.total_seconds(),
    )


def _check_fixed(context: Context, path: Path, part: IssuerPart, preset: Preset) -> None:
    """What a preset leaves no choice of, and what it leaves to the policy."""
    if preset.audiences and part.audiences is not None:
        context.report.add(
            "conflict",
            (*path, "audiences"),
            f"`audiences`, with `preset: {preset.name}`",
            f"its tokens are for `{preset.audiences[0]}`; leave the key out",
            key=True,
        )
    elif not preset.audiences and part.audiences is None:
        context.report.add(
            "missing",
            path,
            "`audiences` is missing",
            "name the `aud` of the tokens that are meant for the warehouses",
        )
    if preset.shared_secrets and part.algorithms is not None:
        context.report.add(
            "conflict",
            (*path, "algorithms"),
            f"`algorithms`, with `preset: {preset.name}`",
            f"its tokens are signed with {preset.algorithms[0]}; leave the key out",
            key=True,
        )
    longest = part.max_lifetime or preset.profile.max_lifetime_seconds
    if part.single_use is True and longest is None:
        context.report.add(
            "missing",
            path,
            "`max_lifetime` is missing",
            "with `single_use`, every token is remembered until it ends: say how long that may be",
        )


def _check_durations(context: Context, path: Path, part: IssuerPart) -> None:
    report = context.report
    if not is_broken(part.leeway) and part.leeway > _MAX_LEEWAY:
        report.add(
            "value",
            (*path, "leeway"),
            "more than `5m`",
            "expired tokens live on by as much; set the clocks instead",
        )
    if not is_broken(part.refresh) and not _REFRESH[0] <= part.refresh <= _REFRESH[1]:
        report.add("value", (*path, "refresh"), "expected `10s` to `1d`")
    lifetime = part.max_lifetime
    if lifetime is not None and not is_broken(lifetime) and not _LIFETIME[0] <= lifetime <= _LIFETIME[1]:
        report.add("value", (*path, "max_lifetime"), "expected `10s` to `366d`")


def _token_types(types: tuple[str, ...] | list[str]) -> frozenset[str]:
    # RFC 7515 section 4.1.9: `application/` may be left out, and media types ignore case.
    return frozenset(kind.lower().removeprefix("application/") for kind in types)
