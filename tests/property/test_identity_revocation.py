"""Hostile chains, revocation lists, bundles and files of revocations: a denial or our own error, nothing else."""

import base64
import hashlib
import json
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz.errors import Denied, Reason
from authz.identity.authorities import TrustBundleError, parse_authorities
from authz.identity.certificates import usable_authorities
from authz.identity.crl import CrlError, parse_crls
from authz.identity.principal import CertificateIdentity, Claims, Method, Principal
from authz.identity.revocations import Blocked, Cut, Revocations
from authz.identity.xfcc import XfccError, parse_client_chain, parse_xfcc, sent_along
from authz.policy.problems import PolicyError, Problem
from authz.policy.revocationfile import parse_revocations
from authz.policy.yamlvalues import SourceText
from tests.pki import authority, crl_der, crl_pem
from tests.tokens import NOW

# No deadline: the machine may be busy, and none of these properties is about speed.
EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ROOT = authority()
BELOW = ROOT.intermediate()
LEAF = BELOW.issue()
LEAF_DIGEST = hashlib.sha256(LEAF.der).digest()
HEADER = f'Hash={LEAF_DIGEST.hex()};Chain="{quote(LEAF.pem + BELOW.pem.decode(), safe="-")}"'
LIST = ROOT.crl(5, 6, 7)
DER = crl_der(LIST)
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=200)


def read_chain(value: str) -> bool:
    """Whether the header is accepted; anything but `Denied` escapes and fails the test."""
    reason = None
    try:
        sent_along(value, LEAF_DIGEST)
    except Denied as denied:
        denied.detail.encode("utf-8")
        reason = denied.reason
    assert reason in {None, Reason.CERTIFICATE_MALFORMED, Reason.REQUEST_AMBIGUOUS}
    return reason is None


def test_what_is_changed_here_is_good() -> None:
    """Or the properties below would hold for nothing."""
    assert read_chain(HEADER)
    assert parse_crls([("a.crl", DER)], [ROOT.certificate])[0][0].serials == {5, 6, 7}


@EXAMPLES
@given(ANY_TEXT)
def test_any_text_is_no_chain(text: str) -> None:
    """Whatever stands in the header."""
    assert not read_chain(text)


@EXAMPLES
@given(
    st.lists(
        st.sampled_from(['"', "\\", ",", ";", "=", "Hash", "Chain", "URI", "x", "%0A", " "]), max_size=30
    )
)
def test_the_grammar_is_unambiguous(parts: list[str]) -> None:
    """What is read can be written again, and is then read as the same."""
    try:
        found = parse_xfcc("".join(parts))
    except XfccError:
        return
    written = ";".join(
        f'{key}="{value.translate({34: chr(92) + chr(34), 92: chr(92) * 2})}"'
        for key, values in found.items()
        for value in values
    )
    assert parse_xfcc(written) == found


@EXAMPLES
@given(st.integers(0, len(HEADER) - 1), st.characters(exclude_categories=[]))
def test_a_header_with_a_changed_character_is_about_the_same_leaf_or_refused(
    position: int, character: str
) -> None:
    """The leaf is bound by its hash; what else is in the header can only be another unverified authority."""
    changed = HEADER[:position] + character + HEADER[position + 1 :]
    assert not read_chain(changed) or parse_client_chain(changed).leaf == LEAF_DIGEST


@EXAMPLES
@given(ANY_TEXT, st.sampled_from([",", ";", '"', ""]))
def test_what_a_name_adds_to_the_header_changes_nothing(name: str, separator: str) -> None:
    """Were a name written behind the chain, it could make the header unreadable, and no more than that."""
    read_chain(f"{HEADER};URI={separator}{name}")


@EXAMPLES
@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_bytes_are_no_authority(ders: list[bytes]) -> None:
    """They are left out, whatever they are."""
    assert usable_authorities(ders) == {}


