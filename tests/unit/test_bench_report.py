"""What a run of the benchmarks says of its figures."""

import copy
from pathlib import Path
from typing import Any

import pytest

from bench.report import BEGIN, END, sheets, write_document
from bench.verdict import verdicts

MILLISECONDS = {"p50": 0.5, "p90": 1.0, "p99": 2.0, "p99.9": 3.0, "max": 9.0}


def figure(cpu: float, **more: Any) -> dict[str, Any]:
    return {
        "cpu": cpu,
        "per_second": 1e6 / cpu,
        "allowed": 100,
        "denied": 0,
        "failed": 0,
        "memory": 2**20,
        "milliseconds": MILLISECONDS,
        **more,
    }


def road(per_second: float) -> dict[str, Any]:
    return {"per_second": per_second, "envoy_cpu": 60.0, "milliseconds": MILLISECONDS}


RESULTS: dict[str, Any] = {
    "absent": {"opa": "not built"},
    "failed": {},
    "machine": {
        "when": "2026-01-01T00:00:00Z",
        "cores": 2,
        "cpu": "a CPU",
        "architecture": "x86_64",
        "memory_gib": 24,
        "kernel": "Linux 6",
        "load_before": 0.1,
    },
    "versions": {"python": "3.11"},
    "size": {"rounds": 2, "seconds": 5},
    "checks": {
        "go": {"warm": [figure(80.0), figure(70.0)], "at 1,000/s": [figure(200.0)]},
        "scopegate-zttp": {"warm": [figure(60.0), figure(63.0)], "denied": [figure(90.0)]},
    },
    "edge": {"go": [road(6_000.0)], "scopegate-zttp": [road(8_000.0), road(9_600.0)]},
    "flatness": {
        "grants": {"10": {"microseconds": 20.0, "ratio": 1.0}, "1000": {"microseconds": 31.0, "ratio": 1.5}}
    },
    "verification": {"RS256": {"ours": 55.0, "theirs": 50.0, "ratio": 1.1}},
    "guard": {"floors": {"again": 4.0, "new": 9.0}, "at_most": {"again": 5.0, "new": 10.0}},
    "footprint": {},
    "reload": {},
    "opa": {},
}


def found(text: str, results: dict[str, Any] = RESULTS) -> Any:
    (one,) = [verdict for verdict in verdicts(results) if text in verdict.line]
    return one


def test_the_best_of_the_rounds_is_compared() -> None:
    """60 µs of 70: other work on the machine makes a figure worse, never better."""
    one = found("CPU of a warm RS256 check")

    assert one.figure == "0.86"
    assert one.met is True


def test_a_throughput_is_to_be_high() -> None:
    """9,600 of 6,000 is enough; one request less in a hundred is not."""
    less = copy.deepcopy(RESULTS)
    less["edge"]["scopegate-zttp"] = [road(8_900.0)]

    assert found("one Envoy worker").met is True
    assert found("one Envoy worker", less).met is False


def test_a_throughput_stands_beside_that_of_a_server_that_decides_nothing() -> None:
    """Where Envoy alone is what is slow, no server reaches the bound, and the line says so; without a floor it says nothing."""
    floored = copy.deepcopy(RESULTS)
    floored["edge"]["noop-zttp"] = [road(7_000.0), road(7_500.0)]

    assert found("one Envoy worker", floored).note == "the floor, which decides nothing: 1.25"
    assert found("one Envoy worker").note == ""


@pytest.mark.parametrize(("last", "figure", "word"), [(1.5, "1.50", "met"), (8.0, "1.60", "NOT MET")])
def test_a_reload_is_held_against_the_quiet_run_before_it(last: float, figure: str, word: str) -> None:
    """Pair by pair, and the median of them: one that met somebody else's work says nothing, on either side."""
    pairs = [(40.0, 5.0), (1.0, 1.6), (2.0, last * 2.0)]
    turns = [[{"p99": quiet}, {"p99": busy}] for quiet, busy in pairs]

    one = found("are reloaded", RESULTS | {"reload": {"zttp": {"grants": 10_000, "turns": turns}}})

    assert (one.figure, one.word) == (figure, word)


def test_a_reload_without_turns_is_not_measured() -> None:
    """A run that was too short for a quantile."""
    for turns in ([], [[{}, {}]]):
        one = found("are reloaded", RESULTS | {"reload": {"zttp": {"grants": 50, "turns": turns}}})
        assert one.word == "not measured"


@pytest.mark.parametrize(
    ("text", "word"), [("a flood", "NOT MET"), ("1,000 grants", "NOT MET"), ("RS256, of the", "met")]
)
def test_each_line_says_whether_it_is_met(text: str, word: str) -> None:
    """A flood at 1.5, grants at 1.5 and a cold path at 1.1 times."""
    assert found(text).word == word


def test_what_was_not_measured_is_neither_met_nor_not() -> None:
    """OPA is absent, and no token with groups was asked for: nobody is to read that as a success."""
    for text in (
        "p50 at 1,000 checks a second, of OPA's",
        "flat: a new question of somebody known, with 0 groups,",
    ):
        assert found(text).word == "not measured"


def test_a_server_that_falls_behind_has_no_latency() -> None:
    """At 900 of 1,000 a second its queue grows for as long as one asks: nothing is to be compared with that."""
    both = copy.deepcopy(RESULTS)
    both["checks"]["scopegate-zttp"]["at 1,000/s"] = [figure(300.0, per_second=1_000.0)]
    both["checks"]["go"]["at 1,000/s"] = [figure(200.0, per_second=999.0)]
    line = "p99 at 1,000 checks a second, of the lean Go server's"
    assert found(line, both).figure == "1.00"

    both["checks"]["go"]["at 1,000/s"] = [figure(200.0, per_second=900.0)]
    assert found(line, both).word == "not measured"


def test_the_page_gets_tables_and_keeps_its_words(tmp_path: Path) -> None:
    """What stands between the marks is replaced, nothing else; a second time, too."""
    page = tmp_path / "performance.md"
    page.write_text(f"# Words\n\n{BEGIN}\nyesterday\n{END}\n\nmore words\n")
    for _ in range(2):
        write_document(RESULTS, [tmp_path / "performance" / "cpu.png"], page)
    text = page.read_text()

    assert text.startswith("# Words\n")
    assert text.endswith("\n\nmore words\n")
    assert "yesterday" not in text
    assert "![cpu](performance/cpu.png)" in text
    assert text.count("| scopegate-zttp | 60.0 | 0.86 |") == 1
    assert "| opa | not built |" in text


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    """Nobody's words are overwritten."""
    page = tmp_path / "performance.md"
    page.write_text("# Words\n")

    with pytest.raises(ValueError, match="no `<!-- bench: begin -->`"):
        write_document(RESULTS, [], page)
    assert page.read_text() == "# Words\n"


def test_a_failed_step_is_in_the_tables() -> None:
    """Beside what is absent, with the first line of its reason."""
    failed = {**RESULTS, "failed": {"round 1: go": "Ended: ended with status 1:\nlong log"}}

    assert ("round 1: go", "failed: Ended: ended with status 1:") in sheets(failed)[-1].rows
