"""What is remembered of authorities changes the cost of a verdict, never the verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz.errors import Denied
from authz.identity.certificates import (
    TrustBundle,
    parse_trust_bundle,
    usable_authorities,
    verify_certificate,
)
from authz.identity.peercertificate import parse_peer_certificate
from authz.identity.trust import CertificateNames, CertificateTrust
from tests.pki import (
    EXTRACT_ID,
    TRUST_DOMAIN,
    Authority,
    Leaf,
    authority,
    crl_pem,
    dns,
    make_authority,
    moment,
    uri,
)
from tests.tokens import NOW

DAY = 86_400.0
_DER = Encoding.DER
SPIFFE = CertificateTrust(
    name="extracts",
    roots="roots.pem",
    intermediates="below.pem",
    identity=CertificateNames.SPIFFE,
    trust_domain=TRUST_DOMAIN,
)


def bundle(
    *roots: Authority,
    below: tuple[Authority, ...] = (),
    trust: CertificateTrust = SPIFFE,
    crls: bytes | None = None,
) -> TrustBundle:
    return parse_trust_bundle(
        trust,
        b"".join(each.pem for each in roots),
        b"".join(each.pem for each in below) or None,
        () if crls is None else (crls,),
    )


def verdict(
    leaf: Leaf, made: TrustBundle, now: float = NOW, presented: Mapping[bytes, x509.Certificate] | None = None
) -> object:
    """Everything that is known of a certificate, or why it is refused."""
    try:
        return verify_certificate(
            parse_peer_certificate(leaf.pem),
            (made.trust.name,),
            {made.trust.name: made},
            now,
            presented or {},
        )
    except Denied as denied:
        return denied.reason, denied.detail


def known(made: TrustBundle, leaf: Leaf, now: float = NOW) -> bool:
    """Whether the chain of `leaf` is known without asking the roots."""
    return made.proven.chain(leaf.certificate, moment(now)) is not None


def test_the_second_certificate_below_an_authority_is_found_good_without_its_root() -> None:
    root = authority()
    below = root.intermediate()
    made = bundle(root, below=(below,))
    first, second = below.issue(), below.issue()
    assert not known(made, first)
    verdict(first, made)
    assert known(made, second)
    assert made.proven.chain(second.certificate, moment(NOW)) == [
        second.certificate,
        below.certificate,
        root.certificate,
    ]


@dataclass(frozen=True)
class Case:
    """Somebody who is found good first, then somebody else at some other time."""

    bundle: Callable[[], TrustBundle]
    first: Leaf
    second: Leaf
    now: float = NOW
    presented: tuple[Authority, ...] = field(default=())


def _cases() -> dict[str, Case]:
    root = authority()
    below = root.intermediate(not_after=NOW + DAY / 4)

    def plain() -> TrustBundle:
        return bundle(root, below=(below,))

    good = below.issue()
    impostor = make_authority("Intermediate CA")
    late_root = make_authority("Short Root", not_after=NOW + DAY / 4)
    under_late = late_root.intermediate(not_after=NOW + DAY)
    early_root = make_authority("Young Root", not_before=NOW - 60)
    under_early = early_root.intermediate()
    deep = root.intermediate("Deep CA", path_length=1)
    deeper = deep.intermediate("Deeper CA")
    too_deep = below.intermediate("Too Deep CA")
    dns_trust = CertificateTrust(
        name="tools", roots="roots.pem", intermediates="below.pem", identity=CertificateNames.DNS
    )
    only = x509.NameConstraints(permitted_subtrees=[x509.DNSName("acme.example")], excluded_subtrees=None)
    narrow = root.intermediate("Narrow CA", extra=[(only, True)], path_length=1)
    under_narrow = narrow.intermediate("Under Narrow CA")
    return {
        "of the same authority": Case(plain, good, below.issue()),
        "of another name": Case(plain, good, below.issue([uri("spiffe://other.example/x")])),
        "of no name": Case(plain, good, below.issue(None)),
        "of an authority with that name and another key": Case(plain, good, impostor.issue()),
        "directly of the root": Case(plain, good, root.issue()),
        "expired": Case(plain, good, below.issue(not_after=NOW - 60)),
        "an authority itself": Case(plain, good, below.issue(ca=True)),
        "without a purpose": Case(plain, good, below.issue(extended=None)),
        "when the authority has expired": Case(plain, good, below.issue(), now=NOW + DAY / 2),
        "when the root has expired": Case(
            lambda: bundle(late_root, below=(under_late,)),
            under_late.issue(),
            under_late.issue(),
            now=NOW + DAY / 2,
        ),
        "before the root was valid": Case(
            lambda: bundle(early_root, below=(under_early,)),
            under_early.issue(),
            under_early.issue(),
            now=NOW - 600,
        ),
        "two authorities down": Case(
            lambda: bundle(root, below=(deep, deeper)), deeper.issue(), deeper.issue([uri(EXTRACT_ID + "/2")])
        ),
        "one up, after two down": Case(
            lambda: bundle(root, below=(deep, deeper)), deeper.issue(), deep.issue()
        ),
        "below one that may have none below": Case(
            lambda: bundle(root, below=(below, too_deep)), good, too_deep.issue()
        ),
        "below an authority that the client has shown": Case(
            lambda: bundle(root), good, below.issue(), presented=(below,)
        ),
        "of the names that an authority above may speak for": Case(
            lambda: bundle(root, below=(narrow, under_narrow), trust=dns_trust),
            under_narrow.issue([dns("a.acme.example")]),
            under_narrow.issue([dns("b.acme.example")]),
        ),
        "of names that an authority above may not speak for": Case(
            lambda: bundle(root, below=(narrow, under_narrow), trust=dns_trust),
            under_narrow.issue([dns("a.acme.example")]),
            under_narrow.issue([dns("b.evil.example")]),
        ),
    }


CASES = _cases()
REFUSED = {
    "of another name",
    "of no name",
    "of an authority with that name and another key",
    "expired",
    "an authority itself",
    "without a purpose",
    "when the authority has expired",
    "when the root has expired",
    "before the root was valid",
    "below one that may have none below",
    "of names that an authority above may not speak for",
}


@pytest.mark.parametrize("name", CASES)
def test_a_verdict_is_the_same_whatever_was_found_good_before(name: str) -> None:
    case = CASES[name]
    presented = usable_authorities([each.certificate.public_bytes(_DER) for each in case.presented])
    fresh, warm = case.bundle(), case.bundle()
    assert not isinstance(verdict(case.first, warm, presented=presented), tuple)
    found = verdict(case.second, warm, case.now, presented)
    assert found == verdict(case.second, fresh, case.now, presented)
    assert isinstance(found, tuple) == (name in REFUSED)


def test_an_authority_that_only_the_client_has_shown_is_not_remembered() -> None:
    root = authority()
    below = root.intermediate()
    made = bundle(root)
    presented = usable_authorities([below.certificate.public_bytes(_DER)])
    assert not isinstance(verdict(below.issue(), made, presented=presented), tuple)
    assert not known(made, below.issue())
    assert isinstance(verdict(below.issue(), made), tuple)


def test_an_authority_below_name_constraints_is_not_remembered() -> None:
    case = CASES["of the names that an authority above may speak for"]
    made = case.bundle()
    assert not isinstance(verdict(case.first, made), tuple)
    assert not known(made, case.second)


def test_the_revocation_of_a_certificate_counts_below_a_remembered_authority() -> None:
    root = authority()
    below = root.intermediate()
    good, revoked = below.issue(), below.issue()
    trust = replace(SPIFFE, crls=("lists.pem",))
    made = bundle(root, below=(below,), trust=trust, crls=crl_pem(root.crl(), below.crl(revoked.certificate)))
    assert not isinstance(verdict(good, made), tuple)
    assert known(made, revoked)
    found = verdict(revoked, made)
    assert isinstance(found, tuple)
    assert found[0].value == "certificate_revoked"
