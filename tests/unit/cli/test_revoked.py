"""Revocations, revocation lists and chains on the command line: `explain` says who is blocked, `check` what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from authz.cli.main import main
from tests.pki import Authority, Leaf, authority, crl_pem, make_authority
from tests.tokens import AUDIENCE, ISSUER, NOW, claims, jwks, mint, rsa_key

AT = "2026-09-21T14:13:20Z"  # NOW
POLICY = f"""\
version: 1
issuers:
  okta: {{issuer: {ISSUER}, audiences: ["{AUDIENCE}"], groups_claim: groups, jwks_file: jwks.json}}
client_certificates:
  extracts: {{roots: ca.pem, identity: spiffe, trust_domain: acme.example, crls: [ca.crl]}}
dimensions: {{region: {{type: string}}}}
warehouses:
  sales: {{routes: [{{prefix: /api/}}], upstream: http://warehouse, columns: {{region: region}}}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: all, scope: {{region: [EU]}}}}
  - {{id: extracts, to: {{spiffe: ["spiffe://acme.example/*"]}}, on: all, scope: {{region: all}}}}
revocations: {{file: revocations.yaml}}
"""
ROOT = authority()
LEAF = ROOT.issue()
OTHER = ROOT.issue()
BELOW = ROOT.intermediate()
CHAINED = BELOW.issue()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scopegate.yaml").write_text(POLICY)
    (tmp_path / "jwks.json").write_bytes(jwks(rsa_key()))
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    (tmp_path / "ca.crl").write_bytes(crl_pem(ROOT.crl(LEAF.certificate)))
    (tmp_path / "revocations.yaml").write_text("version: 1\n")
    return tmp_path


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=text)


def explain(*arguments: str, text: str | None = None) -> dict[str, Any]:
    common = ("explain", "--policy", "scopegate.yaml", "--warehouse", "sales", "--at", AT, "--format", "json")
    result = run(*common, *arguments, text=text)
    assert result.exit_code in {0, 1}, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def by_token(subject: str = "alice") -> dict[str, Any]:
    return explain("--token-file", "-", text=mint(claims(sub=subject), rsa_key()))


def by_certificate(*parts: Leaf | Authority) -> dict[str, Any]:
    Path("client.pem").write_text(
        "".join(part.pem if isinstance(part, Leaf) else part.pem.decode() for part in parts)
    )
    return explain("--certificate", "client.pem")


def test_who_is_blocked_is_told_with_the_line(place: Path) -> None:
    """And the neighbour is not."""
    place.joinpath("revocations.yaml").write_text(
        "version: 1\nsubjects:\n  - {issuer: okta, subject: alice, reason: left}\n"
    )
    found = by_token()
    assert (found["decision"], found["reason"], found["stage"]) == ("deny", "revoked", "identity")
    assert found["detail"] == "the subject is blocked by ./revocations.yaml:3 (left)"
    assert found["principal"] == {"issuer": "okta", "subject": "alice"}
    assert by_token("bob")["decision"] == "allow"


def test_stated_facts_are_held_against_the_revocations_too(place: Path) -> None:
    """The question is who would be let in."""
    place.joinpath("revocations.yaml").write_text(
        "version: 1\nsubjects:\n  - {trust: extracts, subject: spiffe://acme.example/a}\n"
    )
    assert explain("--spiffe", "spiffe://acme.example/a")["reason"] == "revoked"
    assert explain("--spiffe", "spiffe://acme.example/b")["decision"] == "allow"


def test_people_are_told_in_words(place: Path) -> None:
    """The credentials were good; they are blocked."""
    place.joinpath("revocations.yaml").write_text("version: 1\nissuers:\n  - {issuer: okta}\n")
    result = run(
        *("explain", "--policy", "scopegate.yaml", "--warehouse", "sales", "--at", AT, "--token-file", "-"),
        text=mint(claims(), rsa_key()),
    )
    assert "DENIED: revoked" in result.stdout
    assert '✓ the credentials are good: "alice" of `okta`' in result.stdout
    assert "✗ nothing of them is revoked" in result.stdout
    assert "the issuer is blocked by ./revocations.yaml:3" in result.stdout


def test_a_file_of_revocations_that_cannot_be_read_is_no_answer(place: Path) -> None:
    """The server lets nobody in before it can read it."""
    arguments = ("explain", "--policy", "scopegate.yaml", "--warehouse", "sales", "--subject", "ann")
    (place / "revocations.yaml").write_text("nonsense")
    result = run(*arguments)
    assert (result.exit_code, "./revocations.yaml:1: got `nonsense`" in result.output) == (2, True)
    (place / "revocations.yaml").unlink()
    result = run(*arguments)
    assert result.exit_code == 2
    assert "the revocations cannot be read: ./revocations.yaml: does not exist" in result.output


def test_a_revoked_certificate_is_told_by_its_list() -> None:
    """As the server tells it."""
    assert by_certificate(LEAF)["reason"] == "certificate_revoked"
    assert by_certificate(OTHER)["decision"] == "allow"


def test_a_chain_in_the_file_counts_where_envoy_tells_of_it(place: Path) -> None:
    """The first certificate is the client's; the others are what it sends along."""
    text = POLICY.replace(", crls: [ca.crl]", "")
    (place / "scopegate.yaml").write_text(text)
    assert by_certificate(CHAINED, BELOW)["reason"] == "certificate_untrusted"
    (place / "scopegate.yaml").write_text(text + "edge: {client_ca: ca.pem, forward_client_chain: true}\n")
    assert by_certificate(CHAINED)["reason"] == "certificate_untrusted"
    assert by_certificate(CHAINED, make_authority("Junk"))["reason"] == "certificate_untrusted"
    assert by_certificate(CHAINED, BELOW)["decision"] == "allow"
    assert by_certificate(CHAINED, BELOW.issue())["reason"] == "certificate_untrusted"


def problems(*options: str) -> tuple[int, list[dict[str, Any]]]:
    result = run("check", "scopegate.yaml", "--format", "json", *options)
    return result.exit_code, json.loads(result.output)["problems"]


def test_every_mistake_of_the_revocations_is_said(place: Path) -> None:
    """Each with its own line, at the place of the policy that names the file."""
    (place / "revocations.yaml").write_text("version: 1\nsubjects:\n  - {issuer: okta}\nmore: 1\n")
    status, found = problems()
    texts = [problem["message"] for problem in found if problem["code"] == "file"]
    assert status == 1
    assert [text.partition(": ")[0] for text in texts] == ["./revocations.yaml:3", "./revocations.yaml:4"]
    assert {
        (problem["file"], problem["line"], problem["path"]) for problem in found if problem["code"] == "file"
    } == {("scopegate.yaml", 12, "revocations.file")}
    assert problems("--no-files")[0] == 0


def test_entries_that_block_nobody_are_warned_about(place: Path) -> None:
    """A name that is misspelt blocks nobody, and somebody relies on it."""
    (place / "revocations.yaml").write_text("version: 1\nissuers:\n  - {issuer: otka}\n")
    status, found = problems()
    (warning,) = [problem for problem in found if problem["code"] == "unknown_name"]
    assert (status, warning["severity"]) == (0, "warning")
    assert (
        warning["message"] == "./revocations.yaml:3: the policy has no issuer `otka`: the entry blocks nobody"
    )


def test_lists_are_read_by_check_too(place: Path) -> None:
    """A list that cannot be used is an error, a stale one a warning."""
    (place / "ca.crl").write_bytes(crl_pem(ROOT.crl(next_update=NOW - 10, this_update=NOW - 20)))
    status, found = problems()
    assert status == 0
    assert "./ca.crl: stale revocation list of `CN=Test Root CA`" in [problem["message"] for problem in found]
    (place / "ca.crl").write_bytes(crl_pem(make_authority("Other").crl()))
    status, found = problems()
    assert status == 1
    assert any("ca.crl: not signed by an authority of this trust" in problem["message"] for problem in found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("crls: [ca.crl]", "crls: ca.crl", "got `ca.crl`, expected a list"),
        ("crls: [ca.crl]", "crls: []", "the list is empty"),
        ("crls: [ca.crl]", "crl_check: leaf", "`crls` is missing"),
        ("crls: [ca.crl]", "crls: [ca.crl], crl_check: all", "expected one of `leaf`, `chain`"),
        ("revocations: {file: revocations.yaml}", "revocations: revocations.yaml", "expected a mapping"),
        ("revocations: {file: revocations.yaml}", "revocations: {}", "`file` is missing"),
        ("revocations: {file: revocations.yaml}", "revocations: {file: [a]}", "got a list, expected text"),
        (
            "revocations: {file: revocations.yaml}",
            "edge: {forward_client_chain: true}",
            "`client_ca` is missing",
        ),
    ],
)
def test_mistakes_of_the_policy(place: Path, old: str, new: str, message: str) -> None:
    """Of the keys that belong here."""
    (place / "scopegate.yaml").write_text(POLICY.replace(old, new))
    status, found = problems("--no-files")
    assert status == 1
    assert any(message in problem["message"] for problem in found), found


def test_the_names_of_files_start_from_the_directory_of_the_policy(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As all of a policy's do."""
    monkeypatch.chdir(place.parent)
    Path(place / "revocations.yaml").write_text("version: 1\nissuers:\n  - {issuer: okta}\n")
    policy = str(place / "scopegate.yaml")
    result = run(
        "explain", "--policy", policy, "--warehouse", "sales", "--subject", "ann", "--format", "json"
    )
    assert json.loads(result.stdout)["reason"] == "revoked"
