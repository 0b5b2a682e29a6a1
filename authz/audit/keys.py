"""Ed25519 keys of audit trails (RFC 8032): PEM files."""

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

_MAX_BYTES: Final = 16_384


class KeyFileError(ValueError):
    """A key file that cannot be used. The text never quotes it."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with a private key. `key_id` says which public key to verify with."""

    key_id: str
    _key: Ed25519PrivateKey = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(data)


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies with a public key."""

    key_id: str
    _key: Ed25519PublicKey = field(repr=False)

    def is_signed(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `data`."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


def signer_of(key: Ed25519PrivateKey) -> Signer:
    """The signer with this key."""
    return Signer(_key_id(key.public_key()), key)


def verifier_of(key: Ed25519PublicKey) -> Verifier:
    """The verifier with this key."""
    return Verifier(_key_id(key), key)


def load_signer(path: Path) -> Signer:
    """The private key in a PEM file (PKCS #8) that not everybody may read. Raises `KeyFileError`."""
    data = _read(path, private=True)
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError):
        raise KeyFileError(f"{path}: no private key in PEM form without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: expected an Ed25519 key; make one with `scopegate audit keygen`")
    return signer_of(key)


def load_verifier(path: Path) -> Verifier:
    """The public key in a PEM file. Raises `KeyFileError`."""
    data = _read(path, private=False)
    try:
        key = load_pem_public_key(data)
    except ValueError:
        raise KeyFileError(f"{path}: no public key in PEM form") from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(f"{path}: expected an Ed25519 key")
    return verifier_of(key)


def write_new_pair(private: Path, public: Path) -> str:
    """Make a pair of keys, each in a file that must not exist yet; the id of the key. Raises OSError."""
    key = Ed25519PrivateKey.generate()
    _write(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _write(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    return _key_id(key.public_key())


def _write(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(data)


def _read(path: Path, *, private: bool) -> bytes:
    try:
        if not path.is_file():
            raise KeyFileError(f"{path}: no such file")
        with path.open("rb") as file:
            if private and os.fstat(file.fileno()).st_mode & stat.S_IRWXO:
                raise KeyFileError(f"{path}: everybody may read it: chmod o= {path}")
            return file.read(_MAX_BYTES)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from None


def _key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]
