"""Whether a client certificate is revoked: named, unknown, stale, and until when that is known."""

import pytest
from cryptography import x509

from authz.errors import Denied, Reason
from authz.identity.certificates import (
    TrustBundle,
    TrustBundleError,
    VerifiedCertificate,
    parse_trust_bundle,
    verify_certificate,
)
from authz.identity.peercertificate import parse_peer_certificate
from authz.identity.trust import CertificateNames, CertificateTrust, CrlCheck
from tests.pki import TRUST_DOMAIN, Authority, Leaf, authority, crl_pem, make_authority, uri
from tests.tokens import NOW

ROOT = authority()
BELOW = ROOT.intermediate()
LEAF = BELOW.issue()
NEIGHBOUR = BELOW.issue()
FAR = NOW + 5 * 86_400


def bundle(
    *lists: x509.CertificateRevocationList,
    check: CrlCheck = CrlCheck.LEAF,
    name: str = "extracts",
    below: tuple[Authority, ...] = (BELOW,),
    roots: tuple[Authority, ...] = (ROOT,),
) -> TrustBundle:
    trust = CertificateTrust(
        name=name,
        roots="roots.pem",
        identity=CertificateNames.SPIFFE,
        trust_domain=TRUST_DOMAIN,
        intermediates="below.pem",
        crls=tuple(f"{number}.crl" for number, _ in enumerate(lists, start=1)),
        crl_check=check,
    )
    return parse_trust_bundle(
        trust,
        b"".join(root.pem for root in roots),
        b"".join(each.pem for each in below),
        [crl_pem(each) for each in lists],
    )


def verify(leaf: Leaf, *bundles: TrustBundle, now: float = NOW) -> VerifiedCertificate:
    by_name = {each.trust.name: each for each in bundles}
    return verify_certificate(parse_peer_certificate(leaf.pem), by_name, by_name, now)


def refusal(leaf: Leaf, *bundles: TrustBundle, now: float = NOW) -> Denied:
    with pytest.raises(Denied) as caught:
        verify(leaf, *bundles, now=now)
    return caught.value


def test_a_certificate_that_is_named_is_revoked() -> None:
    """And its neighbour of the same authority is not."""
    named = bundle(BELOW.crl(LEAF.certificate))
    denied = refusal(LEAF, named)
    assert (denied.reason, denied.detail) == (
        Reason.CERTIFICATE_REVOKED,
        "the certificate is revoked by 1.crl",
    )
    assert verify(NEIGHBOUR, named)


def test_without_lists_revocation_is_not_looked_at() -> None:
    """It was not asked for."""
    assert verify(LEAF, bundle())


def test_an_empty_list_revokes_nothing() -> None:
    """It is an answer, and not the lack of one."""
    assert verify(LEAF, bundle(BELOW.crl()))


def test_the_same_serial_number_of_another_authority_is_another_certificate() -> None:
    """Serial numbers are an authority's own."""
    assert verify(LEAF, bundle(BELOW.crl(), ROOT.crl(LEAF.certificate)))


def test_a_missing_list_of_the_clients_authority_denies() -> None:
    """That of the root does not speak for what the intermediate has signed."""
    denied = refusal(LEAF, bundle(ROOT.crl()))
    assert denied.reason is Reason.CERTIFICATE_REVOCATION_UNKNOWN
    assert "no list of `CN=Intermediate CA`" in denied.detail


def test_a_stale_list_denies() -> None:
    """From `nextUpdate` on, to the second; the detail says for how long."""
    lists = bundle(BELOW.crl(next_update=NOW + 10))
    assert verify(LEAF, lists, now=NOW + 9)
    denied = refusal(LEAF, lists, now=NOW + 10)
    assert denied.reason is Reason.CERTIFICATE_REVOCATION_UNKNOWN
    assert "1.crl: stale for 0 s" in denied.detail


def test_a_stale_list_still_revokes_what_it_names() -> None:
    """Revoked is nearer to the truth than unknown."""
    lists = bundle(BELOW.crl(LEAF.certificate, next_update=NOW - 10, this_update=NOW - 20))
    assert refusal(LEAF, lists).reason is Reason.CERTIFICATE_REVOKED
    assert refusal(NEIGHBOUR, lists).reason is Reason.CERTIFICATE_REVOCATION_UNKNOWN


def test_a_verified_certificate_ends_with_its_list() -> None:
    """What is remembered must not outlive what it rests on; a list that is not needed limits nothing."""
    leaf = BELOW.issue(not_after=FAR)
    assert verify(leaf, bundle()).expires_at == FAR
    assert verify(leaf, bundle(BELOW.crl(next_update=NOW + 100))).expires_at == NOW + 100
    both = (BELOW.crl(next_update=NOW + 100), ROOT.crl(next_update=NOW + 50))
    assert verify(leaf, bundle(*both)).expires_at == NOW + 100
    assert verify(leaf, bundle(*both, check=CrlCheck.CHAIN)).expires_at == NOW + 50


