"""`scopegate check --sample-token`: what a policy makes of a token, before anybody relies on it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from authz.cli.main import main
from tests.preset_tokens import Specimen, policy_of, specimen, specimens
from tests.tokens import NOW

CANARY = "canary-8f21"


@pytest.fixture
def okta() -> Specimen:
    return specimen("okta")


def run(folder: Path, each: Specimen, *samples: str, options: tuple[str, ...] = ()) -> Result:
    each.write_keys(folder / "issuer-0")
    (folder / "scopegate.yaml").write_text(policy_of(each))
    arguments = []
    for number, sample in enumerate(samples):
        (folder / f"sample-{number}").write_text(sample)
        arguments += ["--sample-token", str(folder / f"sample-{number}")]
    return CliRunner().invoke(main, ["check", str(folder / "scopegate.yaml"), *arguments, *options])


def problems(folder: Path, each: Specimen, *samples: str) -> list[dict[str, Any]]:
    result = run(folder, each, *samples, options=("--format", "json"))
    return json.loads(result.output)["problems"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "sample",
    ["", "x", "a.b.c", "\u00e9", '{"iss": 1, "iss": 2}', "[]", "{", "x" * 70_000, "eyJhbGciOiJub25lIn0.e30."],
)
def test_what_is_no_sample_cannot_be_asked(tmp_path: Path, okta: Specimen, sample: str) -> None:
    """The exit status is not that of a bad policy."""
    result = run(tmp_path, okta, sample)
    assert result.exit_code == 2
    assert "sample-0: " in result.output


def test_a_missing_file_cannot_be_asked(tmp_path: Path, okta: Specimen) -> None:
    """With its name."""
    result = run(tmp_path, okta, options=("--sample-token", str(tmp_path / "none")))
    assert (result.exit_code, "none: No such file" in result.output) == (2, True)


@pytest.mark.parametrize("name", specimens())
def test_what_would_be_refused_is_said(tmp_path: Path, name: str) -> None:
    """Every neighbour that differs in what it says; the file decides, not the clock or the key."""
    each = specimen(name)
    for neighbour, change in each.neighbours.items():
        reason = change["reason"]
        if reason in {"token_key_unknown", "token_signature_invalid"} or "longer than" in neighbour:
            continue
        sample = each.token(NOW, **{key: value for key, value in change.items() if key != "reason"})
        found = problems(tmp_path, each, sample)
        refused = [problem for problem in found if problem["code"] == "sample_refused"]
        assert [problem["severity"] for problem in refused] == ["error"], neighbour
        assert f"would be refused: {reason}: " in refused[0]["message"], neighbour
        assert run(tmp_path, each, sample).exit_code == 1


@pytest.mark.parametrize("name", specimens())
@pytest.mark.parametrize("form", ["token", "claims"])
def test_a_good_sample_is_good_whenever_it_was_made(tmp_path: Path, name: str, form: str) -> None:
    """A token of years ago, or its claims alone."""
    each = specimen(name)
    token = each.token(1_000_000_000)
    if form == "claims":
        payload = token.split(".")[1]
        import base64

        token = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    result = run(tmp_path, each, token, options=("--strict",))
    assert result.exit_code == 0, result.output


def test_claims_that_nobody_accounts_for_are_named(tmp_path: Path, okta: Specimen) -> None:
    """By name only, whatever is in them; several samples are looked at."""
    extra = {"clearance": CANARY, "https://acme.example/region": [CANARY], "bad\nname": 1}
    found = problems(tmp_path, okta, okta.token(NOW), okta.token(NOW, claims=extra))
    assert [problem["code"] for problem in found] == ["unaccounted_claim"] * 3
    assert [problem["path"] for problem in found] == ["issuers.issuer-0"] * 3
    said = " ".join(problem["message"] for problem in found)
    assert "`clearance`" in said
    assert "`https://acme.example/region`" in said
    assert "(not printable)" in said
    assert CANARY not in json.dumps(found)
    plain = run(tmp_path, okta, okta.token(NOW, claims=extra))
    assert plain.exit_code == 0
    assert run(tmp_path, okta, okta.token(NOW, claims=extra), options=("--strict",)).exit_code == 1


def test_a_claim_of_another_type_than_documented_is_named(tmp_path: Path, okta: Specimen) -> None:
    """Nobody refuses it; a rule that reads it would be surprised."""
    found = problems(tmp_path, okta, okta.token(NOW, claims={"email_verified": "yes"}))
    assert [(problem["code"], "boolean" in problem["message"]) for problem in found] == [
        ("mistyped_claim", True)
    ]


def test_nothing_is_said_of_samples_of_a_broken_policy(tmp_path: Path, okta: Specimen) -> None:
    """First things first."""
    (tmp_path / "scopegate.yaml").write_text("version: 2")
    (tmp_path / "sample").write_text(okta.token(NOW))
    arguments = ["check", str(tmp_path / "scopegate.yaml"), "--sample-token", str(tmp_path / "sample")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "sample_refused" not in result.output
    assert "refused" not in result.output
