"""Keys to sign with, as a source: files that are read, read again, and never replaced by worse ones."""

from pathlib import Path

import pytest

from authz.keysources.files import SourceFileError, load_signing_keys
from authz.keysources.keysources import KeySources
from authz.keysources.source import SourceKind, SourceStatus
from authz.policy.policyset import AssertionRule
from tests.signingkeys import ec_pem, ec_signing_key, rsa_pem, write_key
from tests.tokens import NOW


def rule(folder: Path, *names: str, signs: str | None = None, algorithm: str | None = None) -> AssertionRule:
    files = tuple(str(folder / name) for name in names)
    return AssertionRule(
        issuer="https://edge.example",
        key_files=files,
        signs=files[0] if signs is None else str(folder / signs),
        algorithm=algorithm,
    )


class Sources:
    def __init__(self) -> None:
        self.changes = 0
        self.sources = KeySources(on_change=self._changed, clock=lambda: NOW)

    def _changed(self) -> None:
        self.changes += 1

    @property
    def status(self) -> SourceStatus:
        (found,) = [each for each in self.sources.status if each.kind is SourceKind.SIGNING_KEYS]
        return found

    @property
    def published(self) -> list[str]:
        keys = self.sources.materials.signing
        return [] if keys is None else [key.kid for key in keys.published]


def _cannot_be_used(folder: Path, name: str) -> None:
    match name:
        case "open.pem":
            write_key(folder / name, ec_pem()).chmod(0o644)
        case "directory.pem":
            (folder / name).mkdir()
        case "text.pem":
            write_key(folder / name, b"canary-4711")
        case "long.pem":
            write_key(folder / name, b"canary-4711" * 9_000)
        case _:
            pass


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent.pem", "does not exist"),
        ("directory.pem", "is not a regular file"),
        ("open.pem", "open to everybody on this machine"),
        ("text.pem", "no PEM private key"),
        ("long.pem", "larger than 16384 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_not_quoted(tmp_path: Path, name: str, says: str) -> None:
    """One bad file is enough: half of the keys would be others than the administrator meant."""
    _cannot_be_used(tmp_path, name)
    write_key(tmp_path / "good.pem", ec_pem())
    with pytest.raises(SourceFileError, match=says) as caught:
        load_signing_keys(rule(tmp_path, "good.pem", name))
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "canary" not in str(caught.value)


def test_the_first_signs_unless_another_is_named(tmp_path: Path) -> None:
    """All are published, in their order."""
    for name in ("a", "b"):
        write_key(tmp_path / f"{name}.pem", ec_pem(name))
    first = load_signing_keys(rule(tmp_path, "a.pem", "b.pem"))
    second = load_signing_keys(rule(tmp_path, "a.pem", "b.pem", signs="b.pem"))
    a, b = ec_signing_key("a"), ec_signing_key("b")
    assert (first.published, first.signing) == ((a, b), a)
    assert (second.published, second.signing) == ((a, b), b)


def test_one_key_in_two_files_is_one_key(tmp_path: Path) -> None:
    """As it is between the two steps of moving it."""
    for name in ("current.pem", "previous.pem"):
        write_key(tmp_path / name, ec_pem())
    keys = load_signing_keys(rule(tmp_path, "current.pem", "previous.pem", signs="previous.pem"))
    assert keys.published == (keys.signing,)


def test_only_the_expected_kind_of_key_signs(tmp_path: Path) -> None:
    """What warehouses were told to pin; the other kind may be published beside it, as it is while kinds change."""
    write_key(tmp_path / "ec.pem", ec_pem())
    write_key(tmp_path / "rsa.pem", rsa_pem())
    with pytest.raises(SourceFileError, match=r"ec\.pem: a key for ES256, expected one for RS256"):
        load_signing_keys(rule(tmp_path, "ec.pem", "rsa.pem", algorithm="RS256"))
    keys = load_signing_keys(rule(tmp_path, "rsa.pem", "ec.pem", algorithm="RS256"))
    assert keys.signing.algorithm.value == "RS256"


async def test_keys_that_were_never_read_are_missing(tmp_path: Path) -> None:
    """None, until the file is there: then they are announced."""
    sources = Sources()
    prepared = await sources.sources.start({}, {}, None, rule(tmp_path, "a.pem"))
    assert prepared.materials.signing is None
    assert [status.kind for status in prepared.missing] == [SourceKind.SIGNING_KEYS]
    write_key(tmp_path / "a.pem", ec_pem())
    await sources.sources.reload_files()
    assert (sources.published, sources.changes) == ([ec_signing_key().kid], 1)
    assert sources.sources.missing == ()


async def test_a_bad_new_file_never_replaces_a_good_one(tmp_path: Path) -> None:
    """The last good keys stay, and what is wrong is said."""
    sources = Sources()
    path = write_key(tmp_path / "a.pem", ec_pem("old"))
    await sources.sources.start({}, {}, None, rule(tmp_path, "a.pem"))
    for bad in (b"", b"nonsense", ec_pem("new")[:-40]):
        path.write_bytes(bad)
        await sources.sources.reload_files()
        assert (sources.published, sources.changes) == ([ec_signing_key("old").kid], 0)
        assert "no PEM private key" in str(sources.status.last_error)
    path.write_bytes(ec_pem("new"))
    await sources.sources.reload_files()
    assert (sources.published, sources.changes) == ([ec_signing_key("new").kid], 1)
    assert sources.status.last_error is None


async def test_keys_outlive_a_policy_that_names_the_same_ones(tmp_path: Path) -> None:
    """Also while their file cannot be read; another list of files is another source, which has to be good itself."""
    sources = Sources()
    path = write_key(tmp_path / "a.pem", ec_pem())
    await sources.sources.start({}, {}, None, rule(tmp_path, "a.pem"))
    path.unlink()
    same = await sources.sources.prepare({}, {}, None, rule(tmp_path, "a.pem"))
    assert (same.materials.signing, same.missing) == (sources.sources.materials.signing, ())
    other = await sources.sources.prepare({}, {}, None, rule(tmp_path, "a.pem", "b.pem"))
    assert [status.kind for status in other.missing] == [SourceKind.SIGNING_KEYS]
    none = await sources.sources.prepare({}, {})
    assert (none.materials.signing, none.sources) == (None, [])