def test_the_whole_chain_may_be_asked_for() -> None:
    """Then each authority below the root needs a fresh list, too."""
    alone = bundle(BELOW.crl(), check=CrlCheck.CHAIN)
    denied = refusal(LEAF, alone)
    assert denied.reason is Reason.CERTIFICATE_REVOCATION_UNKNOWN
    assert "no list of `CN=Test Root CA`" in denied.detail
    stale = bundle(BELOW.crl(), ROOT.crl(next_update=NOW), check=CrlCheck.CHAIN)
    assert refusal(LEAF, stale).reason is Reason.CERTIFICATE_REVOCATION_UNKNOWN
    assert verify(LEAF, bundle(BELOW.crl(), ROOT.crl(), check=CrlCheck.CHAIN))


@pytest.mark.parametrize("check", list(CrlCheck))
@pytest.mark.parametrize("fresh", [True, False])
def test_a_revoked_authority_takes_its_clients_with_it(check: CrlCheck, *, fresh: bool) -> None:
    """Where a list says so, whether or not it was asked for, and be it stale."""
    named = ROOT.crl(BELOW.certificate, next_update=NOW + 10 if fresh else NOW)
    denied = refusal(LEAF, bundle(BELOW.crl(), named, check=check))
    assert denied.reason is Reason.CERTIFICATE_REVOKED
    assert "an authority of the chain is revoked by 2.crl" in denied.detail


def test_a_stale_list_that_is_not_needed_does_no_harm() -> None:
    """With `leaf`, an offline root that publishes once a year is no reason to stop."""
    assert verify(LEAF, bundle(BELOW.crl(), ROOT.crl(next_update=NOW)))


def test_a_client_of_the_root_needs_the_roots_list() -> None:
    """The client's own authority, whichever that is."""
    leaf = ROOT.issue()
    assert refusal(leaf, bundle(BELOW.crl())).reason is Reason.CERTIFICATE_REVOCATION_UNKNOWN
    assert refusal(leaf, bundle(ROOT.crl(leaf.certificate))).reason is Reason.CERTIFICATE_REVOKED
    assert verify(leaf, bundle(ROOT.crl()))


def test_a_list_for_other_certificates_says_nothing() -> None:
    """A list of authorities only, or a partition: the client would not be named there."""
    limits = {
        "relative_name": None,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    points = [
        x509.IssuingDistributionPoint(
            full_name=None, only_contains_user_certs=False, only_contains_ca_certs=True, **limits
        ),
        x509.IssuingDistributionPoint(
            full_name=[x509.UniformResourceIdentifier("http://crl.acme.example/7")],
            only_contains_user_certs=False,
            only_contains_ca_certs=False,
            **limits,
        ),
    ]
    for point in points:
        denied = refusal(LEAF, bundle(BELOW.crl(LEAF.certificate, extra=[(point, True)])))
        assert denied.reason is Reason.CERTIFICATE_REVOCATION_UNKNOWN
        assert "the list is for other certificates of `CN=Intermediate CA`" in denied.detail


def test_an_authority_with_a_new_key_needs_a_new_list() -> None:
    """The list of the old key does not know what the new one has signed."""
    renewed = ROOT.intermediate()
    old = bundle(BELOW.crl(), below=(BELOW, renewed))
    assert verify(LEAF, old)
    assert refusal(renewed.issue(), old).reason is Reason.CERTIFICATE_REVOCATION_UNKNOWN
    assert verify(renewed.issue(), bundle(BELOW.crl(), renewed.crl(), below=(BELOW, renewed)))


def test_of_several_reasons_revoked_is_the_nearest() -> None:
    """The operator should learn that, and not that some other trust knows nothing of the certificate."""
    revoked = bundle(BELOW.crl(LEAF.certificate), name="z")
    others = (
        bundle(ROOT.crl(), name="a"),
        bundle(name="b", roots=(make_authority("Other"),), below=()),
    )
    assert refusal(LEAF, revoked, *others).reason is Reason.CERTIFICATE_REVOKED


def test_a_wrong_name_is_said_before_the_lists_are_looked_at() -> None:
    """A certificate that could not be used anyway needs no list."""
    leaf = BELOW.issue([uri("spiffe://evil.example/x")])
    assert refusal(leaf, bundle(ROOT.crl())).reason is Reason.CERTIFICATE_IDENTITY_INVALID


def test_a_bundle_changes_with_its_lists() -> None:
    """A new list is a new bundle, so nothing that was verified before is remembered."""
    made = BELOW.crl(number=1)
    assert bundle(made) == bundle(made)
    assert bundle(made) != bundle(BELOW.crl(number=2))
    assert bundle(made) != bundle()
    assert bundle(made) != bundle(made, check=CrlCheck.CHAIN)


def test_lists_are_part_of_what_is_reported() -> None:
    """As they get stale, and not only when they are read."""
    made = bundle(BELOW.crl(next_update=NOW + 10))
    assert made.problems(NOW) == ()
    assert made.problems(NOW + 10) == ("1.crl: stale revocation list of `CN=Intermediate CA`",)
    assert made.problems(NOW - 7200) == ("1.crl: revocation list from the future, of `CN=Intermediate CA`",)


def test_a_bad_list_is_a_bad_bundle() -> None:
    """The old bundle, with the old list, stays in force."""
    with pytest.raises(TrustBundleError, match=r"1\.crl: a delta list"):
        bundle(BELOW.crl(extra=[(x509.DeltaCRLIndicator(1), True)]))
    with pytest.raises(TrustBundleError, match=r"1\.crl: not signed by an authority of this trust"):
        bundle(make_authority("Other").crl())
