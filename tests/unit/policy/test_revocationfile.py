"""The file of revocations: each entry, and each mistake with its line."""

import pytest

from authz.identity.revocations import Blocked, Revocations
from authz.policy.problems import PolicyError
from authz.policy.revocationfile import MAX_REVOCATIONS, MAX_TEXT, parse_revocations
from authz.policy.yamlvalues import SourceText

FULL = """\
version: 1
subjects:
  - {issuer: okta, subject: alice, reason: left the company, until: 2027-01-31}
  - {trust: extracts, subject: spiffe://acme.example/tableau/extract}
tokens:
  - {issuer: okta, id: t-1}
certificates:
  - {trust: extracts, serial: '00:0A:1B'}
issuers:
  - {issuer: entra, reason: "breach\N{EN DASH}2026"}
trusts:
  - {trust: partners}
issued_before:
  - {issuer: okta, before: 2026-11-23T20:00:00Z}
  - {issuer: okta, subject: bob, before: 2026-11-23, until: 2027-01-31T00:00:00+01:00}
"""


def parse(text: str) -> Revocations:
    return parse_revocations(SourceText("revocations.yaml", text))


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse(text)
    return [problem.text for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "revocations.yaml:1: the file is empty; begin with `version: 1`; alone it revokes nothing"),
        ("# all comments\n", "revocations.yaml:1: the file is empty"),
        ("[]", "revocations.yaml:1: got a list, expected a mapping"),
        ("subjects: []", "revocations.yaml:1: version: `version` is missing; write `version: 1`"),
        ("version: 2", "revocations.yaml:1: version: got the number `2`, expected the number `1`"),
        ("version: true", "revocations.yaml:1: version: got the word `true`, expected the number `1`"),
        ("version: '1'", "revocations.yaml:1: version: got `1`, expected the number `1`"),
        ("version: 1\nversion: 1", "revocations.yaml:2: the key `version` stands twice in this mapping"),
        ("version: 1\nsubject: []", "revocations.yaml:2: subject: unknown key `subject`; did you mean `subjects`?"),
        ("version: 1\nsubjects:", "revocations.yaml:2: subjects: got nothing, expected a list"),
        ("version: 1\nsubjects: {}", "revocations.yaml:2: subjects: got a mapping, expected a list"),
        ("version: 1\nsubjects: [alice]", "subjects[0]: got `alice`, expected a mapping"),
        ("version: 1\nsubjects:\n  - {issuer: okta}", "revocations.yaml:3: subjects[0]: `subject` is missing"),
        ("version: 1\nsubjects:\n  - {subject: a}", "revocations.yaml:3: subjects[0]: `issuer` is missing"),
        (
            "version: 1\nsubjects:\n  - {issuer: okta, trust: extracts, subject: a}",
            "revocations.yaml:3: subjects[0].trust: unknown key `trust`",
        ),
        ("version: 1\nsubjects:\n  - {issuer: okta, subject: 7}", "subjects[0].subject: got the number `7`, expected text; quote it"),
        ("version: 1\nsubjects:\n  - {issuer: okta, subject: ''}", f"subjects[0].subject: expected 1 to {MAX_TEXT} printable"),
        ('version: 1\nsubjects:\n  - {issuer: okta, subject: "a\\nb"}', "subjects[0].subject: expected 1 to"),
        ('version: 1\nsubjects:\n  - {issuer: okta, subject: a, reason: "\\e[2J"}', "subjects[0].reason: expected 1 to"),
        ("version: 1\nsubjects:\n  - {issuer: okta, subject: a, reason: 7}", "subjects[0].reason: got the number `7`"),
        ("version: 1\nsubjects:\n  - {issuer: okta, subject: a, until: soon}", "subjects[0].until: got `soon`, expected a date"),
        ("version: 1\nsubjects:\n  - {issuer: okta, subject: a, until: }", "subjects[0].until: got nothing"),
        ("version: 1\nsubjects:\n  - {issuer: okta, subject: a, till: x}", "unknown key `till`; did you mean `until`?"),
        ("version: 1\ntokens:\n  - {issuer: okta, jti: x}", "tokens[0].jti: unknown key `jti`"),
        ("version: 1\ntokens:\n  - {trust: extracts, id: x}", "tokens[0].trust: unknown key `trust`"),
        ("version: 1\ncertificates:\n  - {trust: x, serial: 1234}", "certificates[0].serial: got the number `1234`, expected text; quote it"),
        ("version: 1\ncertificates:\n  - {trust: x, serial: '0'}", "certificates[0].serial: got `0`, expected a serial number in hexadecimal"),
        ("version: 1\ncertificates:\n  - {trust: x, serial: 'xyz'}", "expected a serial number in hexadecimal; as `openssl x509"),
        ("version: 1\ncertificates:\n  - {trust: x, serial: '-1'}", "expected a serial number in hexadecimal"),
        ("version: 1\ncertificates:\n  - {trust: x, serial: '1:2'}", "expected a serial number in hexadecimal"),
        ("version: 1\ncertificates:\n  - {issuer: okta, serial: 'a1'}", "certificates[0].issuer: unknown key `issuer`"),
        ("version: 1\nissuers: [okta]", "issuers[0]: got `okta`, expected a mapping"),
        ("version: 1\nissuers:\n  - {issuer: okta, subject: a}", "issuers[0].subject: unknown key `subject`"),
        ("version: 1\ntrusts:\n  - {trust: x, serial: 'a'}", "trusts[0].serial: unknown key `serial`"),
        ("version: 1\nissued_before:\n  - {issuer: okta}", "issued_before[0]: `before` is missing"),
        ("version: 1\nissued_before:\n  - {issuer: okta, before: 2026-02-30}", "issued_before[0].before: got `2026-02-30`"),
        ("version: 1\nissued_before:\n  - {issuer: okta, before: 2026-11-23T20:00:00}", "expected a timestamp with its zone"),
        ("version: 1\nissued_before:\n  - {trust: x, before: 2026-11-23}", "issued_before[0].trust: unknown key `trust`"),
        ("version: 1\nsubjects:\n - &a {issuer: okta, subject: !!str a}", "the tag"),
        ("version: 1\n---\nversion: 1", "a second YAML document begins here"),
        ("{", "not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_with_its_place(text: str, expected: str) -> None:
    """A file that is not understood as a whole revokes nothing new, and takes nothing back."""
    assert any(expected in line for line in problems(text)), problems(text)


def test_every_mistake_is_said_at_once() -> None:
    """In the order of the lines."""
    lines = problems("version: 1\nsubjects:\n  - {issuer: okta}\ntokens:\n  - {id: x}\nmore: 1\n")
    assert [line.partition(": ")[0] for line in lines] == [
        f"revocations.yaml:{number}" for number in (3, 5, 6)
    ]


def test_a_file_that_revokes_too_much_is_refused() -> None:
    """A bound on what a worker must keep and read."""
    text = "version: 1\nissuers:\n" + "  - x\n" * (MAX_REVOCATIONS + 1)
    assert problems(text) == [
        f"revocations.yaml:3: issuers: more than {MAX_REVOCATIONS} entries in this file"
    ]


def test_a_version_alone_revokes_nothing() -> None:
    """The file to begin with."""
    assert parse("version: 1\n") == Revocations()
    assert parse("\ufeffversion: 1") == Revocations()


def test_every_kind_of_entry_is_read() -> None:
    """With its place, its end and the operator's word."""
    made = parse(FULL)
    assert made.subjects == {
        ("okta", "alice"): Blocked(place="revocations.yaml:3", until=1_801_353_600.0, note="left the company")
    }
    assert set(made.names) == {("extracts", "spiffe://acme.example/tableau/extract")}
    assert set(made.tokens) == {("okta", "t-1")}
    assert set(made.certificates) == {("extracts", "a1b")}
    assert {name: blocked.note for name, blocked in made.issuers.items()} == {
        "entra": "breach\N{EN DASH}2026"
    }
    assert set(made.trusts) == {"partners"}
    assert {key: [cut.before for cut in cuts] for key, cuts in made.cuts.items()} == {
        ("okta", ""): [1_795_464_000.0],
        ("okta", "bob"): [1_795_392_000.0],
    }
    assert made.size == 8


@pytest.mark.parametrize("written", ["a1b", "0A1B", "00:0a:1B", "0x0A1B", "0Xa1b", "A:1B"])
def test_a_serial_number_is_read_as_others_write_it(written: str) -> None:
    """OpenSSL, browsers and Go differ; the number is one."""
    made = parse(f"version: 1\ncertificates:\n  - {{trust: x, serial: '{written}'}}\n")
    assert set(made.certificates) == {("x", "a1b")}


@pytest.mark.parametrize("turned", [False, True])
def test_an_entry_is_never_shortened_by_another(*, turned: bool) -> None:
    """Of two for one thing the one that holds longer; all moments of `issued_before` count."""
    entries = ["{issuer: okta, subject: a, until: 2027-01-31}", "{issuer: okta, subject: a}"]
    entries = entries[::-1] if turned else entries
    made = parse("version: 1\nsubjects:\n" + "".join(f"  - {entry}\n" for entry in entries))
    assert made.subjects["okta", "a"].until == float("inf")
    cuts = parse(
        "version: 1\nissued_before:\n"
        + "".join(f"  - {{issuer: okta, before: {day}}}\n" for day in ("2026-01-01", "2026-02-01"))
    )
    assert len(cuts.cuts["okta", ""]) == 2
