"""One token against one issuer and its keys: the denied path first."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz.errors import Denied, Reason
from authz.identity.claims import VerifiedClaims, verify_claims
from authz.identity.issuer import ASYMMETRIC_ALGORITHMS, Issuer
from authz.identity.keyset import KeySet, parse_jwks
from authz.identity.profile import TokenProfile
from authz.identity.tokens import find_issuer, parse_token, verify_token
from tests.tokens import (
    ISSUER,
    NOW,
    SigningKey,
    base64url,
    claims,
    dump,
    ec_key,
    ed25519_key,
    jwks,
    make_issuer,
    mint,
    rsa_key,
    sign,
)

RSA = rsa_key()
ANY_RSA = rsa_key("any-rsa")
EC = ec_key()
ED = ed25519_key()
KEYS = parse_jwks(jwks(RSA, ANY_RSA.jwk(alg=None), EC, ec_key("p384", "P-384"), ec_key("p521", "P-521"), ED))
ALL = make_issuer(algorithms=frozenset(ASYMMETRIC_ALGORITHMS))


def verify(token: str, issuer: Issuer = ALL, keys: KeySet = KEYS, now: float = NOW) -> VerifiedClaims:
    parsed = parse_token(token, issuer.max_token_bytes)
    found = find_issuer(parsed, {issuer.issuer: issuer}, frozenset({issuer.name}))
    return verify_token(parsed, len(token), found, keys, now)


def refusal(token: str, issuer: Issuer = ALL, keys: KeySet = KEYS, now: float = NOW) -> Denied:
    with pytest.raises(Denied) as caught:
        verify(token, issuer, keys, now)
    return caught.value


def forged_with_hmac(secret: bytes, algorithm: str = "HS256") -> str:
    """The classic: a MAC keyed with the public key, which everybody has."""
    signing_input = f"{base64url(dump({'alg': algorithm, 'kid': RSA.kid}))}.{base64url(dump(claims()))}"
    return f"{signing_input}.{base64url(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


def public_forms() -> list[bytes]:
    public = RSA.private.public_key()
    return [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        dump(RSA.jwk()),
    ]


def test_a_token_above_the_limit_is_not_even_parsed() -> None:
    """The bound comes before anything whose cost the client chooses."""
    with pytest.raises(Denied) as caught:
        parse_token("x" * 101, 100)
    assert caught.value.reason is Reason.TOKEN_TOO_LARGE


def test_the_limit_is_the_issuers_own() -> None:
    """One issuer with large tokens does not open the door for the tokens of another."""
    token = mint(claims(), EC)
    parsed = parse_token(token, 16_384)
    with pytest.raises(Denied) as caught:
        verify_token(parsed, len(token), make_issuer(max_token_bytes=len(token) - 1), KEYS, NOW)
    assert caught.value.reason is Reason.TOKEN_TOO_LARGE
    assert verify_token(parsed, len(token), make_issuer(max_token_bytes=len(token)), KEYS, NOW)


@pytest.mark.parametrize(
    "iss", [None, 7, "", ISSUER + "/", ISSUER[:-1], ISSUER.upper(), "https://evil.example", [ISSUER], {}]
)
def test_an_unknown_issuer_is_refused(iss: object) -> None:
    """Compared byte for byte: no prefix, no trailing slash; never read as "no token"."""
    assert refusal(mint(claims(iss=iss), EC)).reason is Reason.TOKEN_ISSUER_UNKNOWN


def test_an_issuer_that_the_warehouse_does_not_take_is_refused() -> None:
    """A known issuer is not an accepted one."""
    parsed = parse_token(mint(claims(), EC), 16_384)
    with pytest.raises(Denied) as caught:
        find_issuer(parsed, {ISSUER: ALL}, frozenset({"other"}))
    assert caught.value.reason is Reason.TOKEN_ISSUER_NOT_ACCEPTED


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "HS256", "HS512", "ES256K", "rs256"])
def test_an_algorithm_outside_of_the_list_is_refused(algorithm: str) -> None:
    """`none` in any casing, everything symmetric, and what is merely similar."""
    token = mint(claims(), RSA, alg=algorithm)
    assert refusal(token).reason is Reason.TOKEN_ALGORITHM_REFUSED
    if algorithm == "HS256":
        with pytest.raises(ValueError, match="shared secrets"):
            make_issuer(algorithms=frozenset({algorithm}))
        return
    assert (
        refusal(token, make_issuer(algorithms=frozenset({algorithm}))).reason
        is Reason.TOKEN_ALGORITHM_REFUSED
    )


@pytest.mark.parametrize("secret", public_forms())
@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
def test_a_mac_keyed_with_the_public_key_is_refused(secret: bytes, algorithm: str) -> None:
    """PyJWT CVE-2022-29217, Authlib CVE-2024-37568: PEM, DER, PKCS #1, SSH and JWK as the secret."""
    expected = {"HS256": Reason.TOKEN_ALGORITHM_REFUSED, "RS256": Reason.TOKEN_SIGNATURE_INVALID}
    assert refusal(forged_with_hmac(secret, algorithm)).reason is expected[algorithm]


