"""What counts as a change of files, and where to look for one."""

import os
from pathlib import Path

import pytest

from authz.config.watch import directories, fingerprint, looks


def _changes(path: Path, change: object) -> bool:
    before = fingerprint([path])
    change()  # type: ignore[operator]
    return fingerprint([path]) != before


def test_nothing_is_no_change(tmp_path: Path) -> None:
    """Looking again at what is the same, or still not there, finds nothing."""
    file = tmp_path / "a.yaml"
    assert not _changes(file, lambda: None)
    file.write_text("a")
    assert not _changes(file, lambda: None)
    assert not _changes(file, lambda: (tmp_path / "audit.jsonl").write_text("x"))


def test_a_new_a_changed_and_a_removed_file_are_changes(tmp_path: Path) -> None:
    """Also where size and name stay what they were."""
    file = tmp_path / "a.yaml"
    assert _changes(file, lambda: file.write_text("a"))
    os.utime(file, ns=(1, 1))
    assert _changes(file, lambda: file.write_text("b"))
    assert _changes(file, file.unlink)


def test_a_file_renamed_over_is_a_change(tmp_path: Path) -> None:
    """An editor's way to save, even within one tick of the clock."""
    file, fresh = tmp_path / "a.yaml", tmp_path / "fresh"
    file.write_text("a")
    fresh.write_text("b")
    os.utime(fresh, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    assert _changes(file, lambda: fresh.replace(file))


def test_a_swapped_link_is_a_change_of_what_it_leads_to(tmp_path: Path) -> None:
    """A ConfigMap: the path stays, the link in the middle moves."""
    for name in ("..1", "..2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(name)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")

    def swap() -> None:
        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").rename(tmp_path / "..data")

    assert _changes(tmp_path / "a.yaml", swap)


def test_a_directory_stands_for_the_policy_files_in_it(tmp_path: Path) -> None:
    """Other files beside them, an audit trail for example, are no reason to look."""
    assert _changes(tmp_path, lambda: (tmp_path / "a.yaml").write_text("a"))
    assert _changes(tmp_path, lambda: (tmp_path / "b.yml").write_text("b"))
    assert not _changes(tmp_path, lambda: (tmp_path / "audit.jsonl").write_text("x"))


def test_the_directory_of_a_link_and_of_its_target_are_watched(tmp_path: Path) -> None:
    """Either may be where the change happens; what does not exist cannot be watched."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.yaml").write_text("a")
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "a.yaml"
    link.symlink_to(tmp_path / "real" / "a.yaml")
    assert directories([link]) == {tmp_path / "links", (tmp_path / "real").resolve()}
    assert directories([tmp_path]) == {tmp_path}
    assert directories([tmp_path / "absent" / "a.yaml"]) == set()


@pytest.mark.parametrize("exists", ["exists", "does not exist"])
async def test_it_is_looked_at_anyway_from_time_to_time(tmp_path: Path, exists: str) -> None:
    """A file system that tells nobody, or a directory that is not there yet, is found all the same."""
    path = tmp_path / "a.yaml" if exists == "exists" else tmp_path / "absent" / "a.yaml"
    found = looks(lambda: [path])
    await anext(found)
    await found.aclose()  # type: ignore[attr-defined]