def read_list(data: bytes) -> frozenset[int] | None:
    try:
        (made,), _ = parse_crls([("a.crl", data)], [ROOT.certificate])
    except CrlError as error:
        str(error).encode("utf-8")
        return None
    return made.serials


@EXAMPLES
@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: b"\x30" + data))
def test_any_bytes_are_no_list(data: bytes) -> None:
    """Neither as DER nor as PEM."""
    assert read_list(data) is None
    block = b"-----BEGIN X509 CRL-----\n" + base64.encodebytes(data) + b"-----END X509 CRL-----\n"
    assert read_list(block) is None


@EXAMPLES
@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_a_list_with_a_changed_byte_is_refused_or_the_same(position: int, change: int) -> None:
    """The signature covers all that counts; no change may take a certificate out of the list."""
    changed = bytearray(DER)
    changed[position] ^= change
    assert read_list(bytes(changed)) in (None, {5, 6, 7})


@EXAMPLES
@given(st.integers(0, len(DER)), st.binary(max_size=20))
def test_a_list_that_is_cut_or_longer_is_refused(length: int, more: bytes) -> None:
    """A file that is still being written is no list."""
    cut = DER[:length] + more
    assert read_list(cut) is None or cut == DER


@EXAMPLES
@given(st.integers(0, len(crl_pem(LIST)) - 1))
def test_a_pem_list_that_is_cut_is_refused_or_whole(length: int) -> None:
    """Only the last line's end may be missing."""
    assert read_list(crl_pem(LIST)[:length]) in (None, {5, 6, 7})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SVID_KEY = st.fixed_dictionaries(
    {}, optional={"use": st.just("x509-svid") | JSON, "x5c": st.lists(JSON, max_size=2) | JSON, "kty": JSON}
)


@EXAMPLES
@given(
    st.fixed_dictionaries({}, optional={"keys": st.lists(SVID_KEY | JSON, max_size=3) | JSON, "x": JSON})
    | JSON
)
def test_any_json_is_no_bundle(value: object) -> None:
    """Or one without an authority in it."""
    try:
        assert parse_authorities(json.dumps(value).encode(), "bundle.json", spiffe=True) == ()
    except TrustBundleError as error:
        str(error).encode("utf-8")


def read_revocations(text: str) -> Revocations | None:
    problems: tuple[Problem, ...] = ()
    made = None
    try:
        made = parse_revocations(SourceText("revocations.yaml", text))
    except PolicyError as error:
        problems = error.problems
    assert (made is None) == bool(problems)
    assert all(problem.file == "revocations.yaml" and problem.text for problem in problems)
    return made


@EXAMPLES
@given(ANY_TEXT)
def test_any_text_revokes_nothing(text: str) -> None:
    """A file is understood as a whole, or it is refused."""
    assert read_revocations(text) in (None, Revocations())


ENTRY = st.dictionaries(
    st.sampled_from(["issuer", "trust", "subject", "id", "serial", "before", "until", "reason", "other"]),
    st.sampled_from(
        ["okta", "'0A:1b'", "2026-01-01", "7", "", "[a]", "{a: b}", "'\\e'", "\u202e", "~", "'x'"]
    ),
    max_size=5,
)


@EXAMPLES
@given(
    st.dictionaries(
        st.sampled_from(
            ["subjects", "tokens", "certificates", "issuers", "trusts", "issued_before", "other"]
        ),
        st.lists(ENTRY, max_size=3),
        max_size=4,
    )
)
def test_hostile_entries_are_read_whole_or_not_at_all(sections: dict[str, list[dict[str, str]]]) -> None:
    """What is read has exactly as many entries as were written."""
    lines = ["version: 1"]
    for name, entries in sections.items():
        lines.append(f"{name}:" + ("" if entries else " []"))
        lines += [
            "  - {" + ", ".join(f"{key}: {value}" for key, value in entry.items()) + "}" for entry in entries
        ]
    made = read_revocations("\n".join(lines))
    if made is not None:
        kept = sum(len(entries) for entries in sections.values())
        assert 0 < made.size <= kept or kept == 0
        assert "other" not in sections


