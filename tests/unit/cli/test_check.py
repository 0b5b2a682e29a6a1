"""`scopegate check`: exit statuses, text for people, JSON for machines."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from authz.cli.check import check
from authz.cli.main import main
from authz.cli.verdicttext import MAX_LINE, problem_texts
from authz.policy.problems import Problem
from authz.policy.yamlvalues import SourceText
from tests.pki import authority
from tests.policies import SMALL
from tests.signingkeys import ec_pem, write_key


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A good policy with the roots that it names."""
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "clients-ca.pem").write_bytes(authority().pem)
    path = tmp_path / "scopegate.yaml"
    path.write_text(SMALL)
    return path


def run(path: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["check", str(path), *options])


def as_json(path: Path, *options: str) -> dict[str, Any]:
    return json.loads(run(path, "--format", "json", *options).output)  # type: ignore[no-any-return]


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


class TestStatus:
    """0 good, 1 problems, 2 could not ask."""

    def test_no_such_file(self, tmp_path: Path) -> None:
        """Nothing was checked."""
        result = run(tmp_path / "no.yaml")
        assert result.exit_code == 2
        assert "no such file or directory" in result.output

    def test_a_wrong_option(self, place: Path) -> None:
        """A usage error is no verdict either."""
        assert run(place, "--format", "xml").exit_code == 2

    def test_errors(self, place: Path) -> None:
        """The policy cannot be used."""
        change(place, "[EU, UK]", "EU")
        assert run(place).exit_code == 1

    def test_warnings(self, place: Path) -> None:
        """Problems only to those who say so."""
        change(place, "ttl: 60s", "ttl: 2h")
        assert run(place).exit_code == 0
        assert run(place, "--strict").exit_code == 1

    def test_good(self, place: Path) -> None:
        """A file, and the directory that it is in."""
        assert run(place, "--strict").exit_code == 0
        assert run(place.parent, "--strict").exit_code == 0


class TestText:
    """For people."""

    def test_each_problem_shows_its_line_and_a_caret(self, place: Path) -> None:
        """And what to do about it."""
        change(place, "ttl: 60s", "ttl: 60")
        assert run(place).output == (
            f"{place}:15:18: error: warehouses.sales.cache.ttl: got the number `60`, expected a duration\n"
            "    15 |     cache: {ttl: 60}\n"
            "       |                  ^\n"
            "  help: say the unit, such as `60s` or `60d`\n"
            "\n"
            f"{place}: 1 error\n"
        )

    def test_a_good_policy_is_summed_up(self, place: Path) -> None:
        """One line, and a table of the warehouses."""
        lines = run(place).output.splitlines()
        assert lines[0].startswith(f"{place}: 1 warehouse, 2 grants, 1 restriction, 0 denies; version ")
        assert lines[0].endswith("; no problems")
        assert lines[1].split() == [
            "warehouse",
            "routes",
            "takes",
            "dimensions",
            "grants",
            "restrictions",
            "denies",
        ]
        assert lines[2].split() == [
            "sales",
            "/api/*",
            "any:",
            "okta",
            "extracts",
            "region",
            "ordered_at",
            "2",
            "1",
            "0",
        ]

    def test_a_password_in_a_url_is_not_shown(self, place: Path) -> None:
        """The output may be the public log of a build."""
        change(place, "http://warehouse", "http://me:canary@warehouse")
        output = run(place).output
        assert "the URL carries credentials" in output
        assert "canary" not in output
        assert "canary" not in run(place, "--format", "json").output

    def test_a_policy_cannot_write_to_the_terminal(self, place: Path) -> None:
        """Escape sequences are shown as what they are: not printable."""
        change(place, "[EU, UK]", "[\x1b[2JEU]")
        output = run(place).output
        assert "\x1b" not in output
        assert "[\N{REPLACEMENT CHARACTER}[2JEU]" in output

    def test_markup_in_a_policy_is_text(self, place: Path) -> None:
        """Square brackets are lists, not colours."""
        change(place, "groups: [analysts-emea]", "group: [bold]")
        assert "to: {group: [bold]}" in run(place).output

    @pytest.mark.parametrize("column", [1, 80, 300, 399, 400])
    def test_of_a_long_line_the_part_around_the_caret_is_shown(self, column: int) -> None:
        """With the caret where it belongs."""
        line = "".join(chr(ord("a") + number % 26) for number in range(400))
        problem = Problem(code="x", file="p", line=1, column=column, message="m")
        (text,) = problem_texts([problem], [SourceText("p", line)])
        _, shown, caret = text.plain.split("\n")
        assert len(shown) <= MAX_LINE + 9
        assert shown[caret.index("^")] == line[column - 1]

    def test_the_caret_stands_under_wide_characters(self) -> None:
        """Terminals give them two cells."""
        problem = Problem(code="x", file="p", line=1, column=3, message="m")
        (text,) = problem_texts([problem], [SourceText("p", "\u6771\u4eacX")])
        assert text.plain.split("\n")[2].index("^") == len("     1 | ") + 4

    def test_a_problem_without_a_line_shows_none(self) -> None:
        """There is nothing to show."""
        problem = Problem(code="x", file="p", message="m", help="h")
        assert next(problem_texts([problem], [])).plain == "p: error: m\n  help: h"


