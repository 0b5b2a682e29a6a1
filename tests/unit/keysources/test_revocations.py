"""The file of revocations and revocation lists as sources: what is in force, what is missing, what is reported."""

import asyncio
from pathlib import Path

import pytest

from authz.identity.revocations import NOTHING_REVOKED, Blocked
from authz.identity.trust import CertificateNames, CertificateTrust
from authz.keysources.files import SourceFileError, load_revocations, load_trust_bundle
from authz.keysources.keysources import KeySources
from authz.keysources.source import Loaded, Source, SourceKind, SourceStatus
from authz.policy.problems import PolicyError
from tests.descriptors import no_descriptors_left
from tests.pki import authority, crl_der, crl_pem, make_authority
from tests.tokens import NOW, make_issuer

ROOT = authority()


class Sources:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "revocations.yaml"
        self.file.write_text("version: 1\n")
        self.now = NOW
        self.changes = 0
        self.attempts: list[SourceStatus] = []
        self.sources = KeySources(
            on_change=self._changed, on_attempt=self.attempts.append, clock=lambda: self.now
        )

    def _changed(self) -> None:
        self.changes += 1

    def put(self, entries: str) -> None:
        self.file.write_text(f"version: 1\n{entries}")

    @property
    def status(self) -> SourceStatus:
        (found,) = [each for each in self.sources.status if each.kind is SourceKind.REVOCATIONS]
        return found


@pytest.fixture
def revoking(tmp_path: Path) -> Sources:
    return Sources(tmp_path)


async def test_a_file_that_was_never_read_revokes_something_unknown(revoking: Sources) -> None:
    """None, and not nothing: whoever begins to serve must not take it for an empty file."""
    revoking.file.write_text("nonsense")
    prepared = await revoking.sources.start({}, {}, str(revoking.file))
    assert prepared.revocations is None
    assert [(each.kind, each.loaded) for each in prepared.missing] == [(SourceKind.REVOCATIONS, False)]
    revoking.put("")
    await revoking.sources.reload_revocations()
    assert revoking.sources.revocations == NOTHING_REVOKED
    assert (revoking.sources.missing, revoking.changes) == ((), 1)


async def test_without_a_file_nothing_is_revoked(revoking: Sources) -> None:
    """And there is nothing to reload."""
    prepared = await revoking.sources.start({}, {})
    assert (prepared.revocations, prepared.sources) == (NOTHING_REVOKED, [])
    await revoking.sources.reload_revocations()
    await revoking.sources.reload_files()
    assert revoking.changes == 0


@pytest.mark.parametrize("everything", [True, False])
async def test_a_changed_file_is_announced_once(revoking: Sources, *, everything: bool) -> None:
    """By the look at this file alone and by the look at all."""
    await revoking.sources.start({}, {}, str(revoking.file))
    reload = revoking.sources.reload_files if everything else revoking.sources.reload_revocations
    revoking.put("issuers:\n  - {issuer: okta}\n")
    await reload()
    await reload()
    assert revoking.changes == 1
    assert revoking.sources.revocations is not None
    assert revoking.sources.revocations.issuers == {"okta": Blocked(place=f"{revoking.file}:3")}


async def test_a_broken_file_keeps_the_last_good_one(revoking: Sources) -> None:
    """And the first of its problems are said."""
    revoking.put("issuers:\n  - {issuer: okta}\n")
    await revoking.sources.start({"okta": make_issuer()}, {}, str(revoking.file))
    revoking.put("issuers:\n" + "  - {}\n" * 7)
    await revoking.sources.reload_revocations()
    assert revoking.changes == 0
    assert revoking.sources.revocations is not None
    assert revoking.sources.revocations.size == 1
    assert revoking.status.last_error is not None
    assert revoking.status.last_error.count("`issuer` is missing") == 5
    assert revoking.status.last_error.endswith("; and 2 more problems")


async def test_names_are_those_of_the_policy_that_is_prepared(revoking: Sources) -> None:
    """An entry may mean nobody any more when the policy changes; the file is not read again for it."""
    revoking.put("issuers:\n  - {issuer: okta}\n")
    await revoking.sources.start({"okta": make_issuer()}, {}, str(revoking.file))
    assert revoking.status.problems == ()
    revoking.file.unlink()
    revoking.sources.adopt(await revoking.sources.prepare({}, {}, str(revoking.file)))
    assert revoking.status.problems == (
        f"{revoking.file}:3: the policy has no issuer `okta`: the entry blocks nobody",
    )
    revoking.sources.adopt(await revoking.sources.prepare({}, {}, None))
    assert revoking.sources.revocations == NOTHING_REVOKED


