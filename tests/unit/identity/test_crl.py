"""Revocation lists as files: which are read, which are refused, and whose they are."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from authz.identity.crl import CrlError, CrlScope, RevocationList, parse_crls
from tests.pki import Authority, authority, crl_der, crl_pem, make_authority
from tests.tokens import NOW

ROOT = authority()
OTHER = authority("Another Root CA")
POINT = "http://crl.acme.example/clients.crl"


def point(**fields: object) -> x509.IssuingDistributionPoint:
    settled: dict[str, object] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**settled, **fields})


def parse(*contents: bytes, authorities: tuple[Authority, ...] = (ROOT,)) -> tuple[RevocationList, ...]:
    files = [(f"{number}.crl", content) for number, content in enumerate(contents, start=1)]
    return parse_crls(files, [each.certificate for each in authorities])[0]


def problems(*contents: bytes, authorities: tuple[Authority, ...] = (ROOT,)) -> tuple[str, ...]:
    files = [(f"{number}.crl", content) for number, content in enumerate(contents, start=1)]
    return parse_crls(files, [each.certificate for each in authorities])[1]


def element(tag: int, content: bytes) -> bytes:
    """One DER element."""
    size = len(content).to_bytes(2, "big").lstrip(b"\0")
    length = size if len(content) < 128 else bytes([0x80 + len(size)]) + size
    return bytes([tag]) + length + content


def elements(content: bytes) -> list[bytes]:
    """The DER elements that stand one after the other."""
    found = []
    while content:
        start = start_of(content)
        size = content[1] if start == 2 else int.from_bytes(content[2:start], "big")
        found.append(content[: start + size])
        content = content[start + size :]
    return found


def start_of(der: bytes) -> int:
    """Where the content of an element begins."""
    return 2 if der[1] < 128 else 2 + der[1] - 128


def without_next_update(made: x509.CertificateRevocationList) -> bytes:
    """A list that is signed and says nothing of the next one."""
    tbs = made.tbs_certlist_bytes
    parts = elements(tbs[start_of(tbs) :])
    cut = element(0x30, b"".join(part for number, part in enumerate(parts) if number != 4))
    assert isinstance(ROOT.private, ec.EllipticCurvePrivateKey)
    signature = ROOT.private.sign(cut, ec.ECDSA(hashes.SHA256()))
    return element(0x30, cut + parts[1] + element(0x03, b"\x00" + signature))


URI_POINT = (x509.UniformResourceIdentifier(POINT),)
DIRECTORY_NAME = (x509.DirectoryName(x509.Name([])),)
GOOD = crl_pem(ROOT.crl(5))
LIST = ROOT.crl(5)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "1.crl: no revocation list"),
        (b"# nothing\n", "1.crl: no revocation list"),
        (b"\xff\xfe", "1.crl: neither PEM nor DER"),
        (b"0", "1.crl: not a revocation list that can be read"),
        (b"junk", "1.crl: line 1: got something else than a revocation list block"),
        (GOOD + b"junk", "got something else than a revocation list block"),
        (GOOD[:-10], "a revocation list block has a line that is not base64"),
        (
            GOOD.replace(b"X509 CRL", b"CERTIFICATE"),
            "1.crl: line 1: got something else than a revocation list block",
        ),
        (ROOT.pem, "1.crl: line 1: got something else than a revocation list block"),
        (crl_der(LIST) + b"x", "1.crl: not a revocation list that can be read"),
        (crl_der(LIST)[:-1], "1.crl: not a revocation list that can be read"),
        (
            crl_pem(OTHER.crl(5)),
            "1.crl: not signed by an authority of this trust, but by `CN=Another Root CA`",
        ),
        (crl_pem(ROOT.crl(5, private=OTHER.private)), "1.crl: not signed by an authority of this trust"),
        (crl_pem(make_authority("Test Root CA").crl(5)), "1.crl: not signed by an authority of this trust"),
        (crl_pem(ROOT.crl(5, extra=[(x509.DeltaCRLIndicator(1), True)])), "1.crl: a delta list"),
        (crl_pem(ROOT.crl(5, extra=[(x509.DeltaCRLIndicator(1), False)])), "1.crl: a delta list"),
        (
            crl_pem(ROOT.crl(5, extra=[(UNKNOWN, True)])),
            "1.crl: a critical extension that is not known (1.2.3.4)",
        ),
        (
            crl_pem(ROOT.crl(5, extra=[(point(indirect_crl=True), True)])),
            "1.crl: an indirect list",
        ),
        (
            crl_pem(ROOT.crl(5, entry_extra=[(x509.CertificateIssuer(DIRECTORY_NAME), True)])),
            "1.crl: an indirect list",
        ),
        (crl_pem(ROOT.crl(5, entry_extra=[(UNKNOWN, True)])), "1.crl: an entry has a critical extension"),
        (
            crl_pem(ROOT.crl(5, extra=[(point(only_contains_attribute_certs=True), True)])),
            "1.crl: a list of some reasons or attribute certificates only",
        ),
        (
            crl_pem(
                ROOT.crl(
                    5,
                    extra=[(point(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})), True)],
                )
            ),
            "1.crl: a list of some reasons or attribute certificates only",
        ),
        (
            crl_pem(ROOT.crl(5, extra=[(point(full_name=DIRECTORY_NAME), True)])),
            "1.crl: a list for a distribution point that has no URI",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_whole(content: bytes, message: str) -> None:
    """A list that is not understood would be read as one that names nobody."""
    with pytest.raises(CrlError) as caught:
        parse(content)
    assert message in str(caught.value)


def test_a_list_that_never_gets_stale_is_refused() -> None:
    """RFC 5280 section 5.1.2.5: `nextUpdate` must be there."""
    with pytest.raises(CrlError, match=r"1\.crl: no `nextUpdate`"):
        parse(without_next_update(ROOT.crl(5)))


def test_a_list_over_a_weak_hash_is_refused() -> None:
    """SHA-1 can be made to fit another list. (The library would not sign one with it.)"""
    for digest in (hashes.SHA224(), hashes.SHA3_256()):
        with pytest.raises(CrlError, match="neither SHA-256, SHA-384 nor SHA-512"):
            parse(crl_pem(ROOT.crl(5, digest=digest)))


def test_an_authority_that_may_sign_no_lists_signs_none() -> None:
    """RFC 5280 section 6.3.3 (f): key usage without cRLSign."""
    private = ec.generate_private_key(ec.SECP256R1())
    leaf = ROOT.issue(private=private, ca=True, usages=("key_cert_sign",), extended=None)
    below = Authority(leaf.certificate, private)
    with pytest.raises(CrlError, match="not signed by an authority of this trust"):
        parse(crl_pem(below.crl(5)), authorities=(ROOT, below))


@pytest.mark.parametrize("content", [crl_pem(LIST), crl_der(LIST), b"# ours\n\n" + crl_pem(LIST)])
def test_a_list_is_read_from_pem_and_der(content: bytes) -> None:
    """The neighbour of the refused ones."""
    (made,) = parse(content)
    assert made.serials == {5}
    assert (made.this_update, made.next_update, made.number) == (NOW - 3600, NOW + 86_400, 1)
    assert (made.scope, made.points) == (CrlScope.ALL, frozenset())
    assert not made.is_stale(NOW + 86_399)
    assert made.is_stale(NOW + 86_400)


def test_an_empty_list_is_a_list() -> None:
    """It says that nothing is revoked."""
    assert parse(crl_pem(ROOT.crl()))[0].serials == frozenset()


@pytest.mark.parametrize("reason", sorted(x509.ReasonFlags, key=lambda each: each.value))
def test_whatever_the_reason_the_certificate_is_revoked(reason: x509.ReasonFlags) -> None:
    """On hold is not good; and `removeFromCRL` belongs into delta lists, so here it removes nothing."""
    if reason is x509.ReasonFlags.unspecified:
        return  # the builder refuses to write it; an entry without a reason says the same
    for critical in (False, True):
        made = ROOT.crl(5, entry_extra=[(x509.CRLReason(reason), critical)])
        assert parse(crl_pem(made))[0].serials == {5}


def test_lists_of_others_in_a_file_of_ours_are_left_out_and_reported() -> None:
    """A file that collects all lists of a company."""
    content = crl_pem(OTHER.crl(7), ROOT.crl(5))
    assert [made.serials for made in parse(content)] == [{5}]
    assert problems(content) == (
        "1.crl: list 1: not signed by an authority of this trust, but by `CN=Another Root CA`",
    )


def test_a_file_of_others_only_is_refused() -> None:
    """Beside a good one, too: somebody has put it there by mistake, and the list that was meant is missing."""
    with pytest.raises(CrlError, match=r"2\.crl: not signed by an authority of this trust"):
        parse(GOOD, crl_pem(OTHER.crl(7)))


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_lists_of_one_authority_the_newer_counts(*, turned: bool) -> None:
    """Whatever the order; the older one is reported."""
    old = crl_pem(ROOT.crl(5, this_update=NOW - 7200, number=9))
    new = crl_pem(ROOT.crl(6, this_update=NOW - 3600, number=8))
    contents = (new, old) if turned else (old, new)
    assert [made.serials for made in parse(*contents)] == [{6}]
    (problem,) = problems(*contents)
    assert problem == f"{2 if turned else 1}.crl: older than another list of `CN=Test Root CA`"


def test_of_two_lists_of_one_moment_the_higher_number_counts() -> None:
    """RFC 5280 section 5.2.3."""
    first, second = ROOT.crl(5, number=1), ROOT.crl(6, number=2)
    assert [made.serials for made in parse(crl_pem(second, first))] == [{6}]


def test_each_key_of_a_name_has_lists_of_its_own() -> None:
    """After a rekey under the same name, no list covers what the other key has signed."""
    renewed = make_authority("Test Root CA")
    made = parse(crl_pem(ROOT.crl(5), renewed.crl(6)), authorities=(ROOT, renewed))
    assert sorted(sorted(each.serials) for each in made) == [[5], [6]]
    assert len({each.authority for each in made}) == 2


@pytest.mark.parametrize(
    ("settings", "scope", "covers_leaf", "covers_authority"),
    [
        ({}, CrlScope.ALL, True, True),
        ({"only_contains_user_certs": True}, CrlScope.LEAVES, True, False),
        ({"only_contains_ca_certs": True}, CrlScope.AUTHORITIES, False, True),
    ],
)
def test_a_list_speaks_for_its_kind_of_certificate(
    *, settings: dict[str, object], scope: CrlScope, covers_leaf: bool, covers_authority: bool
) -> None:
    """RFC 5280 section 6.3.3 (b)(2)."""
    fields = {"full_name": URI_POINT, **settings}
    (made,) = parse(crl_pem(ROOT.crl(5, extra=[(point(**fields), True)])))
    assert made.scope is scope
    published = x509.CRLDistributionPoints(
        [x509.DistributionPoint(full_name=URI_POINT, relative_name=None, reasons=None, crl_issuer=None)]
    )
    certificate = ROOT.issue(extra=[(published, False)]).certificate
    assert made.covers(certificate, is_authority=False) is covers_leaf
    assert made.covers(certificate, is_authority=True) is covers_authority


def test_a_partition_speaks_for_its_own_certificates_only() -> None:
    """Those that say that they would be named there."""
    (made,) = parse(crl_pem(ROOT.crl(5, extra=[(point(full_name=URI_POINT), True)])))
    assert made.points == {POINT}
    elsewhere = x509.CRLDistributionPoints(
        [
            x509.DistributionPoint(
                full_name=[x509.UniformResourceIdentifier(POINT + "2")],
                relative_name=None,
                reasons=None,
                crl_issuer=None,
            )
        ]
    )
    for certificate in (ROOT.issue().certificate, ROOT.issue(extra=[(elsewhere, False)]).certificate):
        assert not made.covers(certificate, is_authority=False)


def test_partitions_stand_beside_each_other() -> None:
    """Neither replaces the other."""
    lists = [
        ROOT.crl(serial, extra=[(point(full_name=[x509.UniformResourceIdentifier(uri)]), True)])
        for serial, uri in ((5, POINT), (6, POINT + "2"))
    ]
    assert sorted(sorted(made.serials) for made in parse(crl_pem(*lists))) == [[5], [6]]
    assert problems(crl_pem(*lists)) == ()