def test_the_issuer_restricts_the_algorithms() -> None:
    """A key that could verify more does not widen what the issuer is configured for."""
    token = mint(claims(), ANY_RSA, alg="PS256")
    narrow = make_issuer(algorithms=frozenset({"RS256"}))
    assert refusal(token, narrow).reason is Reason.TOKEN_ALGORITHM_REFUSED


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "PS256"), (RSA, "ES256"), (EC, "ES384"), (EC, "EdDSA"), (ED, "RS256")]
)
def test_the_key_restricts_the_algorithms(key: SigningKey, algorithm: str) -> None:
    """The token names a key, and an algorithm that this key is not for."""
    assert refusal(mint(claims(), key, alg=algorithm)).reason is Reason.TOKEN_ALGORITHM_REFUSED


@pytest.mark.parametrize("typ", ["id_token", "dpop+jwt", "logout+jwt", "JWS", "secevent+jwt"])
def test_a_token_of_another_type_is_refused(typ: str) -> None:
    """A logout token or a proof is no access token (RFC 8725 section 3.11)."""
    assert refusal(mint(claims(), EC, typ=typ)).reason is Reason.TOKEN_TYPE_REFUSED


def test_an_issuer_may_insist_on_access_tokens() -> None:
    """RFC 9068 section 2.1: then an ID token, which says `JWT`, is refused; so is an absent type."""
    strict = make_issuer(token_types=frozenset({"at+jwt"}))
    assert refusal(mint(claims(), EC, typ="JWT"), strict).reason is Reason.TOKEN_TYPE_REFUSED
    assert refusal(mint(claims(), EC, typ=None), strict).reason is Reason.TOKEN_TYPE_REFUSED
    assert verify(mint(claims(), EC, typ="application/AT+JWT"), strict)


@pytest.mark.parametrize("kid", ["unknown", "", "EC-1", "ec-1 ", None])
def test_an_unknown_kid_names_the_issuer_to_look_up_again(kid: str | None) -> None:
    """A rotation is found by it; without a `kid` and with a choice of keys, nothing is tried in turn."""
    denied = refusal(mint(claims(), EC, kid=kid))
    assert denied.reason is Reason.TOKEN_KEY_UNKNOWN
    assert denied.issuer == "okta"


@pytest.mark.parametrize("key", [RSA, EC, ED])
def test_a_signature_by_another_key_is_refused(key: SigningKey) -> None:
    """The key that `kid` names decides, and a rotation under the same `kid` can be looked up."""
    others = {"RS256": rsa_key("other"), "ES256": ec_key("other"), "EdDSA": ed25519_key("other")}
    denied = refusal(mint(claims(), others[key.algorithm], kid=key.kid))
    assert denied.reason is Reason.TOKEN_SIGNATURE_INVALID
    assert denied.issuer == "okta"


@pytest.mark.parametrize("key", [RSA, EC, ED])
@pytest.mark.parametrize("cut", [1, 2, 30])
def test_a_signature_of_another_length_is_refused(key: SigningKey, cut: int) -> None:
    """Cut, or with bytes behind it."""
    head, payload, signature = mint(claims(), key).split(".")
    raw = signature + "A" * (-len(signature) % 4)
    for changed in (raw[: -4 * cut], raw + "AAAA" * cut):
        assert refusal(f"{head}.{payload}.{changed}").reason in {
            Reason.TOKEN_SIGNATURE_INVALID,
            Reason.TOKEN_MALFORMED,
        }