async def test_another_file_is_another_source(revoking: Sources, tmp_path: Path) -> None:
    """What the old one said is no longer in force once it is adopted."""
    revoking.put("issuers:\n  - {issuer: okta}\n")
    await revoking.sources.start({}, {}, str(revoking.file))
    other = tmp_path / "other.yaml"
    other.write_text("version: 1\n")
    prepared = await revoking.sources.prepare({}, {}, str(other))
    assert revoking.sources.revocations != NOTHING_REVOKED
    revoking.sources.adopt(prepared)
    assert revoking.sources.revocations == NOTHING_REVOKED


async def test_two_looks_never_end_in_the_wrong_order() -> None:
    """The second one waits for the first: otherwise a slow look could bring back older content."""
    release = asyncio.Event()
    began: list[int] = []

    async def load() -> Loaded[int]:
        began.append(len(began))
        mine = len(began)
        if mine == 1:
            await release.wait()
        return Loaded(material=mine)

    source = Source(kind=SourceKind.REVOCATIONS, name="r", place="r", load=load)
    looks = [asyncio.create_task(source.attempt()) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(began) == 1
    release.set()
    await asyncio.gather(*looks)
    assert source.material == 2


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """With the line; what is no file at all, too."""
    file = tmp_path / "revocations.yaml"
    file.write_bytes(b"version: 1\n\xff")
    with pytest.raises(SourceFileError, match=r"revocations\.yaml:2: not UTF-8"):
        load_revocations(str(file))
    with pytest.raises(SourceFileError, match="is not a regular file"):
        load_revocations(str(tmp_path))
    file.write_bytes(b"version: 2")
    with pytest.raises(PolicyError):
        load_revocations(str(file))


async def test_what_is_wrong_with_a_list_is_said_as_of_now(tmp_path: Path) -> None:
    """It gets stale without being read again."""
    (tmp_path / "roots.pem").write_bytes(ROOT.pem)
    (tmp_path / "a.crl").write_bytes(crl_der(ROOT.crl(next_update=NOW + 10)))
    trust = CertificateTrust(
        name="extracts",
        roots=str(tmp_path / "roots.pem"),
        identity=CertificateNames.DNS,
        crls=(str(tmp_path / "a.crl"),),
    )
    subject = Sources(tmp_path)
    await subject.sources.start({}, {"extracts": trust})
    assert subject.sources.status[0].problems == ()
    subject.now = NOW + 10
    assert "stale revocation list" in subject.sources.status[0].problems[0]
    (tmp_path / "a.crl").write_bytes(crl_pem(ROOT.crl(5, number=2)))
    await subject.sources.reload_files()
    assert subject.changes == 1
    assert subject.sources.bundles["extracts"].lists[0].serials == {5}
    (tmp_path / "a.crl").write_bytes(crl_pem(make_authority("Other").crl()))
    await subject.sources.reload_files()
    assert subject.changes == 1
    assert "not signed by an authority of this trust" in str(subject.sources.status[0].last_error)


def test_a_missing_list_is_a_broken_trust(tmp_path: Path) -> None:
    """Its file is named."""
    (tmp_path / "roots.pem").write_bytes(ROOT.pem)
    trust = CertificateTrust(
        name="extracts",
        roots=str(tmp_path / "roots.pem"),
        identity=CertificateNames.DNS,
        crls=(str(tmp_path / "no.crl"),),
    )
    with pytest.raises(SourceFileError, match=r"no\.crl: does not exist"):
        load_trust_bundle(trust)


async def test_a_file_that_cannot_be_read_now_is_looked_at_again(revoking: Sources) -> None:
    """A revocation must not wait for the next change of its file because a descriptor was missing for a moment."""
    await revoking.sources.start({}, {}, str(revoking.file))
    assert not revoking.sources.revocations_unread
    revoking.put("issuers: [{issuer: okta}]\n")
    with no_descriptors_left():
        await revoking.sources.reload_revocations()
    assert revoking.sources.revocations == NOTHING_REVOKED
    assert revoking.sources.revocations_unread
    assert "Too many open files" in str(revoking.status.last_error)
    await revoking.sources.reload_unread()
    assert revoking.sources.revocations is not None
    assert set(revoking.sources.revocations.issuers) == {"okta"}
    assert not revoking.sources.revocations_unread


async def test_a_file_with_a_mistake_is_not_looked_at_until_it_changes(revoking: Sources) -> None:
    """It would be read again and again for nothing."""
    await revoking.sources.start({}, {}, str(revoking.file))
    revoking.put("nonsense\n")
    await revoking.sources.reload_revocations()
    assert revoking.status.last_error is not None
    assert not revoking.sources.revocations_unread
    attempts = len(revoking.attempts)
    await revoking.sources.reload_unread()
    assert len(revoking.attempts) == attempts
