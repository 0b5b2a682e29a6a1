"""`scopegate render`: exit statuses, and what is said to a wrong name."""

from pathlib import Path

from click.testing import CliRunner, Result

from authz.cli.main import main

POLICY = Path(__file__).parents[2] / "golden" / "warehouses" / "scopegate.yaml"


def _run(kind: str, warehouse: str, output: Path, policy: Path = POLICY) -> Result:
    arguments = ["--policy", str(policy), "--warehouse", warehouse, "-o", str(output)]
    return CliRunner().invoke(main, ["render", kind, *arguments])


def test_the_files_are_written_into_a_directory_that_is_made(tmp_path: Path) -> None:
    """Twice, too: rendering again replaces them."""
    output = tmp_path / "a" / "b"
    assert [_run("postgres", "crm", output).exit_code for _ in range(2)] == [0, 0]
    assert (output / "scopegate.sql").stat().st_size > 1000


def test_a_warehouse_that_is_not_there_is_said_with_the_nearest_name(tmp_path: Path) -> None:
    """Nothing is written."""
    done = _run("postgres", "cmr", tmp_path / "out")
    assert (done.exit_code, done.output) == (1, f"{POLICY}: no warehouse `cmr`; did you mean `crm`?\n")
    assert not (tmp_path / "out").exists()


def test_a_warehouse_of_another_kind_has_no_such_files(tmp_path: Path) -> None:
    """Files for it would make nobody obey."""
    done = _run("cube", "crm", tmp_path / "out")
    assert done.exit_code == 1
    assert "warehouse `crm` is of kind `postgrest`" in done.output


def test_a_name_that_would_end_a_part_of_the_script_is_refused(tmp_path: Path) -> None:
    """A column may be called nearly anything, and what is written is run by a superuser."""
    policy = tmp_path / "scopegate.yaml"
    policy.write_text(POLICY.read_text().replace("{email: pii,", '{"x$scopegate$; DROP": pii,'))
    done = _run("postgres", "crm", tmp_path / "out", policy)
    assert done.exit_code == 1
    assert "which ends a part of the script" in done.output


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """Exit status 2: the policy is good."""
    (tmp_path / "file").write_text("")
    assert _run("postgres", "crm", tmp_path / "file" / "out").exit_code == 2