NAMES = st.sampled_from(["a", "b", ""])
NAMED = st.tuples(NAMES, NAMES)
BLOCKED = st.builds(
    Blocked, place=st.just("r:1"), until=st.sampled_from([NOW - 1, NOW, NOW + 1, float("inf")])
)
CUTS = st.lists(
    st.builds(Cut, before=st.sampled_from([NOW - 1, NOW, NOW + 1]), blocked=BLOCKED), min_size=1, max_size=2
).map(tuple)
REVOCATIONS = st.builds(
    Revocations,
    issuers=st.dictionaries(NAMES, BLOCKED, max_size=2),
    subjects=st.dictionaries(NAMED, BLOCKED, max_size=2),
    tokens=st.dictionaries(NAMED, BLOCKED, max_size=2),
    cuts=st.dictionaries(NAMED, CUTS, max_size=2),
    trusts=st.dictionaries(NAMES, BLOCKED, max_size=2),
    names=st.dictionaries(NAMED, BLOCKED, max_size=2),
    certificates=st.dictionaries(NAMED, BLOCKED, max_size=2),
)
CERTIFICATES = st.builds(
    CertificateIdentity,
    trust=NAMES,
    name=NAMES,
    fingerprint=st.just("f"),
    serial=NAMES,
    not_after=st.just(NOW + 600),
)


@st.composite
def principals(draw: st.DrawFn) -> Principal:
    certificate = draw(st.none() | CERTIFICATES)
    token = certificate is None or draw(st.booleans())
    methods = {Method.TOKEN} if token else set()
    if certificate is not None:
        methods.add(Method.CERTIFICATE)
    issued = draw(st.sampled_from([None, NOW - 1, NOW, "x", True]))
    return Principal(
        issuer=draw(NAMES) if token or certificate is None else certificate.trust,
        subject=draw(st.sampled_from(["a", "b"])) if token or certificate is None else certificate.name,
        methods=frozenset(methods),
        claims=Claims({} if issued is None else {"iat": issued}),
        certificate=certificate,
        token_id=draw(st.none() | NAMES) if token else None,
        expires_at=NOW + 600,
    )


def should_be_blocked(revocations: Revocations, principal: Principal) -> bool:
    """The words of the documentation, by going through every entry."""

    def holds(blocked: Blocked) -> bool:
        return blocked.until > NOW

    def about(owner: str, thing: str | None, kept: object) -> bool:
        return any(holds(blocked) for key, blocked in kept.items() if key == (owner, thing))  # type: ignore[attr-defined]

    found = False
    if Method.TOKEN in principal.methods:
        issued = principal.claims.get("iat")
        old = [
            cut
            for (issuer, subject), cuts in revocations.cuts.items()
            for cut in cuts
            if issuer == principal.issuer
            and subject in ("", principal.subject)
            and (not isinstance(issued, float) or issued < cut.before)
        ]
        found = (
            any(holds(blocked) for name, blocked in revocations.issuers.items() if name == principal.issuer)
            or about(principal.issuer, principal.subject, revocations.subjects)
            or about(principal.issuer, principal.token_id, revocations.tokens)
            or any(holds(cut.blocked) for cut in old)
        )
    if principal.certificate is not None:
        mine = principal.certificate
        found = (
            found
            or any(holds(blocked) for name, blocked in revocations.trusts.items() if name == mine.trust)
            or about(mine.trust, mine.name, revocations.names)
            or about(mine.trust, mine.serial, revocations.certificates)
        )
    return found


@EXAMPLES
@given(REVOCATIONS, principals())
def test_whoever_an_entry_names_is_blocked_and_nobody_else(
    revocations: Revocations, principal: Principal
) -> None:
    """The lookup says what going through every entry says."""
    reason = None
    try:
        revocations.check(principal, NOW)
    except Denied as denied:
        reason = denied.reason
    assert reason is (Reason.REVOKED if should_be_blocked(revocations, principal) else None)