def test_a_zero_ecdsa_signature_is_refused() -> None:
    """CVE-2022-21449: r = s = 0 verified anything in Java."""
    head, payload, _ = mint(claims(), EC).split(".")
    assert refusal(f"{head}.{payload}.{base64url(bytes(64))}").reason is Reason.TOKEN_SIGNATURE_INVALID


def test_a_changed_claim_breaks_the_signature() -> None:
    """The signature of one payload under another."""
    head, _, signature = mint(claims(), EC).split(".")
    other = base64url(dump(claims(sub="bob")))
    assert refusal(f"{head}.{other}.{signature}").reason is Reason.TOKEN_SIGNATURE_INVALID


def test_a_bad_signature_is_refused_before_the_claims_are_looked_at() -> None:
    """A forger learns nothing about audiences and clocks."""
    token = mint(claims(aud="other", exp=1), ec_key("other"), kid=EC.kid)
    assert refusal(token).reason is Reason.TOKEN_SIGNATURE_INVALID


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSA, "RS256"),
        *((ANY_RSA, algorithm) for algorithm in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        (EC, "ES256"),
        (ec_key("p384", "P-384"), "ES384"),
        (ec_key("p521", "P-521"), "ES512"),
        (ED, "EdDSA"),
    ],
)
def test_an_honest_token_verifies(key: SigningKey, algorithm: str) -> None:
    """Every asymmetric algorithm; PS256 with a key that has no `alg`, where PyJWT's own key would fail."""
    verified = verify(mint(claims(), key, alg=algorithm))
    assert verified.subject == "alice"
    assert verified.groups == {"analysts-emea"}


def test_a_lone_key_needs_no_kid() -> None:
    """RFC 7515 section 4.1.4: `kid` is a hint, and there is nothing to choose."""
    assert verify(mint(claims(), EC, kid=None), keys=parse_jwks(jwks(EC)))
    assert refusal(mint(claims(), ED, kid=None), keys=parse_jwks(jwks(EC))).reason is (
        Reason.TOKEN_ALGORITHM_REFUSED
    )


def test_the_algorithm_tells_two_keys_of_one_kid_apart() -> None:
    """RFC 7517 section 4.5."""
    keys = parse_jwks(jwks(RSA.jwk(kid="same"), EC.jwk(kid="same")))
    assert verify(mint(claims(), RSA, kid="same"), keys=keys)
    assert verify(mint(claims(), EC, kid="same"), keys=keys)
    assert refusal(mint(claims(), ED, kid="same"), keys=keys).reason is Reason.TOKEN_ALGORITHM_REFUSED


def test_no_detail_holds_the_token_or_a_claim() -> None:
    """The detail goes to the log and the audit trail."""
    tokens = [
        mint(claims(iss="canary"), EC),
        mint(claims(), EC, alg="canary"),
        mint(claims(), EC, typ="canary"),
        mint(claims(), EC, kid="canary"),
        mint(claims(aud="canary"), EC),
        mint(claims(groups="canary"), EC),
        sign(dump({"alg": "ES256", "kid": EC.kid}), b'{"canary":', EC),
        "canary.canary.canary",
    ]
    for token in tokens:
        denied = refusal(token)
        assert "canary" not in denied.detail
        assert not any(part in denied.detail for part in token.split("."))


def test_a_token_without_iss_is_of_an_issuer_that_needs_none() -> None:
    """JWT-SVID section 3: by the trust domain of its subject; everybody else's tokens must say who made them."""
    token = parse_token(mint(claims(iss=None, sub="spiffe://acme.example/extract"), EC), 16_384)
    strict = make_issuer(issuer="spiffe://acme.example")
    profile = TokenProfile(iss_may_be_absent=True)
    lenient = make_issuer(issuer="spiffe://acme.example", profile=profile)
    for configured in (strict, make_issuer(issuer="spiffe://evil.example", profile=profile)):
        with pytest.raises(Denied) as caught:
            find_issuer(token, {configured.issuer: configured}, frozenset({configured.name}))
        assert caught.value.reason is Reason.TOKEN_ISSUER_UNKNOWN
    assert find_issuer(token, {lenient.issuer: lenient}, frozenset({lenient.name})) is lenient
    with pytest.raises(Denied):
        verify_claims(token.unverified_claims, strict, NOW)
