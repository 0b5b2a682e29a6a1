"""Credentials become a Principal, or are refused; what is remembered never changes the answer."""

from typing import Any

import pytest

from authz.errors import Denied, Reason
from authz.identity import authenticator as module
from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.authenticator import Authenticator
from authz.identity.certificates import parse_trust_bundle
from authz.identity.credentials import Credentials, StatedUser
from authz.identity.keyset import parse_jwks
from authz.identity.principal import Method, Principal
from authz.identity.profile import TokenProfile
from authz.identity.tokens import verify_token
from authz.identity.trust import CertificateNames, CertificateTrust
from authz.identity.usedtokens import UsedTokens
from authz.memory import DEFAULT_REMEMBERED
from tests.pki import EXTRACT_ID, TRUST_DOMAIN, authority, dns, make_authority, uri
from tests.tokens import NOW, claims, ec_key, ed25519_key, jwks, make_issuer, mint, thumbprint

EC = ec_key()
ED = ed25519_key()
ROOT = authority()
OTHER_ROOT = authority("Another Root CA")
TRUST = CertificateTrust(
    name="extracts", roots="roots.pem", identity=CertificateNames.SPIFFE, trust_domain=TRUST_DOMAIN
)
PARTNERS = CertificateTrust(name="partners", roots="partners.pem", identity=CertificateNames.DNS)
OKTA = make_issuer()
ENTRA = make_issuer(name="entra", issuer="https://entra.example", max_token_bytes=20_000)

LEAF = ROOT.issue([uri(EXTRACT_ID), dns("extract.acme.example")])
TOKEN = mint(claims(), EC)
BOUND = mint(claims(cnf={"x5t#S256": thumbprint(LEAF.der)}), EC)


def make_authenticator() -> Authenticator:
    return Authenticator(
        issuers={"okta": OKTA, "entra": ENTRA},
        key_sets={"okta": parse_jwks(jwks(EC)), "entra": parse_jwks(jwks(ED))},
        bundles={
            "extracts": parse_trust_bundle(TRUST, ROOT.pem, None),
            "partners": parse_trust_bundle(PARTNERS, ROOT.pem, None),
        },
    )


def accepts(
    authentication: Authentication = Authentication.TOKEN,
    issuers: frozenset[str] = frozenset({"okta"}),
    trusts: frozenset[str] = frozenset({"extracts"}),
) -> AcceptedCredentials:
    return AcceptedCredentials(authentication=authentication, issuers=issuers, trusts=trusts)


def present(token: str | None = None, pem: str | None = None) -> Credentials:
    return Credentials(token=token, certificate_pem=pem)


def refusal(
    authenticator: Authenticator,
    credentials: Credentials,
    accepted: AcceptedCredentials | None = None,
    now: float = NOW,
) -> Denied:
    with pytest.raises(Denied) as caught:
        authenticator.authenticate(credentials, accepted or accepts(), now)
    return caught.value


@pytest.fixture
def subject() -> Authenticator:
    return make_authenticator()


@pytest.mark.parametrize(
    ("mode", "credentials", "reason"),
    [
        (Authentication.TOKEN, present(), Reason.CREDENTIAL_MISSING),
        (Authentication.TOKEN, present(pem=LEAF.pem), Reason.CREDENTIAL_MISSING),
        (Authentication.CERTIFICATE, present(), Reason.CERTIFICATE_MISSING),
        (Authentication.CERTIFICATE, present(TOKEN), Reason.CERTIFICATE_MISSING),
        (Authentication.ANY, present(), Reason.CREDENTIAL_MISSING),
        (Authentication.BOTH, present(), Reason.CREDENTIAL_MISSING),
        (Authentication.BOTH, present(pem=LEAF.pem), Reason.CREDENTIAL_MISSING),
        (Authentication.BOTH, present(TOKEN), Reason.CERTIFICATE_MISSING),
    ],
)
def test_what_is_missing_is_said(
    subject: Authenticator, mode: Authentication, credentials: Credentials, reason: Reason
) -> None:
    """Each way of authentication asks for its own credentials."""
    assert refusal(subject, credentials, accepts(mode)).reason is reason


