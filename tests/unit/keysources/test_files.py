"""Key sets and trust bundles from files."""

import os
from pathlib import Path

import pytest

from authz.identity.issuer import Issuer, KeyLocation, KeyOrigin
from authz.identity.trust import CertificateNames, CertificateTrust
from authz.keysources.files import SourceFileError, load_key_set, load_trust_bundle
from tests.pki import authority
from tests.tokens import ec_key, jwks, make_issuer

SECRET = "x7kQ2vB9mN4pL6sT1wY8zR3cF5hJ0dGaUeIoPqKb"


def issuer_at(path: Path) -> Issuer:
    return make_issuer(keys=KeyLocation(origin=KeyOrigin.FILE, place=str(path)))


def trust_at(roots: Path, intermediates: Path | None = None) -> CertificateTrust:
    return CertificateTrust(
        name="extracts",
        roots=str(roots),
        identity=CertificateNames.DNS,
        intermediates=None if intermediates is None else str(intermediates),
    )


def refusal(path: Path) -> str:
    with pytest.raises(SourceFileError) as caught:
        load_key_set(issuer_at(path))
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    """With its path, which is what the operator looks for."""
    assert refusal(tmp_path / "none.json") == "does not exist"


def test_a_folder_or_a_pipe_is_no_file(tmp_path: Path) -> None:
    """A pipe would block, a device never end."""
    assert refusal(tmp_path) == "is not a regular file"
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "is not a regular file"


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    """No more than the bound is read."""
    path = tmp_path / "huge.json"
    path.write_bytes(b" " * 1_048_577)
    assert refusal(path) == "larger than 1048576 bytes"


def test_a_broken_file_names_what_is_wrong(tmp_path: Path) -> None:
    """The parser's message, behind the path."""
    path = tmp_path / "keys.json"
    path.write_text("{")
    assert refusal(path) == "not JSON"


def test_a_path_that_no_file_system_has_is_refused() -> None:
    """NUL in a path raises ValueError in Python."""
    with pytest.raises(SourceFileError):
        load_key_set(make_issuer(keys=KeyLocation(origin=KeyOrigin.FILE, place="a\x00b")))


def test_a_key_set_is_loaded(tmp_path: Path) -> None:
    """The neighbour of the refused ones."""
    path = tmp_path / "keys.json"
    path.write_bytes(jwks(ec_key()))
    assert len(load_key_set(issuer_at(path)).keys) == 1


def test_a_bundle_is_loaded_with_its_intermediates(tmp_path: Path) -> None:
    """And refused whole if one of its files is bad."""
    roots, below = tmp_path / "roots.pem", tmp_path / "below.pem"
    roots.write_bytes(authority().pem)
    with pytest.raises(SourceFileError, match="does not exist"):
        load_trust_bundle(trust_at(roots, below))
    below.write_bytes(authority().issue().pem.encode())
    with pytest.raises(SourceFileError, match=r"below\.pem: certificate 1: not a certificate authority"):
        load_trust_bundle(trust_at(roots, below))
    below.write_bytes(authority().intermediate().pem)
    bundle = load_trust_bundle(trust_at(roots, below))
    assert (len(bundle.roots), len(bundle.intermediates)) == (1, 1)


def secret_refusal(path: Path) -> str:
    keys = KeyLocation(origin=KeyOrigin.SECRETS, place=str(path), secrets=(("id", str(path)),))
    with pytest.raises(SourceFileError) as caught:
        load_key_set(make_issuer(keys=keys, algorithms=frozenset({"HS256"})))
    assert str(caught.value).startswith(f"{path}: ")
    assert SECRET not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def secret_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o777])
def test_a_secret_that_everybody_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    """It is none; whoever may write it could put another in its place."""
    assert "open to everybody" in secret_refusal(secret_file(tmp_path / "secret", SECRET, mode))


def test_a_secret_that_is_none_is_refused(tmp_path: Path) -> None:
    """With the file's name, and never with what is in it."""
    assert "expected at least 32" in secret_refusal(secret_file(tmp_path / "short", SECRET[:20]))
    assert "does not exist" in secret_refusal(tmp_path / "none")
    assert "larger than" in secret_refusal(secret_file(tmp_path / "long", SECRET * 40))


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
def test_secrets_are_read_by_their_ids(tmp_path: Path, mode: int) -> None:
    """Two of them, so that one can follow the other; a group may read them, as in a pod."""
    files = [secret_file(tmp_path / name, f"{SECRET}{name}\n", mode) for name in ("old", "new")]
    keys = KeyLocation(
        origin=KeyOrigin.SECRETS, place="secrets", secrets=tuple((path.name, str(path)) for path in files)
    )
    key_set = load_key_set(make_issuer(keys=keys, algorithms=frozenset({"HS256"})))
    assert sorted(key_set.by_kid) == ["new", "old"]
    assert keys.files == tuple(map(str, files))
