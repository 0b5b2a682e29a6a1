"""What is remembered of credentials: under one key each, for as long as it holds, and never the answer itself."""

import base64
import hashlib
from urllib.parse import quote

import pytest

from authz.errors import Denied, Reason
from authz.identity import authenticator as module
from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.authenticator import Authenticator
from authz.identity.certificates import TrustBundle, parse_trust_bundle
from authz.identity.credentials import Credentials
from authz.identity.keyset import parse_jwks
from authz.identity.principal import Principal
from authz.identity.trust import CertificateNames, CertificateTrust
from tests.pki import TRUST_DOMAIN, Authority, Leaf, authority, crl_pem, make_authority
from tests.tokens import NOW, base64url, claims, ec_key, jwks, make_issuer, mint, thumbprint

KEY = ec_key()
ROOT = authority()
BELOW = ROOT.intermediate()
LEAF = BELOW.issue()
OKTA = make_issuer()


def bundle(*crls: bytes) -> TrustBundle:
    trust = CertificateTrust(
        name="extracts",
        roots="roots.pem",
        identity=CertificateNames.SPIFFE,
        trust_domain=TRUST_DOMAIN,
        intermediates="below.pem",
        crls=tuple(f"{number}.crl" for number, _ in enumerate(crls)),
    )
    return parse_trust_bundle(trust, ROOT.pem, BELOW.pem if crls else None, crls)


def make(*crls: bytes) -> Authenticator:
    return Authenticator(
        issuers={"okta": OKTA},
        key_sets={"okta": parse_jwks(jwks(KEY))},
        bundles={"extracts": bundle(*crls)},
    )


def accepts(mode: Authentication = Authentication.CERTIFICATE) -> AcceptedCredentials:
    return AcceptedCredentials(
        authentication=mode,
        issuers=frozenset({"okta"}),
        trusts=frozenset({"extracts"}),
        client_chain=True,
    )


def header(leaf: Leaf, *others: Authority) -> str:
    pem = leaf.pem + "".join(other.pem.decode() for other in others)
    return f'Hash={hashlib.sha256(leaf.der).hexdigest()};Chain="{quote(pem, safe="-")}"'


def by(
    subject: Authenticator,
    *,
    pem: str | None = None,
    chain: str | None = None,
    token: str | None = None,
    mode: Authentication | None = None,
    now: float = NOW,
) -> Principal:
    credentials = Credentials(token=token, certificate_pem=pem, client_chain=chain)
    chosen = mode or (Authentication.CERTIFICATE if token is None else Authentication.BOTH)
    return subject.authenticate(credentials, accepts(chosen), now)


def texts(pem: str) -> list[str]:
    """One certificate in texts that any reader takes for the same."""
    lines = pem.strip().split("\n")
    body = "".join(lines[1:-1])
    return [
        pem,
        pem.replace("\n", "\r\n"),
        f"\n\n{pem}\n",
        pem.rstrip("\n"),
        "\n".join([lines[0], body, lines[-1]]),
        "\n".join([lines[0], *(body[n : n + 4] for n in range(0, len(body), 4)), lines[-1]]),
        "\n".join(f"  {line}\t" for line in lines),
    ]


def test_the_text_of_a_certificate_is_no_part_of_its_key() -> None:
    """However it is written, it has one place in the memory, alone and beside a token."""
    subject = make(crl_pem(BELOW.crl()))
    token = mint(claims(), KEY)
    assert len({by(subject, pem=text) for text in texts(LEAF.pem)}) == 1
    assert len({by(subject, pem=text, token=token) for text in texts(LEAF.pem)}) == 1
    assert len(subject._known) == 2


def test_what_comes_along_is_no_part_of_the_key() -> None:
    """A client may send what it likes along, in any order: it does not fill the memory with it."""
    subject = make()
    junk = [make_authority(f"Junk {number}") for number in range(4)]
    principals = {
        by(subject, pem=LEAF.pem, chain=header(LEAF, *others))
        for others in ([BELOW], [*junk, BELOW], [BELOW, *junk], [BELOW, ROOT], [junk[0], BELOW, junk[1]])
    }
    assert len(principals) == 1
    assert len(subject._known) == 1


@pytest.mark.parametrize("mode", [Authentication.CERTIFICATE, Authentication.BOTH])
def test_a_chain_is_not_remembered_for_a_client_that_does_not_show_it(mode: Authentication) -> None:
    """The answer to a certificate without its intermediate is the same before and after somebody showed that."""
    subject = make()
    token = mint(claims(), KEY) if mode is Authentication.BOTH else None
    for _ in range(2):
        for chain in (None, header(LEAF), header(LEAF, make_authority("Junk"))):
            with pytest.raises(Denied) as caught:
                by(subject, pem=LEAF.pem, chain=chain, token=token)
            assert caught.value.reason is Reason.CERTIFICATE_UNTRUSTED
        assert by(subject, pem=LEAF.pem, chain=header(LEAF, BELOW), token=token)