@pytest.mark.parametrize(
    ("mode", "credentials", "reason"),
    [
        (Authentication.ANY, present("bad.to.ken", LEAF.pem), Reason.TOKEN_MALFORMED),
        (Authentication.ANY, present("", LEAF.pem), Reason.TOKEN_MALFORMED),
        (Authentication.ANY, present(TOKEN, "bad"), Reason.CERTIFICATE_MALFORMED),
        (Authentication.ANY, present(TOKEN, ""), Reason.CERTIFICATE_MALFORMED),
        (Authentication.ANY, present(TOKEN, OTHER_ROOT.issue().pem), Reason.CERTIFICATE_UNTRUSTED),
        (Authentication.BOTH, present("bad.to.ken", LEAF.pem), Reason.TOKEN_MALFORMED),
        (Authentication.BOTH, present(TOKEN, OTHER_ROOT.issue().pem), Reason.CERTIFICATE_UNTRUSTED),
        (Authentication.TOKEN, present("bad.to.ken", LEAF.pem), Reason.TOKEN_MALFORMED),
        (Authentication.CERTIFICATE, present(TOKEN, "bad"), Reason.CERTIFICATE_MALFORMED),
    ],
)
def test_a_good_credential_never_covers_for_a_bad_one(
    subject: Authenticator, mode: Authentication, credentials: Credentials, reason: Reason
) -> None:
    """Whatever is looked at must verify; nothing falls back."""
    assert refusal(subject, credentials, accepts(mode)).reason is reason


def test_a_token_alone(subject: Authenticator) -> None:
    """The person of the token, with the claims."""
    principal = subject.authenticate(present(TOKEN), accepts(), NOW)
    assert (principal.issuer, principal.subject) == ("okta", "alice")
    assert principal.methods == {Method.TOKEN}
    assert principal.groups == {"analysts-emea"}
    assert principal.claims["sub"] == "alice"
    assert principal.certificate is None
    assert principal.expires_at == NOW + 600 + 60


def test_a_certificate_alone(subject: Authenticator) -> None:
    """The machine of the certificate; its trust stands where a token's issuer would."""
    principal = subject.authenticate(present(pem=LEAF.pem), accepts(Authentication.CERTIFICATE), NOW)
    assert (principal.issuer, principal.subject) == ("extracts", EXTRACT_ID)
    assert principal.methods == {Method.CERTIFICATE}
    assert principal.groups == frozenset()
    assert principal.claims == {}
    assert principal.certificate is not None
    assert principal.expires_at == principal.certificate.not_after


@pytest.mark.parametrize("mode", [Authentication.BOTH, Authentication.ANY])
def test_both_are_one_principal(subject: Authenticator, mode: Authentication) -> None:
    """The person of the token, the certificate as a further fact, and the earlier end."""
    principal = subject.authenticate(present(TOKEN, LEAF.pem), accepts(mode), NOW)
    assert (principal.issuer, principal.subject) == ("okta", "alice")
    assert principal.methods == {Method.TOKEN, Method.CERTIFICATE}
    assert principal.certificate is not None
    assert principal.certificate.name == EXTRACT_ID
    assert principal.expires_at == NOW + 660
    short = ROOT.issue(not_after=NOW + 5)
    assert subject.authenticate(present(TOKEN, short.pem), accepts(mode), NOW).expires_at == NOW + 5


def test_what_is_not_asked_for_is_not_looked_at(subject: Authenticator) -> None:
    """A certificate beside a token, or a token beside a certificate, changes nothing where one kind is asked for."""
    by_token = subject.authenticate(present(TOKEN, "not even a certificate"), accepts(), NOW)
    assert by_token is subject.authenticate(present(TOKEN), accepts(), NOW)
    certificate = accepts(Authentication.CERTIFICATE)
    by_certificate = subject.authenticate(present("not even a token", LEAF.pem), certificate, NOW)
    assert by_certificate is subject.authenticate(present(pem=LEAF.pem), certificate, NOW)


