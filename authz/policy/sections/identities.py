"""Client certificates."""

from authz.identity.spiffe import parse_trust_domain
from authz.identity.trust import CertificateNames, CertificateTrust, CrlCheck
from authz.policy.document import CertificateTrustPart
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken


def build_trust(context: Context, name: str, part: CertificateTrustPart) -> CertificateTrust | None:
    path: Path = ("client_certificates", name)
    report = context.report
    before = len(report.problems)
    if not is_broken(part.identity, part.trust_domain):
        _check_trust_domain(context, path, part)
    if part.crl_check is not None and part.crls is None:
        report.add(
            "missing",
            (*path, "crl_check"),
            "`crls` is missing",
            "without revocation lists there is nothing to check",
            key=True,
        )
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
        crls=tuple(
            context.file((*path, "crls", number), name) for number, name in enumerate(part.crls or ())
        ),
        crl_check=CrlCheck(part.crl_check or CrlCheck.LEAF),
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
