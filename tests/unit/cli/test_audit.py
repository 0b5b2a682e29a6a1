"""`scopegate audit`: what it says and how it ends."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from authz.audit.keys import write_new_pair
from authz.audit.query import Answer
from authz.cli.audit import audit
from authz.cli.audittext import as_csv, as_json_rows
from tests.audit_trails import VERIFIER, noted, open_trail, write_trail
from tests.unit.transport.outcomes import EMMA, allowed, denied


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """Two allows and a denial of Emma's, sealed with the tests' key."""
    path = tmp_path / "trail" / "audit.jsonl"
    path.parent.mkdir()
    opened = open_trail(path)
    for number, outcome in enumerate((allowed(), allowed(), denied(principal=EMMA))):
        opened.offer(noted(number, outcome))
    opened.close()
    return path


def _ask(*arguments: object) -> Result:
    return CliRunner().invoke(audit, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_trail_without_a_key_proves_nothing(trail: Path) -> None:
    """Unless the auditor says that this is how it is."""
    result = _ask("verify", trail)
    assert (result.exit_code, "unsigned" in result.output) == (1, True)
    assert _ask("verify", trail, "--accept", "unsigned").exit_code == 0


def test_a_key_of_somebody_else_is_told(trail: Path, tmp_path: Path) -> None:
    """The seal names the key it was made with."""
    write_new_pair(tmp_path / "k", tmp_path / "k.pub")
    result = _ask("verify", trail, "--public-key", tmp_path / "k.pub")
    assert result.exit_code == 1
    assert VERIFIER.key_id in result.output


@pytest.mark.parametrize(
    ("place", "says"),
    [("absent", "no such file"), ("empty", "no files of a trail"), ("key", "no public key")],
)
def test_what_cannot_be_read_ends_with_2(trail: Path, tmp_path: Path, place: str, says: str) -> None:
    """That is no finding about the trail."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "key").write_text("not a key")
    arguments = (
        ("verify", trail, "--public-key", tmp_path / place)
        if place == "key"
        else ("verify", tmp_path / place)
    )
    result = _ask(*arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_an_empty_file_is_no_trail(tmp_path: Path) -> None:
    """Nothing to prove is not proven."""
    (tmp_path / "audit.jsonl").touch()
    result = _ask("verify", tmp_path)
    assert (result.exit_code, "empty" in result.output) == (1, True)


def test_an_earlier_report_is_held_against_the_trail(trail: Path, tmp_path: Path) -> None:
    """The report of a longer trail finds the lines that are gone."""
    longer = tmp_path / "longer.json"
    longer.write_text(_ask("verify", trail, "--accept", "unsigned", "--format", "json").output)
    assert _ask("verify", trail, "--accept", "unsigned", "--known", longer).exit_code == 0
    other = tmp_path / "other"
    other.mkdir()
    write_trail(other / "audit.jsonl", 1)
    result = _ask("verify", other, "--accept", "unsigned", "--known", longer)
    assert (result.exit_code, "known_head_missing" in result.output) == (1, True)
    (tmp_path / "junk.json").write_text("{}")
    assert _ask("verify", trail, "--known", tmp_path / "junk.json").exit_code == 2


def test_named_questions_are_filtered(trail: Path) -> None:
    """By person, warehouse and time; a filter that holds for nobody gives nothing."""
    rows = [
        json.loads(line) for line in _ask("query", "access", trail, "--format", "json").output.splitlines()
    ]
    assert [(row["subject"], row["allows"], row["rules"]) for row in rows] == [
        ("emma", 2, ["emea-analysts", "no-pii"])
    ]
    assert _ask("query", "access", trail, "--format", "json", "--principal", "bob").output == ""
    assert _ask("query", "access", trail, "--format", "json", "--until", "1970-01-01T00:00:00").output == ""
    since = _ask("query", "denials", trail, "--format", "csv", "--since", "1970-01-01T00:00:02Z").output
    assert [row["reason"] for row in csv.DictReader(io.StringIO(since))] == ["no_grant"]
    assert "emma" in _ask("query", "denials", trail).output


@pytest.mark.parametrize(
    "question", ["acess", "DROP TABLE decisions", "SELECT * FROM read_csv('/etc/passwd')"]
)
def test_a_question_that_cannot_be_answered_ends_with_2(trail: Path, question: str) -> None:
    """A typo, a table that is not one, a file that is none of the trail's."""
    assert _ask("query", question, trail).exit_code == 2


def test_filters_are_for_named_questions(trail: Path) -> None:
    """In SQL they would be ignored, and the answer be another one than was asked for."""
    assert _ask("query", "SELECT 1 AS one", trail, "--principal", "emma").exit_code == 2
    assert _ask("query", "SELECT 1 AS one", trail, "--format", "csv").output == "one\n1\n"


def test_a_subject_is_no_formula_and_no_control_sequence() -> None:
    """Whoever opens the CSV in a spreadsheet, or the table in a terminal, must not run what a token says."""
    out = io.StringIO()
    as_csv(Answer(("subject",), iter([("=HYPERLINK(1)",), ("a\x1b[2J",)])), out)
    assert out.getvalue() == "subject\n'=HYPERLINK(1)\na\ufffd[2J\n"
    out = io.StringIO()
    as_json_rows(Answer(("subject",), iter([("=1\x1b",)])), out)
    assert out.getvalue() == '{"subject": "=1\\u001b"}\n'


def test_questions_have_their_line_in_the_help() -> None:
    """The list is written twice, because the help must not load the database."""
    from authz.audit.query import QUESTIONS

    text = _ask("query", "--help").output
    for name, (what, _) in QUESTIONS.items():
        assert f"{name:<9} {what}" in text


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    """And one that everybody may read is refused by the server."""
    from authz.audit.keys import KeyFileError, load_signer

    assert _ask("keygen", tmp_path / "k").exit_code == 0
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    load_signer(tmp_path / "k")
    (tmp_path / "k").chmod(0o644)
    with pytest.raises(KeyFileError, match="everybody may read it"):
        load_signer(tmp_path / "k")
    (tmp_path / "k.pub").chmod(0o600)
    with pytest.raises(KeyFileError, match="no private key"):
        load_signer(tmp_path / "k.pub")