@pytest.mark.parametrize(
    ("mode", "credentials"),
    [
        (Authentication.TOKEN, present(TOKEN)),
        (Authentication.CERTIFICATE, present(pem=LEAF.pem)),
        (Authentication.BOTH, present(TOKEN, LEAF.pem)),
        (Authentication.TOKEN, present(BOUND, LEAF.pem)),
    ],
)
def test_the_same_credentials_give_the_same_object(
    subject: Authenticator, mode: Authentication, credentials: Credentials
) -> None:
    """Decisions are remembered per object."""
    first = subject.authenticate(credentials, accepts(mode), NOW)
    assert subject.authenticate(credentials, accepts(mode), NOW + 1) is first
    assert make_authenticator().authenticate(credentials, accepts(mode), NOW) is not first


@pytest.mark.parametrize(
    ("mode", "credentials", "end", "reason"),
    [
        (Authentication.TOKEN, present(TOKEN), NOW + 660, Reason.TOKEN_EXPIRED),
        (Authentication.CERTIFICATE, present(pem=LEAF.pem), NOW + 86_400, Reason.CERTIFICATE_EXPIRED),
        (Authentication.BOTH, present(TOKEN, LEAF.pem), NOW + 660, Reason.TOKEN_EXPIRED),
        (
            Authentication.BOTH,
            present(TOKEN, ROOT.issue(not_after=NOW + 5).pem),
            NOW + 5,
            Reason.CERTIFICATE_EXPIRED,
        ),
    ],
)
def test_a_remembered_credential_ends_on_time(
    subject: Authenticator, mode: Authentication, credentials: Credentials, end: float, reason: Reason
) -> None:
    """Expiry is checked on every use, and says what expired."""
    subject.authenticate(credentials, accepts(mode), NOW)
    assert subject.authenticate(credentials, accepts(mode), end - 0.5)
    assert refusal(subject, credentials, accepts(mode), end).reason is reason


def test_a_remembered_credential_has_a_beginning_too(subject: Authenticator) -> None:
    """A replay with an earlier time gives what a fresh authenticator would."""
    subject.authenticate(present(TOKEN), accepts(), NOW)
    assert refusal(subject, present(TOKEN), now=NOW - 71).reason is Reason.TOKEN_NOT_YET_VALID
    mode = accepts(Authentication.CERTIFICATE)
    subject.authenticate(present(pem=LEAF.pem), mode, NOW)
    assert refusal(subject, present(pem=LEAF.pem), mode, NOW - 3_601).reason is Reason.CERTIFICATE_EXPIRED


def test_a_remembered_token_is_not_accepted_elsewhere(subject: Authenticator) -> None:
    """The warehouse's accepted issuers are looked at on every use."""
    subject.authenticate(present(TOKEN), accepts(), NOW)
    other = accepts(issuers=frozenset({"entra"}))
    assert refusal(subject, present(TOKEN), other).reason is Reason.TOKEN_ISSUER_NOT_ACCEPTED
    both = accepts(Authentication.BOTH)
    subject.authenticate(present(TOKEN, LEAF.pem), both, NOW)
    neither = accepts(Authentication.BOTH, issuers=frozenset())
    assert refusal(subject, present(TOKEN, LEAF.pem), neither).reason is Reason.TOKEN_ISSUER_NOT_ACCEPTED


def test_a_remembered_certificate_is_not_accepted_elsewhere(subject: Authenticator) -> None:
    """Nor is its name read by another trust's rules."""
    mode = Authentication.CERTIFICATE
    first = subject.authenticate(present(pem=LEAF.pem), accepts(mode), NOW)
    none = accepts(mode, trusts=frozenset())
    assert refusal(subject, present(pem=LEAF.pem), none).reason is Reason.CERTIFICATE_UNTRUSTED
    partners = accepts(mode, trusts=frozenset({"partners"}))
    second = subject.authenticate(present(pem=LEAF.pem), partners, NOW)
    assert (first.subject, second.subject) == (EXTRACT_ID, "extract.acme.example")


