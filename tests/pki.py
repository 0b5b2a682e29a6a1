"""Certificate authorities and client certificates for tests: real X.509, made in memory.

`Authority.issue` takes every part of a leaf, so that a test can present a certificate that no honest
authority would sign.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.tokens import NOW

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

TRUST_DOMAIN = "acme.example"
EXTRACT_ID = "spiffe://acme.example/tableau/extract"

CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
_DEFAULT_USAGES = ("digital_signature",)


def moment(seconds: float) -> datetime:
    """The aware time of a number of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def uri(value: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(value)


def dns(value: str) -> x509.GeneralName:
    return x509.DNSName(value)


def email(value: str) -> x509.GeneralName:
    return x509.RFC822Name(value)


def key_usage(*names: str) -> x509.KeyUsage:
    """A key usage extension with these bits set, by their names in cryptography (`key_cert_sign`)."""
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in names for name in every})


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """An end-entity certificate and its private key."""

    certificate: x509.Certificate
    private: PrivateKey

    @property
    def pem(self) -> str:
        """One PEM block, as Envoy reports a peer's certificate (after URL-decoding)."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        """The private key, PKCS #8, not encrypted: for a server or a client in an integration test."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@dataclass(frozen=True, slots=True, eq=False)
class Authority:
    """A certificate authority: self-signed, or an intermediate of another."""

    certificate: x509.Certificate
    private: PrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        names: Sequence[x509.GeneralName] | None = (x509.UniformResourceIdentifier(EXTRACT_ID),),
        *,
        private: PrivateKey | None = None,
        subject: str = "client",
        not_before: float = NOW - 3600,
        not_after: float = NOW + 86_400,
        usages: Iterable[str] | None = _DEFAULT_USAGES,
        extended: Sequence[x509.ObjectIdentifier] | None = (CLIENT_AUTH,),
        ca: bool | None = False,
        serial: int | None = None,
        digest: hashes.HashAlgorithm | None = None,
        extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> Leaf:
        """A leaf with these subject alternative names. `None` leaves an extension out."""
        made = private or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self.certificate.subject, made, not_before, not_after, serial=serial)
        if names is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=not subject)
        if usages is not None:
            builder = builder.add_extension(key_usage(*usages), critical=True)
        if extended is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(extended)), critical=False)
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical)
        builder = builder.add_extension(self._key_identifier(), critical=False)
        return Leaf(builder.sign(self.private, digest or _digest(self.private)), made)

    def intermediate(
        self,
        name: str = "Intermediate CA",
        *,
        not_before: float = NOW - 86_400,
        not_after: float = NOW + 10 * 86_400,
        private: PrivateKey | None = None,
        path_length: int | None = 0,
        extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> "Authority":
        """A certificate authority below this one."""
        made = private or ec.generate_private_key(ec.SECP256R1())
        builder = _ca_builder(
            name, self.certificate.subject, made, not_before, not_after, path_length=path_length
        )
        builder = builder.add_extension(self._key_identifier(), critical=False)
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical)
        return Authority(builder.sign(self.private, _digest(self.private)), made)

    def crl(
        self,
        *revoked: x509.Certificate | int,
        this_update: float = NOW - 3600,
        next_update: float = NOW + 86_400,
        number: int | None = 1,
        digest: hashes.HashAlgorithm | None = None,
        private: PrivateKey | None = None,
        extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
        entry_extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> x509.CertificateRevocationList:
        """A revocation list of this authority, naming certificates or serial numbers. `private` signs in its place."""
        builder = (
            x509.CertificateRevocationListBuilder(revoked_certificates=[])
            .issuer_name(self.certificate.subject)
            .last_update(moment(this_update))
            .next_update(moment(next_update))
            .add_extension(self._key_identifier(), critical=False)
        )
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical)
        for each in revoked:
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(each if isinstance(each, int) else each.serial_number)
                .revocation_date(moment(this_update))
            )
            for extension, critical in entry_extra:
                entry = entry.add_extension(extension, critical)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(private or self.private, digest or _digest(self.private))

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private.public_key())


def crl_pem(*lists: x509.CertificateRevocationList) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in lists)


def crl_der(made: x509.CertificateRevocationList) -> bytes:
    return made.public_bytes(serialization.Encoding.DER)


def make_authority(
    name: str = "Test Root CA",
    *,
    private: PrivateKey | None = None,
    not_before: float = NOW - 30 * 86_400,
    not_after: float = NOW + 365 * 86_400,
) -> Authority:
    """A new self-signed root."""
    made = private or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _ca_builder(name, subject, made, not_before, not_after, path_length=None)
    return Authority(builder.sign(made, _digest(made)), made)


@cache
def authority(name: str = "Test Root CA") -> Authority:
    """The root of this name, made once per process."""
    return make_authority(name)


def rsa_private(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _builder(
    subject: str,
    issuer: x509.Name,
    private: PrivateKey,
    not_before: float,
    not_after: float,
    *,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else []
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(issuer)
        .public_key(private.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(moment(not_before))
        .not_valid_after(moment(not_after))
    )


def _ca_builder(
    name: str,
    issuer: x509.Name,
    private: PrivateKey,
    not_before: float,
    not_after: float,
    *,
    path_length: int | None,
) -> x509.CertificateBuilder:
    return (
        _builder(name, issuer, private, not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    )


def _digest(private: PrivateKey) -> hashes.HashAlgorithm | None:
    return None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
