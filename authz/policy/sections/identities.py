"""Issuers and client certificates."""

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from authz.identity.issuer import Issuer, KeyLocation, KeyOrigin
from authz.identity.spiffe import parse_trust_domain
from authz.identity.trust import CertificateNames, CertificateTrust
from authz.policy.document import CertificateTrustPart, IssuerPart
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken

_MAX_LEEWAY = timedelta(minutes=5)
_REFRESH = (timedelta(seconds=10), timedelta(days=1))
_SPACE = re.compile(r"[\s\x00-\x1f]")


def build_issuer(context: Context, name: str, part: IssuerPart) -> Issuer | None:
    path: Path = ("issuers", name)
    report = context.report
    before = len(report.problems)
    _check_durations(context, path, part)
    location = _location(context, path, part)
    types = _token_types(part)
    if not is_broken(part.issuer) and _SPACE.search(part.issuer):
        report.add("value", (*path, "issuer"), "the issuer has a space in it", "it is compared byte for byte")
    if len(report.problems) != before or location is None or is_broken(*part.__dict__.values()):
        return None
    return Issuer(
        name=name,
        issuer=part.issuer,
        audiences=frozenset(part.audiences),
        keys=location,
        algorithms=frozenset(part.algorithms),
        token_types=types,
        subject_claim=part.subject_claim,
        groups_claim=part.groups_claim,
        required_claims=frozenset(part.required_claims),
        leeway_seconds=part.leeway.total_seconds(),
        max_token_bytes=part.max_token_bytes,
        max_groups=part.max_groups,
    )


def check_issuers_differ(context: Context, parts: Mapping[str, IssuerPart | None]) -> None:
    """Two entries for one `iss` would make the answer a matter of their order."""
    first: dict[str, str] = {}
    for name, part in parts.items():
        if part is None or is_broken(part.issuer):
            continue
        known = first.setdefault(part.issuer, name)
        if known != name:
            context.report.add(
                "conflict",
                ("issuers", name, "issuer"),
                f"the issuer `{part.issuer}` is that of `{known}`, too",
                "keep one entry",
            )


def build_trust(context: Context, name: str, part: CertificateTrustPart) -> CertificateTrust | None:
    path: Path = ("client_certificates", name)
    report = context.report
    before = len(report.problems)
    if not is_broken(part.identity, part.trust_domain):
        _check_trust_domain(context, path, part)
    if len(report.problems) != before or is_broken(*part.__dict__.values()):
        return None
    return CertificateTrust(
        name=name,
        roots=context.file((*path, "roots"), part.roots),
        identity=CertificateNames(part.identity),
        trust_domain=part.trust_domain,
        intermediates=None
        if part.intermediates is None
        else context.file((*path, "intermediates"), part.intermediates),
    )


def _check_trust_domain(context: Context, path: Path, part: CertificateTrustPart) -> None:
    report = context.report
    if part.identity != "spiffe":
        if part.trust_domain is not None:
            report.add(
                "conflict",
                (*path, "trust_domain"),
                f"a trust domain, with `identity: {part.identity}`",
                "it belongs to `identity: spiffe`",
                key=True,
            )
        return
    if part.trust_domain is None:
        report.add(
            "missing",
            path,
            "`trust_domain` is missing",
            "with `identity: spiffe`, roots vouch for one trust domain only; say which",
            key=True,
        )
        return
    try:
        parse_trust_domain(part.trust_domain)
    except ValueError as error:
        bare = part.trust_domain.removeprefix("spiffe://").rstrip("/").lower()
        report.add(
            "value",
            (*path, "trust_domain"),
            f"got `{part.trust_domain}`: {error}",
            f"did you mean `{bare}`?" if bare != part.trust_domain and "/" not in bare else None,
        )


def _check_durations(context: Context, path: Path, part: IssuerPart) -> None:
    if not is_broken(part.leeway) and part.leeway > _MAX_LEEWAY:
        context.report.add(
            "value",
            (*path, "leeway"),
            "more than `5m`",
            "expired tokens live on by as much; set the clocks instead",
        )
    if not is_broken(part.refresh) and not _REFRESH[0] <= part.refresh <= _REFRESH[1]:
        context.report.add("value", (*path, "refresh"), "expected `10s` to `1d`")


def _location(context: Context, path: Path, part: IssuerPart) -> KeyLocation | None:
    if is_broken(part.jwks_file, part.jwks_url, part.issuer, part.allow_http):
        return None
    if part.jwks_file is not None and part.jwks_url is not None:
        context.report.add(
            "conflict",
            (*path, "jwks_url"),
            "`jwks_file` and `jwks_url` are two places for one key set",
            "keep one of them",
            key=True,
        )
        return None
    if part.jwks_file is not None:
        return _at(context, path, part, KeyOrigin.FILE, context.file((*path, "jwks_file"), part.jwks_file))
    if part.jwks_url is not None:
        _check_url(context, (*path, "jwks_url"), part.jwks_url, part, discovery=False)
        return _at(context, path, part, KeyOrigin.URL, part.jwks_url)
    _check_url(context, (*path, "issuer"), part.issuer, part, discovery=True)
    return _at(context, path, part, KeyOrigin.DISCOVERY, part.issuer)


def _at(context: Context, path: Path, part: IssuerPart, origin: KeyOrigin, place: str) -> KeyLocation | None:
    if is_broken(part.allow_private_addresses, part.ca_file, part.refresh):
        return None
    return KeyLocation(
        origin=origin,
        place=place,
        allow_http=part.allow_http,
        allow_private_addresses=part.allow_private_addresses,
        ca_file=None if part.ca_file is None else context.file((*path, "ca_file"), part.ca_file),
        refresh_seconds=part.refresh.total_seconds(),
    )


def _check_url(context: Context, path: Path, url: str, part: IssuerPart, *, discovery: bool) -> None:
    """OpenID Connect Discovery section 4: the issuer is a URL without query and fragment."""
    add = context.report.add
    instead = "; or say where its keys are, with `jwks_url` or `jwks_file`" if discovery else ""
    authority = url.removeprefix("https://").removeprefix("http://").partition("/")[0]
    if "@" in authority:
        # The text is not repeated: what stands before the `@` is a password.
        add("credentials", path, "the URL carries credentials", "a key set is public; leave them out")
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        add("value", path, f"got `{url}`, expected a URL", f"write `https://…`{instead}")
        return
    if parts.scheme not in {"https", "http"} or not host:
        add("value", path, f"got `{url}`, expected a URL to fetch keys from", f"write `https://…`{instead}")
    elif parts.fragment or (discovery and parts.query):
        add("value", path, f"got `{url}`, expected a URL without {'fragment' if parts.fragment else 'query'}")
    elif parts.scheme == "http" and not part.allow_http:
        add(
            "insecure",
            path,
            "keys fetched without TLS can be anybody's",
            "use `https://`, or `allow_http: true` in development",
        )


def _token_types(part: IssuerPart) -> frozenset[str]:
    if is_broken(part.token_types):
        return frozenset()
    # RFC 7515 section 4.1.9: `application/` may be left out, and media types ignore case.
    return frozenset(kind.lower().removeprefix("application/") for kind in part.token_types)
