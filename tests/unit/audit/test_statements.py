"""What a trail keeps of statements, and what can be asked about them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from authz.audit.lines import DecisionLine
from authz.audit.query import TrailDatabase
from authz.audit.reading import find_files
from authz.audit.verify import verify
from authz.check import Outcome
from authz.guarding import Statement
from authz.guardrails.examine import examine
from authz.request import AccessRequest
from tests.audit_trails import VERIFIER, noted, open_trail
from tests.statements import SESSIONS, rules
from tests.unit.transport.outcomes import allowed

ROOT = Path(__file__).parents[3]
REQUEST = AccessRequest(method="POST", host="edge", path="/v1/statement")


def _asked(text: str) -> Outcome:
    found = examine(text, rules("trino"), SESSIONS["trino"])
    return replace(allowed(), statement=Statement(main=found, prepared={}))


def _trail(path: Path, *outcomes: Outcome) -> list[DecisionLine]:
    trail = open_trail(path)
    for number, outcome in enumerate(outcomes):
        trail.offer(noted(number, outcome, request=REQUEST))
    trail.close()
    lines = path.read_bytes().splitlines()
    return [DecisionLine.model_validate_json(line) for line in lines if b'"kind":"decision"' in line[:40]]


def test_a_statement_is_told_without_its_literals(tmp_path: Path) -> None:
    """Kind, whole names, fingerprint; nothing where none was examined."""
    with_canary = _asked("select id from orders where region = 'canary' /* canary */")
    first, second = _trail(tmp_path / "audit.jsonl", with_canary, allowed())
    assert first.asked is not None
    assert first.asked.statement is not None
    assert (first.asked.statement.kind, first.asked.statement.tables) == ("select", ["sales.public.orders"])
    assert second.asked is not None
    assert second.asked.statement is None
    assert "canary" not in (tmp_path / "audit.jsonl").read_text()


def test_lines_from_before_there_were_statements_are_read(tmp_path: Path) -> None:
    """A trail is older than the program that reads it."""
    _trail(tmp_path / "audit.jsonl", allowed())
    text = (tmp_path / "audit.jsonl").read_text()
    (line,) = [line for line in text.splitlines() if '"kind":"decision"' in line]
    old = DecisionLine.model_validate_json(line.replace(',"statement":null', ""))
    assert old.asked is not None
    assert old.asked.statement is None


def test_the_question_of_the_page(tmp_path: Path) -> None:
    """What docs/warehouses.md asks of a trail: statements that differ in literals only are one."""
    text = (ROOT / "docs" / "warehouses.md").read_text(encoding="utf-8")
    (sql,) = re.findall(r'`scopegate audit query "(SELECT statement[^"]+)" DIR`', text)
    path = tmp_path / "audit.jsonl"
    of = "select id from orders where region = '{}'"
    _trail(path, _asked(of.format("EU")), _asked(of.format("US")), _asked("show schemas"))
    answer = TrailDatabase([path]).ask_sql(sql, lambda _: None)
    rows = {(kind, tuple(tables), count) for kind, tables, _, count in answer.rows}
    assert rows == {("select", ("sales.public.orders",), 2), ("show", (), 1)}


@pytest.mark.parametrize(
    ("outcome", "request_"),
    [
        (_asked("select id from orders"), REQUEST),
        (allowed(), REQUEST),
        (allowed(), None),
        (allowed(), replace(REQUEST, headers={"traceparent": (f"00-{'a' * 32}-{'b' * 16}-01",)})),
    ],
    ids=["statement", "no statement", "no question", "traced"],
)
def test_whatever_a_record_ends_with_it_is_whole(
    tmp_path: Path, outcome: Outcome, request_: AccessRequest | None
) -> None:
    """Proven as it was written; cut anywhere it is no line, although a later start has given it an end."""
    path = tmp_path / "audit.jsonl"
    trail = open_trail(path)
    trail.offer(noted(1, outcome, request=request_))
    trail.close()
    assert _faults(path) == set()
    *before, line, _seal = path.read_bytes().splitlines(keepends=True)
    for end in range(1, len(line) - 1):
        path.write_bytes(b"".join([*before, line[:end], b"\n"]))
        assert "not_a_line" in _faults(path), line[:end][-40:]


def _faults(path: Path) -> set[str]:
    report = verify(find_files([path]), [VERIFIER])
    return {finding.fault.value for finding in report.findings}
