"""Finding and reading policy files."""

import os
from pathlib import Path

import pytest

from authz.config.policyfiles import MAX_BYTES, PolicyUnreadableError, read_policy_files
from tests.descriptors import no_descriptors_left


def unreadable(path: Path) -> list[str]:
    with pytest.raises(PolicyUnreadableError) as caught:
        read_policy_files(path)
    return [problem.text.replace(str(path), "PATH") for problem in caught.value.problems]


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    """With the name that was asked for."""
    assert unreadable(tmp_path / "no.yaml") == ["PATH: no such file or directory"]


def test_a_directory_without_policies_is_none(tmp_path: Path) -> None:
    """An empty mount must not be an empty policy."""
    (tmp_path / "readme.md").write_text("x")
    (tmp_path / ".hidden.yaml").write_text("x")
    (tmp_path / "folder.yaml").mkdir()
    assert unreadable(tmp_path) == ["PATH: no `*.yaml` or `*.yml` file in this directory"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nor is a device read without end."""
    os.mkfifo(tmp_path / "pipe.yaml")
    assert unreadable(tmp_path / "pipe.yaml") == ["PATH: not a regular file"]
    assert unreadable(Path("/dev/zero")) == ["PATH: not a regular file"]


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    """Latin-1 looks like text until somebody's name is in it."""
    path = tmp_path / "p.yaml"
    path.write_bytes("version: 1\nname: é\n".encode("latin-1"))
    assert unreadable(path) == ["PATH:2: not UTF-8: the byte 0xe9; save the file as UTF-8"]
    path.write_bytes("version: 1\nname: é\n".encode("utf-16"))
    assert unreadable(path)[0].startswith("PATH:1: not UTF-8")
    path.write_bytes("version: 1\nname: é\n".encode("utf-8-sig"))
    assert read_policy_files(path)[0].text == "version: 1\nname: é\n"


def test_a_policy_without_end_is_not_read_to_it(tmp_path: Path) -> None:
    """The bound is for all files together."""
    half = b"#" * (MAX_BYTES // 2)
    (tmp_path / "a.yaml").write_bytes(half)
    (tmp_path / "b.yaml").write_bytes(half)
    assert len(read_policy_files(tmp_path)) == 2
    (tmp_path / "c.yaml").write_bytes(b"#")
    assert unreadable(tmp_path) == [f"PATH/c.yaml: the policy is larger than {MAX_BYTES} bytes"]


def test_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Not only the first one."""
    (tmp_path / "a.yaml").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_text("version: 1\n")
    assert unreadable(tmp_path) == [
        "PATH/a.yaml: no such file or directory",
        "PATH/b.yaml: not a regular file",
    ]


def test_a_file_is_read_with_its_name_and_its_directory(tmp_path: Path) -> None:
    """The name is what messages say, the directory where its own file names start."""
    path = tmp_path / "scopegate.yaml"
    path.write_text("version: 1\n")
    (source,) = read_policy_files(path)
    assert (source.name, source.text, source.base) == (str(path), "version: 1\n", str(tmp_path))


def test_any_name_does_for_a_single_file(tmp_path: Path) -> None:
    """Whoever names it means it."""
    (tmp_path / ".policy").write_text("version: 1\n")
    assert len(read_policy_files(tmp_path / ".policy")) == 1


def test_the_files_of_a_directory_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Only those of a policy, and none of the directories below."""
    for name in ("20-b.yaml", "10-a.yml", "30-c.json", ".30.yaml", "40-d.yaml~"):
        (tmp_path / name).write_text("version: 1\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "x.yaml").write_text("version: 1\n")
    assert [Path(source.name).name for source in read_policy_files(tmp_path)] == ["10-a.yml", "20-b.yaml"]


def test_a_configmap_is_read_as_kubelet_mounts_it(tmp_path: Path) -> None:
    """Links through `..data`, which are no second copies; names stay those of the mount."""
    data = tmp_path / "..2026_01_01"
    data.mkdir()
    (data / "scopegate.yaml").write_text("version: 1\n")
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "scopegate.yaml").symlink_to("..data/scopegate.yaml")
    (source,) = read_policy_files(tmp_path)
    assert source.name == str(tmp_path / "scopegate.yaml")
    assert source.base == str(tmp_path)


def test_what_passes_is_told_from_what_does_not(tmp_path: Path) -> None:
    """Without a descriptor nothing can be read, and nothing about the file will change when there is one."""
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\n")
    with no_descriptors_left(), pytest.raises(PolicyUnreadableError) as caught:
        read_policy_files(path)
    assert caught.value.passing
    assert [problem.text for problem in caught.value.problems] == [f"{path}: too many open files"]
    path.write_bytes(b"\xff")
    with pytest.raises(PolicyUnreadableError) as caught:
        read_policy_files(path)
    assert not caught.value.passing


def test_a_file_that_somebody_writes_is_read_later(tmp_path: Path) -> None:
    """Half of a policy may be a policy without its restrictions."""
    path = tmp_path / "p.yaml"
    with path.open("w") as writer:
        writer.write("version: 1\n")
        writer.flush()
        with pytest.raises(PolicyUnreadableError) as caught:
            read_policy_files(path)
        assert [problem.text for problem in caught.value.problems] == [
            f"{path}: another process is writing it"
        ]
        assert caught.value.passing
    assert read_policy_files(path)[0].text == "version: 1\n"