def test_a_token_and_a_certificate_are_remembered_as_a_pair(subject: Authenticator) -> None:
    """Another certificate beside the same token is another principal."""
    mode = accepts(Authentication.BOTH)
    first = subject.authenticate(present(TOKEN, LEAF.pem), mode, NOW)
    second = subject.authenticate(present(TOKEN, ROOT.issue().pem), mode, NOW)
    assert first is not second
    assert refusal(subject, present(TOKEN, OTHER_ROOT.issue().pem), mode).reason is (
        Reason.CERTIFICATE_UNTRUSTED
    )


@pytest.mark.parametrize("mode", list(Authentication))
def test_a_bound_token_needs_its_certificate(subject: Authenticator, mode: Authentication) -> None:
    """RFC 8705 section 3, also where certificates are otherwise not looked at, also when remembered."""
    if mode is Authentication.CERTIFICATE:
        assert subject.authenticate(present(BOUND, LEAF.pem), accepts(mode), NOW).subject == EXTRACT_ID
        return
    for _ in range(2):
        other = ROOT.issue()
        assert (
            refusal(subject, present(BOUND, other.pem), accepts(mode)).reason is Reason.TOKEN_BINDING_FAILED
        )
        if mode is not Authentication.BOTH:
            assert refusal(subject, present(BOUND), accepts(mode)).reason is Reason.TOKEN_BINDING_FAILED
        assert subject.authenticate(present(BOUND, LEAF.pem), accepts(mode), NOW).subject == "alice"


def test_a_bound_token_may_come_with_another_text_of_its_certificate(subject: Authenticator) -> None:
    """The certificate counts, not its line ends."""
    first = subject.authenticate(present(BOUND, LEAF.pem), accepts(), NOW)
    again = subject.authenticate(present(BOUND, LEAF.pem.replace("\n", "\r\n")), accepts(), NOW)
    assert again is first


def test_keys_that_are_not_there_are_our_fault() -> None:
    """A configured issuer without keys: nobody can say whether the token is good."""
    bare = Authenticator(issuers={"okta": OKTA}, key_sets={}, bundles={})
    denied = refusal(bare, present(TOKEN))
    assert (denied.reason, denied.issuer) == (Reason.KEYS_UNAVAILABLE, "okta")
    mode = accepts(Authentication.CERTIFICATE)
    assert refusal(bare, present(pem=LEAF.pem), mode).reason is Reason.KEYS_UNAVAILABLE


def test_without_issuers_every_token_is_refused() -> None:
    """Nobody vouches for it."""
    bare = Authenticator(issuers={}, key_sets={}, bundles={})
    assert refusal(bare, present(TOKEN)).reason is Reason.TOKEN_ISSUER_UNKNOWN


def test_two_issuers_may_not_share_an_iss() -> None:
    """A token would not say whose rules are meant."""
    twin = make_issuer(name="twin")
    with pytest.raises(ValueError, match="issuers `okta` and `twin` have the same `issuer`"):
        Authenticator(issuers={"okta": OKTA, "twin": twin}, key_sets={}, bundles={})


def test_one_issuers_key_does_not_sign_for_another(subject: Authenticator) -> None:
    """Each issuer has its own keys."""
    forged = mint(claims(iss=ENTRA.issuer), EC)
    mode = accepts(issuers=frozenset({"okta", "entra"}))
    assert refusal(subject, present(forged), mode).reason is Reason.TOKEN_KEY_UNKNOWN
    named = mint(claims(iss=ENTRA.issuer), EC, kid=ED.kid, alg="EdDSA")
    assert refusal(subject, present(named), mode).reason is Reason.TOKEN_SIGNATURE_INVALID