def test_a_header_about_another_certificate_is_refused_for_a_remembered_one_too() -> None:
    """Looked at on each use."""
    subject = make()
    by(subject, pem=LEAF.pem, chain=header(LEAF, BELOW))
    with pytest.raises(Denied) as caught:
        by(subject, pem=LEAF.pem, chain=header(BELOW.issue(), BELOW))
    assert caught.value.reason is Reason.REQUEST_AMBIGUOUS


def test_a_remembered_certificate_ends_with_its_list() -> None:
    """A stale list stops those who were let in before, too."""
    subject = make(crl_pem(BELOW.crl(next_update=NOW + 10)))
    principal = by(subject, pem=LEAF.pem)
    assert principal.expires_at == NOW + 10
    assert by(subject, pem=LEAF.pem, now=NOW + 9) is principal
    with pytest.raises(Denied) as caught:
        by(subject, pem=LEAF.pem, now=NOW + 10)
    assert caught.value.reason is Reason.CERTIFICATE_REVOCATION_UNKNOWN


def test_a_revoked_certificate_beside_a_good_token_is_refused() -> None:
    """Whatever is presented must be good."""
    subject = make(crl_pem(BELOW.crl(LEAF.certificate)))
    with pytest.raises(Denied) as caught:
        by(subject, pem=LEAF.pem, token=mint(claims(), KEY), mode=Authentication.ANY)
    assert caught.value.reason is Reason.CERTIFICATE_REVOKED
    assert by(subject, pem=BELOW.issue().pem, token=mint(claims(), KEY)).subject == "alice"


def other_form(token: str) -> str:
    """The other valid signature over the same content: ECDSA has two, and who holds one can make the other."""
    signing_input, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    s = int.from_bytes(raw[32:], "big")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    return f"{signing_input}.{base64url(raw[:32] + (order - s).to_bytes(32, 'big'))}"


def test_a_token_has_two_places_at_most() -> None:
    """Every other spelling is refused before it is looked for; the second form of ECDSA cannot be told apart."""
    subject = make()
    token = mint(claims(), KEY)
    accepted = AcceptedCredentials(
        authentication=Authentication.TOKEN, issuers=frozenset({"okta"}), trusts=frozenset()
    )
    for good in (token, other_form(token)):
        assert subject.authenticate(Credentials(token=good, certificate_pem=None), accepted, NOW)
    for other in (token + "=", token + "\n", " " + token, token.replace(".", "..")):
        with pytest.raises(Denied) as caught:
            subject.authenticate(Credentials(token=other, certificate_pem=None), accepted, NOW)
        assert caught.value.reason is Reason.TOKEN_MALFORMED
    assert len(subject._known) == 2


def test_a_flood_of_bad_credentials_pushes_no_good_one_out() -> None:
    """Tokens that nobody signed, and certificates that nobody vouches for: neither takes a place among the good."""
    subject = make()
    good = by(subject, pem=LEAF.pem, chain=header(LEAF, BELOW))
    bad = make_authority("Other").issue()
    for number in range(module.MAX_REMEMBERED_REFUSALS + 10):
        with pytest.raises(Denied):
            by(subject, token=f"bad.{number}", mode=Authentication.TOKEN)
    for _ in range(3):
        with pytest.raises(Denied):
            by(subject, pem=bad.pem)
    assert len(subject._known) == 1
    assert len(subject._refused) == module.MAX_REMEMBERED_REFUSALS
    assert by(subject, pem=LEAF.pem, chain=header(LEAF, BELOW)) is good


def test_a_token_that_is_bound_to_the_other_certificate_is_refused() -> None:
    """RFC 8705, also where a chain of the client's own makes the certificate good."""
    subject = make()
    bound = mint(claims(cnf={"x5t#S256": thumbprint(BELOW.issue().der)}), KEY)
    with pytest.raises(Denied) as caught:
        by(subject, pem=LEAF.pem, chain=header(LEAF, BELOW), token=bound)
    assert caught.value.reason is Reason.TOKEN_BINDING_FAILED
    own = mint(claims(cnf={"x5t#S256": thumbprint(LEAF.der)}), KEY)
    assert by(subject, pem=LEAF.pem, chain=header(LEAF, BELOW), token=own).subject == "alice"