class TestJson:
    """For machines."""

    def test_a_problem_has_all_its_parts(self, place: Path) -> None:
        """The same as in the text."""
        change(place, "ttl: 60s", "ttl: 60")
        said = as_json(place)
        assert said["good"] is False
        assert said["version"] is None
        assert said["problems"] == [
            {
                "severity": "error",
                "code": "value",
                "file": str(place),
                "line": 15,
                "column": 18,
                "path": "warehouses.sales.cache.ttl",
                "message": "got the number `60`, expected a duration",
                "help": "say the unit, such as `60s` or `60d`",
            }
        ]

    def test_a_good_policy_has_a_version_and_its_rules(self, place: Path) -> None:
        """By warehouse."""
        said = as_json(place)
        assert said["good"] is True
        assert len(said["version"]) == 32
        assert said["problems"] == []
        assert said["warehouses"] == {
            "sales": {
                "grants": ["emea-analysts", "extract-jobs"],
                "restrictions": ["contractors-no-pii"],
                "denies": [],
            }
        }

    def test_what_could_not_be_asked_is_json_too(self, tmp_path: Path) -> None:
        """A pipeline parses what it gets."""
        said = as_json(tmp_path / "no.yaml")
        assert [problem["code"] for problem in said["problems"]] == ["unreadable"]

    def test_strict_makes_warnings_count(self, place: Path) -> None:
        """In `good` as in the exit status."""
        change(place, "ttl: 60s", "ttl: 2h")
        assert as_json(place)["good"] is True
        assert as_json(place, "--strict")["good"] is False


class TestFiles:
    """The files that Scopegate itself will read."""

    def test_roots_that_are_missing(self, place: Path) -> None:
        """An error, unless nobody asks for files."""
        (place.parent / "tls" / "clients-ca.pem").unlink()
        result = run(place)
        assert result.exit_code == 1
        assert "client_certificates.extracts: " in result.output
        assert "does not exist" in result.output
        assert run(place, "--no-files").exit_code == 0

    def test_roots_that_are_none(self, place: Path) -> None:
        """They are parsed, not only found."""
        (place.parent / "tls" / "clients-ca.pem").write_text("no certificate")
        assert run(place).exit_code == 1

    def test_a_key_set_that_is_none(self, place: Path) -> None:
        """As the server would find it."""
        change(place, "groups_claim: groups", "groups_claim: groups, jwks_file: keys.json")
        (place.parent / "keys.json").write_text("{}")
        assert [problem["path"] for problem in as_json(place)["problems"]] == ["issuers.okta.jwks_file"]

    def test_keys_to_sign_with(self, place: Path) -> None:
        """Missing, open to everybody, and as they should be."""
        place.write_text(place.read_text() + "assertion: {keys: [a.pem], issuer: me}\n")
        assert [problem["path"] for problem in as_json(place)["problems"]] == ["assertion.keys"]
        key = write_key(place.parent / "a.pem", ec_pem())
        key.chmod(0o604)
        result = run(place)
        assert result.exit_code == 1
        assert "open to everybody on this machine" in result.output
        key.chmod(0o600)
        assert run(place).exit_code == 0


def test_what_a_header_cannot_say_is_a_warning(place: Path) -> None:
    """Two grants that somebody may have together are alternatives, which one list for each dimension is not."""
    change(place, "    cache: {ttl: 60s}\n", "    headers: [values]\n")
    change(
        place,
        "restrictions:\n",
        "  - {id: us, to: {groups: [us]}, on: [sales], scope: {region: [US], ordered_at: {last: 30d}}}\nrestrictions:\n",
    )
    (problem,) = as_json(place)["problems"]
    assert (problem["severity"], problem["code"], problem["path"]) == (
        "warning",
        "not_expressible",
        "grants[2]",
    )
    assert "emea-analysts" in problem["message"]


def test_the_command_has_the_name_that_the_group_knows() -> None:
    """`scopegate check`."""
    assert check.name == "check"


def test_the_file_that_proves_who_asks_about_tokens_is_looked_at(tmp_path: Path) -> None:
    """A missing client secret is no surprise at the first opaque token."""
    policy = tmp_path / "p.yaml"
    policy.write_text(
        """\
version: 1
issuers:
  okta:
    issuer: https://issuer.example
    audiences: [api://warehouse]
    introspection: {url: https://issuer.example/introspect, client_id: us, client_secret_file: secret}
dimensions: {region: {type: string}}
warehouses: {sales: {routes: [{prefix: /}], upstream: "http://w:80", columns: {region: region}}}
grants: [{id: all, to: {subjects: [a]}, on: all, scope: {region: [EU]}}]
"""
    )
    result = CliRunner().invoke(main, ["check", str(policy)])
    assert result.exit_code == 1
    assert "issuers.okta.introspection: " in result.output
    assert "secret: does not exist" in result.output
    (tmp_path / "secret").write_text("s3cret")
    (tmp_path / "secret").chmod(0o600)
    assert CliRunner().invoke(main, ["check", str(policy)]).exit_code == 0
