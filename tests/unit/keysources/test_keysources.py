"""Key sources over files: no network."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from authz.identity.issuer import Issuer, KeyLocation, KeyOrigin
from authz.identity.trust import CertificateNames, CertificateTrust
from authz.keysources.keysources import KeySources
from authz.keysources.source import Loaded, Source, SourceKind, SourceStatus
from tests.pki import authority, make_authority
from tests.tokens import NOW, ec_key, jwks, make_issuer


class Files:
    """A JWKS file and a roots file, and the sources that read them."""

    def __init__(self, folder: Path) -> None:
        self.keys = folder / "keys.json"
        self.roots = folder / "roots.pem"
        self.keys.write_bytes(jwks(ec_key()))
        self.roots.write_bytes(authority().pem)
        self.changes = 0
        self.attempts: list[SourceStatus] = []
        self.sources = KeySources(
            on_change=self.on_change, on_attempt=self.attempts.append, clock=lambda: NOW
        )

    def on_change(self) -> None:
        self.changes += 1

    @property
    def issuers(self) -> dict[str, Issuer]:
        return {"okta": make_issuer(keys=KeyLocation(origin=KeyOrigin.FILE, place=str(self.keys)))}

    @property
    def trusts(self) -> dict[str, CertificateTrust]:
        return {
            "extracts": CertificateTrust(
                name="extracts", roots=str(self.roots), identity=CertificateNames.DNS
            )
        }


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


async def test_what_cannot_be_loaded_is_missing_and_says_why(files: Files) -> None:
    """Not ready, with a reason for each."""
    files.keys.unlink()
    files.roots.write_text("junk")
    prepared = await files.sources.start(files.issuers, files.trusts)
    assert [(status.kind, status.name, status.loaded) for status in prepared.missing] == [
        (SourceKind.ISSUER_KEYS, "okta", False),
        (SourceKind.TRUST_BUNDLE, "extracts", False),
    ]
    assert "does not exist" in str(prepared.missing[0].last_error)
    assert "line 1" in str(prepared.missing[1].last_error)
    assert prepared.missing[0].age(NOW) is None
    assert files.sources.key_sets == {}
    assert files.sources.bundles == {}


async def test_what_is_loaded_is_there_after_the_start(files: Files) -> None:
    """Without any call of `on_change`: the caller knows."""
    await files.sources.start(files.issuers, files.trusts)
    assert set(files.sources.key_sets) == {"okta"}
    assert set(files.sources.bundles) == {"extracts"}
    assert files.sources.missing == ()
    assert files.changes == 0
    assert [status.age(NOW + 5) for status in files.sources.status] == [5.0, 5.0]
    assert len(files.attempts) == 2


async def test_a_broken_new_file_keeps_the_last_good_one(files: Files) -> None:
    """And is reported; the next good one clears the report."""
    await files.sources.start(files.issuers, files.trusts)
    before = (files.sources.key_sets, files.sources.bundles)
    files.keys.write_text("{")
    files.roots.write_bytes(b"")
    await files.sources.reload_files()
    assert (files.sources.key_sets, files.sources.bundles) == before
    assert files.changes == 0
    assert all(status.last_error for status in files.sources.status)
    assert all(status.failures == 1 for status in files.sources.status)
    files.keys.write_bytes(jwks(ec_key("next")))
    files.roots.write_bytes(make_authority().pem)
    await files.sources.reload_files()
    assert files.changes == 1
    assert [status.last_error for status in files.sources.status] == [None, None]
    assert {key.kid for key in files.sources.key_sets["okta"].keys} == {"next"}
    assert files.sources.bundles != before[1]


async def test_an_equal_file_announces_nothing(files: Files) -> None:
    """Equal content stays the same object, so that no memory is lost without need."""
    await files.sources.start(files.issuers, files.trusts)
    before = files.sources.key_sets["okta"]
    files.keys.write_bytes(b" " + jwks(ec_key()) + b"\n")
    await files.sources.reload_files()
    assert files.sources.key_sets["okta"] is before
    assert files.changes == 0


async def test_problems_of_what_is_in_use_are_reported(files: Files) -> None:
    """Left-out keys and expired roots are no failure, and no secret."""
    files.keys.write_bytes(jwks(ec_key(), {"kty": "oct", "k": "AAAA"}))
    files.roots.write_bytes(authority().pem + make_authority("Old", not_after=NOW - 1).pem)
    await files.sources.start(files.issuers, files.trusts)
    keys, roots = files.sources.status
    assert keys.problems == ("keys[1]: a symmetric key: whoever can verify with it can sign with it",)
    assert "root `CN=Old` is not valid" in roots.problems[0]
    assert files.sources.missing == ()


async def test_a_prepared_policy_is_not_in_force_before_it_is_adopted(files: Files, tmp_path: Path) -> None:
    """Keys and policy change in one moment, or not at all."""
    await files.sources.start(files.issuers, files.trusts)
    other = tmp_path / "other.json"
    other.write_bytes(jwks(ec_key("other")))
    changed = {"okta": make_issuer(keys=KeyLocation(origin=KeyOrigin.FILE, place=str(other)))}
    before = files.sources.key_sets["okta"]
    prepared = await files.sources.prepare(changed, {})
    assert files.sources.key_sets == {"okta": before}
    assert {key.kid for key in prepared.key_sets["okta"].keys} == {"other"}
    files.sources.adopt(prepared)
    assert files.sources.key_sets == prepared.key_sets
    assert files.sources.bundles == {}
    assert files.changes == 0


async def test_an_unchanged_trust_is_not_read_again(files: Files) -> None:
    """A reload of the policy alone keeps the bundle, even if its file is gone for a moment."""
    await files.sources.start(files.issuers, files.trusts)
    before = files.sources.bundles["extracts"]
    files.roots.unlink()
    files.sources.adopt(await files.sources.prepare(files.issuers, files.trusts))
    assert files.sources.bundles["extracts"] is before
    assert len(files.attempts) == 2


async def test_a_file_issuer_is_not_refreshed_on_request(files: Files) -> None:
    """Its file is watched; an unknown key id changes nothing."""
    await files.sources.start(files.issuers, files.trusts)
    assert await files.sources.look_again("okta", b"?new", 10.0) is False


async def test_a_listener_that_fails_does_not_end_the_work(files: Files) -> None:
    """Its defect is reported as the loop reports defects."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def fail() -> None:
        raise RuntimeError("defect")

    sources = KeySources(on_change=fail)
    await sources.start(files.issuers, files.trusts)
    files.keys.write_bytes(jwks(ec_key("next")))
    await sources.reload_files()
    assert {key.kid for key in sources.key_sets["okta"].keys} == {"next"}
    assert [str(context["exception"]) for context in reported] == ["defect"]


async def test_a_defect_while_loading_is_a_failure_like_others() -> None:
    """A refreshing task must not end for good, and its error text may hold anything."""

    async def load() -> Loaded[str]:
        raise RuntimeError("canary")

    source = Source(kind=SourceKind.ISSUER_KEYS, name="okta", place="x", load=load)
    assert await source.attempt() is False
    assert source.status().last_error == "unexpected RuntimeError"
    assert source.status().failures == 1
