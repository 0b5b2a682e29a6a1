"""What is fuzzed: each parser of foreign bytes, with the one invariant that a hostile input is our error or a denial.

A target takes bytes and raises for a defect only. It needs no fuzzer: pytest runs each on its seeds and on small
changes of them, `make fuzz` for as long as it is given (tests/fuzz/run.py).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from authz.case import Occasion
from authz.check import Snapshot
from authz.errors import Denied, Reason
from authz.identity.accepts import AcceptedCredentials, Authentication, Basic, Bearer, Cookie, Header
from authz.identity.authenticator import Authenticator
from authz.identity.authorities import TrustBundleError, authority_flaw, parse_authorities
from authz.identity.credentials import Credentials, read_credentials
from authz.identity.crl import CrlError, parse_crls
from authz.identity.keyset import KeySetError, parse_jwks
from authz.identity.peercertificate import parse_peer_certificate
from authz.identity.pem import PemError, parse_certificate_blocks
from authz.identity.revocations import NOTHING_REVOKED
from authz.identity.spiffe import SpiffeId
from authz.identity.xfcc import XfccError, chain_header, parse_client_chain, parse_xfcc
from authz.keysources.fetch import FetchError
from authz.keysources.introspector import parse_introspection
from authz.policy.parse import SourceText, parse_policy
from authz.policy.problems import PolicyError
from authz.policy.revocationfile import parse_revocations
from authz.request import AccessRequest
from authz.transport.answers import AnswerWriter
from authz.transport.engine import Engine, Serving
from tests.pki import authority, crl_der, crl_pem, uri
from tests.tokens import NOW, claims, ec_key, ed25519_key, jwks, make_issuer, mint, rsa_key
from tests.unit.transport.questions import question

Target = Callable[[bytes], None]


class BrokenInvariantError(AssertionError):
    """A hostile input was taken for something else."""


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """A target and what to begin with."""

    run: Target
    seeds: tuple[bytes, ...]


def _text(data: bytes) -> str:
    """Any bytes are some text: what a header is to us."""
    return data.decode("latin-1")


KEYS = (ec_key(), rsa_key(), ed25519_key())
_SALES = AcceptedCredentials(
    authentication=Authentication.TOKEN, issuers=frozenset({"okta"}), trusts=frozenset()
)


@cache
def _good_tokens() -> tuple[str, ...]:
    return tuple(mint(claims(), key) for key in KEYS)


@cache
def _authenticator() -> Authenticator:
    return Authenticator(
        issuers={"okta": make_issuer()}, key_sets={"okta": parse_jwks(jwks(*KEYS))}, bundles={}
    )


def fuzz_token(data: bytes) -> None:
    """Whoever gets in has one of the tokens that were signed."""
    token = _text(data)
    try:
        principal = _authenticator().authenticate(Credentials(token=token, certificate_pem=None), _SALES, NOW)
    except Denied:
        return
    if token not in _good_tokens() or principal.subject != "alice":
        raise BrokenInvariantError("a token that nobody signed was accepted")


def fuzz_jwks(data: bytes) -> None:
    """Keys that can verify, or an error."""
    try:
        key_set = parse_jwks(data)
    except KeySetError:
        return
    if not key_set.keys or not all(key.algorithms for key in key_set.keys):
        raise BrokenInvariantError("a key set without a use")


def fuzz_spiffe_id(data: bytes) -> None:
    """One ID has one text."""
    text = _text(data)
    try:
        parsed = SpiffeId.parse(text)
    except ValueError:
        return
    if parsed.text != text:
        raise BrokenInvariantError("a SPIFFE ID has two texts")


def fuzz_xfcc(data: bytes) -> None:
    """An error or a denial."""
    for parse in (parse_xfcc, parse_client_chain):
        try:
            parse(_text(data))
        except (XfccError, Denied):
            continue


def fuzz_pem(data: bytes) -> None:
    """Blocks, or an error; and the same for the one certificate of a handshake."""
    text = _text(data)
    for comments in (False, True):
        try:
            parse_certificate_blocks(text, comments=comments)
        except PemError:
            continue
    try:
        parse_peer_certificate(text)
    except Denied:
        return


def fuzz_crl(data: bytes) -> None:
    """A revocation list of the authority, or an error."""
    root = authority().certificate
    try:
        parse_crls([("fuzz.crl", data)], [root])
    except CrlError:
        return


def fuzz_bundle(data: bytes) -> None:
    """Authorities that could sign, or an error."""
    try:
        found = parse_authorities(data, "fuzz.json", spiffe=True)
    except TrustBundleError:
        return
    if any(authority_flaw(each) for each in found):
        raise BrokenInvariantError("something that is no authority was taken for one")


def fuzz_revocations(data: bytes) -> None:
    """Revocations, or problems."""
    try:
        parse_revocations(SourceText("fuzz.yaml", _text(data)))
    except PolicyError as error:
        if not error.problems:
            raise BrokenInvariantError("refused without a problem") from None


def fuzz_introspection(data: bytes) -> None:
    """Claims, "not active", or an error."""
    try:
        answer = parse_introspection(data)
    except FetchError:
        return
    if answer is not None and "active" in answer:
        raise BrokenInvariantError("`active` is no claim")


_EVERYWHERE = AcceptedCredentials(
    authentication=Authentication.TOKEN,
    issuers=frozenset({"okta"}),
    trusts=frozenset(),
    places=(Bearer(), Basic(), Header("x-token"), Cookie("token")),
)


def fuzz_credentials(data: bytes) -> None:
    """Three headers, apart by line ends: one token, none, or a denial."""
    parts = _text(data).split("\n")
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in zip(("authorization", "x-token", "cookie"), parts, strict=False):
        if value:
            headers[name] = (value,)
    request = AccessRequest(method="GET", host="a", path="/", headers=headers)
    try:
        found = read_credentials(request, _EVERYWHERE)
    except Denied:
        return
    if found.token is not None and not (found.token.isascii() and found.token.isprintable()):
        raise BrokenInvariantError("a token with characters that no token has")


_POLICY = """\
version: 1
issuers:
  okta: {issuer: https://issuer.example/oauth2/default, audiences: [api://warehouse], groups_claim: groups}
dimensions: {region: {type: string}}
warehouses:
  sales: {routes: [{prefix: /api/}], upstream: http://warehouse:8080, columns: {region: region}}
grants:
  - {id: all, to: {groups: [analysts-emea]}, on: [sales], scope: {region: [EU]}}
"""


class Defects:
    """An observer that only remembers defects."""

    def __init__(self) -> None:
        self.defects: list[str] = []

    def decided(self, occasion: Occasion) -> None:
        reason = occasion.case.reason
        if reason is Reason.INTERNAL_ERROR:
            self.defects.append(str(reason))

    def timed(self, *_: object) -> None:
        """Nobody measures."""


@cache
def snapshot() -> Snapshot:
    return Snapshot(
        policy=parse_policy([SourceText("fuzz.yaml", _POLICY)]),
        authenticator=_authenticator(),
        revocations=NOTHING_REVOKED,
    )


@cache
def _engine() -> tuple[Engine, Defects]:
    return engine_of(snapshot())


def engine_of(snapshot: Snapshot) -> tuple[Engine, Defects]:
    """An engine under a snapshot, and what sees its defects."""
    observer = Defects()
    serving = Serving(
        snapshot=snapshot, answers=AnswerWriter(policy_version="v", public_url=None), observer=observer
    )
    return Engine(serving, clock=lambda: NOW), observer


def fuzz_check_request(data: bytes) -> None:
    """Whatever the bytes: an answer with a status, an allow for a signed token only, and never a defect of ours."""
    check_answer(*_engine(), data)


def check_answer(engine: Engine, observer: Defects, data: bytes) -> None:
    """The invariant of every answer."""
    answer = CheckResponse.FromString(engine.decide(data))
    if observer.defects:
        observer.defects.clear()
        raise BrokenInvariantError("a defect was needed to deny this")
    if not answer.HasField("status"):
        raise BrokenInvariantError("an answer without a status is an allow")
    if answer.status.code == 0 and not any(token.encode() in data for token in _good_tokens()):
        raise BrokenInvariantError("allowed without a token that was signed")


def _questions() -> Iterable[bytes]:
    yield question().SerializeToString()
    for token in _good_tokens():
        yield question(headers={"authorization": f"Bearer {token}"}).SerializeToString()
    yield question(path="/api/../admin", method="POST", warehouse=None).SerializeToString()
    asked = question()
    asked.attributes.source.certificate = "-----BEGIN%20CERTIFICATE-----%0AAAAA"
    yield asked.SerializeToString()


@cache
def targets() -> dict[str, Fuzzed]:
    """Every target by its name."""
    leaf = authority().issue([uri("spiffe://acme.example/tableau/extract")])
    pem = leaf.pem.encode()
    tokens = tuple(token.encode() for token in _good_tokens())
    return {
        "token": Fuzzed(fuzz_token, (*tokens, b"a.b.c", mint(claims(exp=1), KEYS[0]).encode())),
        "jwks": Fuzzed(fuzz_jwks, (jwks(*KEYS), jwks(rsa_key()), b'{"keys":[{"kty":"oct","k":"AA"}]}')),
        "spiffe_id": Fuzzed(
            fuzz_spiffe_id, (b"spiffe://acme.example/a/b", b"spiffe://acme.example", b"spiffe://a:1/..")
        ),
        "xfcc": Fuzzed(
            fuzz_xfcc,
            (
                b'Hash=ab;Cert="-----BEGIN%20CERTIFICATE-----%0A"',
                b'By=spiffe://a/b;Hash=00;Subject="CN=\\"x\\""',
                chain_header(leaf.pem + authority().pem.decode()).encode(),
            ),
        ),
        "pem": Fuzzed(
            fuzz_pem, (pem, pem + authority().pem, b"# note\n" + pem, b"-----BEGIN CERTIFICATE-----")
        ),
        "crl": Fuzzed(
            fuzz_crl,
            (
                *(pem, b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n", b"\x30\x00"),
                *(crl_pem(authority().crl(5)), crl_der(authority().crl(5, 6))),
            ),
        ),
        "bundle": Fuzzed(
            fuzz_bundle, (pem, authority().pem, b'{"keys":[{"kty":"EC","use":"x509-svid","x5c":["AAAA"]}]}')
        ),
        "revocations": Fuzzed(
            fuzz_revocations,
            (
                b"version: 1\nsubjects:\n  - {issuer: okta, subject: a, until: 2027-01-31, reason: x}\n",
                b"version: 1\ncertificates:\n  - {trust: a, serial: '0A:1B'}\nissuers:\n  - {issuer: b}\n",
                b"version: 1\nissued_before:\n  - {issuer: okta, before: 2026-11-23T20:00:00Z}\n",
            ),
        ),
        "introspection": Fuzzed(
            fuzz_introspection, (b'{"active":true,"sub":"a","exp":1}', b'{"active":false}')
        ),
        "credentials": Fuzzed(
            fuzz_credentials,
            (b"Bearer abc\n\n", b"Basic YTpi\n\n", b"\nBearer abc\n", b'\n\na=b; token="abc"; c=d'),
        ),
        "check_request": Fuzzed(fuzz_check_request, tuple(_questions())),
    }