def test_a_remembered_refusal_is_the_same_refusal(subject: Authenticator) -> None:
    """Reason, detail and issuer; and it is not given where the issuer would not even be heard."""
    forged = present(mint(claims(), ec_key("other"), kid=EC.kid))
    first, second = refusal(subject, forged), refusal(subject, forged)
    assert first is not second
    assert (first.reason, first.detail, first.issuer) == (second.reason, second.detail, second.issuer)
    assert first.reason is Reason.TOKEN_SIGNATURE_INVALID
    elsewhere = accepts(issuers=frozenset({"entra"}))
    assert refusal(subject, forged, elsewhere).reason is Reason.TOKEN_ISSUER_NOT_ACCEPTED
    malformed = present(TOKEN + "=")
    assert refusal(subject, malformed).reason is Reason.TOKEN_MALFORMED
    assert refusal(subject, malformed, elsewhere).reason is Reason.TOKEN_MALFORMED


def test_only_what_time_cannot_heal_is_remembered_as_refused(subject: Authenticator) -> None:
    """A token from the near future becomes good; an unknown key may be known to the next authenticator."""
    early = present(mint(claims(nbf=NOW + 100), EC))
    assert refusal(subject, early).reason is Reason.TOKEN_NOT_YET_VALID
    assert subject.authenticate(early, accepts(), NOW + 50).subject == "alice"
    refusal(subject, present(mint(claims(), EC, kid="next")))
    assert refusal(subject, present("x" * 30_000)).reason is Reason.TOKEN_TOO_LARGE
    assert len(subject._refused) == 0


def test_an_ended_token_is_verified_once(subject: Authenticator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that goes on with it costs no signature each time; a clock that was wrong is not held against it."""
    verified: list[float] = []

    def verify(*arguments: Any) -> Any:
        verified.append(arguments[-1])
        return verify_token(*arguments)

    monkeypatch.setattr(module, "verify_token", verify)
    ended = present(mint(claims(exp=NOW + 100), EC))
    for now in (NOW + 200, NOW + 200, NOW + 900):
        with pytest.raises(Denied) as denied:
            subject.authenticate(ended, accepts(), now)
        assert denied.value.reason is Reason.TOKEN_EXPIRED
    assert verified == [NOW + 200]
    with pytest.raises(Denied) as elsewhere:
        subject.authenticate(ended, accepts(issuers=frozenset({"entra"})), NOW + 900)
    assert elsewhere.value.reason is Reason.TOKEN_ISSUER_NOT_ACCEPTED
    assert subject.authenticate(ended, accepts(), NOW + 50).subject == "alice"


def test_memory_is_bounded(subject: Authenticator) -> None:
    """A flood of bad tokens pushes out bad tokens only."""
    subject.authenticate(present(TOKEN), accepts(), NOW)
    for number in range(module.MAX_REMEMBERED_REFUSALS + 10):
        refusal(subject, present(f"bad.{number}"))
    assert len(subject._refused) == module.MAX_REMEMBERED_REFUSALS
    assert len(subject._known) == 1
    assert subject._known.maxsize == DEFAULT_REMEMBERED


def test_no_token_stays_in_memory(subject: Authenticator) -> None:
    """Memories are keyed by digest, and a principal keeps claims, never the token."""
    refusal(subject, present("canary.canary.canary"))
    subject.authenticate(present(TOKEN), accepts(), NOW)
    for text in (repr(dict(subject._known)), repr(dict(subject._refused))):
        assert "canary" not in text
        assert not any(part in text for part in TOKEN.split("."))


def test_a_key_of_a_principal_tells_issuers_and_kinds_apart(subject: Authenticator) -> None:
    """People are known by issuer and subject, never by subject alone."""
    principals: list[Principal] = [
        subject.authenticate(present(TOKEN), accepts(), NOW),
        subject.authenticate(
            present(mint(claims(iss=ENTRA.issuer), ED)), accepts(issuers=frozenset({"entra"})), NOW
        ),
        subject.authenticate(present(pem=LEAF.pem), accepts(Authentication.CERTIFICATE), NOW),
    ]
    assert len({principal.key for principal in principals}) == 3


def test_a_new_root_of_the_same_name_vouches_for_nothing_old(subject: Authenticator) -> None:
    """A new authenticator has an empty memory."""
    mode = accepts(Authentication.CERTIFICATE)
    subject.authenticate(present(pem=LEAF.pem), mode, NOW)
    replaced = Authenticator(
        issuers={},
        key_sets={},
        bundles={"extracts": parse_trust_bundle(TRUST, make_authority().pem, None)},
    )
    assert refusal(replaced, present(pem=LEAF.pem), mode).reason is Reason.CERTIFICATE_UNTRUSTED


@pytest.mark.parametrize("mode", [Authentication.TOKEN, Authentication.BOTH, Authentication.ANY])
def test_the_user_name_beside_a_token_must_be_the_tokens(
    subject: Authenticator, mode: Authentication
) -> None:
    """Compared on each use, also where the token is remembered; in its case, and never by a part of it."""
    token = mint(claims(email="alice@acme.example"), EC)

    def stated(name: str, claim: str | None = None) -> Credentials:
        user = StatedUser(name=name, claim=claim)
        pem = None if mode is Authentication.TOKEN else LEAF.pem
        return Credentials(token=token, certificate_pem=pem, user=user)

    for credentials in (
        stated("Alice"),
        stated("alic"),
        stated("alice", "email"),
        stated("alice", "missing"),
    ):
        assert refusal(subject, credentials, accepts(mode)).reason is Reason.TOKEN_USER_MISMATCH
    first = subject.authenticate(stated("alice"), accepts(mode), NOW)
    assert subject.authenticate(stated("alice@acme.example", "email"), accepts(mode), NOW) is first
    assert refusal(subject, stated("bob"), accepts(mode)).reason is Reason.TOKEN_USER_MISMATCH
    assert first.subject == "alice"


def test_a_user_name_without_a_look_at_the_token_is_nothing(subject: Authenticator) -> None:
    """Where certificates alone count, neither the token nor the name beside it is looked at."""
    credentials = Credentials(token=TOKEN, certificate_pem=LEAF.pem, user=StatedUser(name="bob", claim=None))
    principal = subject.authenticate(credentials, accepts(Authentication.CERTIFICATE), NOW)
    assert principal.subject == EXTRACT_ID


def test_a_token_for_one_use_is_used_up_by_a_good_request_only() -> None:
    """Not by a wrong user name, a foreign warehouse or a missing certificate; and not forgotten with new keys."""
    once = make_issuer(profile=TokenProfile(single_use=True, max_lifetime_seconds=600.0))
    used = UsedTokens()

    def fresh() -> Authenticator:
        return Authenticator(
            issuers={"okta": once},
            key_sets={"okta": parse_jwks(jwks(EC))},
            bundles={"extracts": parse_trust_bundle(TRUST, ROOT.pem, None)},
            used=used,
        )

    token = mint(claims(jti="1", iat=int(NOW), exp=int(NOW) + 300), EC)
    subject = fresh()
    wrong = Credentials(token=token, certificate_pem=None, user=StatedUser(name="bob", claim=None))
    assert refusal(subject, wrong).reason is Reason.TOKEN_USER_MISMATCH
    assert refusal(subject, present(token), accepts(issuers=frozenset())).reason is (
        Reason.TOKEN_ISSUER_NOT_ACCEPTED
    )
    assert refusal(subject, present(token), accepts(Authentication.BOTH)).reason is Reason.CERTIFICATE_MISSING
    assert subject.authenticate(present(token), accepts(), NOW).subject == "alice"
    for again in (subject, fresh()):
        assert refusal(again, present(token)).reason is Reason.TOKEN_REPLAYED
        both = accepts(Authentication.BOTH)
        assert refusal(again, present(token, LEAF.pem), both).reason is Reason.TOKEN_REPLAYED
