"""The benchmarks run: a script that nobody runs rots. What they measure here means nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bench.processes import Ended, Group, wait_for
from tests.envoy_process import short_directory, wait_until

ROOT = Path(__file__).parents[2]
SCRIPTS = {
    "decide": ["--grants=10", "--rounds=1", "--checks=50"],
    "load": ["10"],
    "memory": ["--tokens=60", "--groups=2", "--remember=100", "--flood=50"],
    "statements": ["clickhouse", "deep"],
    "audit": ["--records=500", "--seconds=0.1"],
    "verify": ["--times=10"],
    "flat": ["--grants=10", "--grants=20", "--groups=1", "--groups=5", "--checks=20"],
}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_every_script_is_run_here() -> None:
    """A new script with a `main` of its own is to be added above."""
    runnable = {
        path.stem for path in (ROOT / "bench").glob("*.py") if '__name__ == "__main__"' in path.read_text()
    }
    apart = {"noop_grpcio", "noop_pyvoy", "noop_zttp", "guard", "instructions", "soak", "tether", "threads"}
    assert runnable - apart == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_measures_something(name: str) -> None:
    """It ends well, warns of nothing, and prints figures."""
    done = run(f"bench/{name}.py", *SCRIPTS[name])

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert any(character.isdigit() for character in done.stdout)


@pytest.fixture(scope="module")
def _generator() -> None:
    """Built where Go is; where it is not, the run names it as absent."""
    if shutil.which("go") is None:
        return
    place = ROOT / "build" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    # Beside, then over: another worker's tests may be running the one that is there.
    fresh = place / f"load-{os.getpid()}"
    built = ["go", "build", "-o", str(fresh), "./load"]
    if subprocess.run(built, cwd=ROOT / "bench/peers/go", check=False, timeout=110).returncode == 0:
        fresh.replace(place / "load")


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_the_generator_reads_answers_as_envoy_does() -> None:
    """Its own tests, in Go: what is allowed, and which latency a quantile is."""
    done = subprocess.run(
        ["go", "test", "./load"], cwd=ROOT / "bench/peers/go", capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("_generator")
def test_the_threads_of_a_server_are_counted() -> None:
    """Each with its share of the CPU and its sleeps, by the check."""
    if not (ROOT / "build/bench/load").is_file():
        pytest.skip("the generator of load is not built: Go is not installed")
    done = run("bench/threads.py", "--target=noop-grpcio", "--seconds=0.3", "--rate=200")

    assert done.returncode == 0, done.stderr
    assert "noop-grpcio: for one check" in done.stdout
    assert re.search(r"python\S* +│ +\d+\.\d", done.stdout)


@pytest.mark.usefixtures("_generator")
def test_the_instructions_of_envoy_are_counted() -> None:
    """An answer with less costs it less; where valgrind or Go is missing, that is what it says."""
    done = run("bench/instructions.py", "--requests=50", "--answer=any part")

    if shutil.which("valgrind") is None or not (ROOT / "build/bench/load").is_file():
        assert done.returncode == 1
        assert "Error: nothing is counted: " in done.stderr
        return
    assert done.returncode == 0, done.stderr
    whole, none = (
        int(number.replace(",", "")) for number in re.findall(r"│ ([\d,]+) +│ [\d.]+ +│", done.stdout)
    )
    assert whole > 1.2 * none > 100_000


def commands_of_the_page() -> list[str]:
    """What docs/performance.md says to type: the whole run, a comparison, a soak."""
    page = (ROOT / "docs/performance.md").read_text()
    return re.findall(r"```sh\n(.*?)\n```", page, re.DOTALL)


def test_a_soak_asks_for_as_long_as_it_is_told(directory: Path) -> None:
    """And says what it needs where Go has not built the generator."""
    command = commands_of_the_page()[2].replace(
        "--minutes 60 --rate 300", "--minutes 0.03 --rate 50 --people 20"
    )
    done = run(*command.split()[1:], "--target=scopegate-grpcio", TMPDIR=str(directory))

    assert running_in(directory) == []
    if (ROOT / "build" / "bench" / "load").is_file():
        assert done.returncode == 0, done.stderr
        assert re.search(r"^scopegate-grpcio: 9\d checks, none failed", done.stdout, re.MULTILINE), (
            done.stdout
        )
    else:
        assert done.returncode == 1
        assert "make bench-peers" in done.stderr


def smoke(
    directory: Path, *arguments: str, expected: int = 0, program: tuple[str, ...] = ("-m", "bench")
) -> Any:
    """The results of a run of the smallest size, whose servers are all gone when it ends."""
    found = directory / "results.json"
    done = run(
        *program, "run", "--size=smoke", f"--json={found}", "--no-document", *arguments, TMPDIR=str(directory)
    )
    assert done.returncode == expected, done.stderr
    assert running_in(directory) == []
    results = json.loads(found.read_text())
    assert "regression guard" in done.stdout
    assert all(name in done.stderr for name in results["failed"])
    return results


def running_in(directory: Path) -> list[str]:
    """Processes that were told of this directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
                found += [line] if f"{directory}/sgb-" in line else []
    return found


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as path:
        yield path


@pytest.mark.usefixtures("_generator")
def test_checks_are_measured_and_the_absent_named(directory: Path) -> None:
    """The floor and Scopegate with every kind of question, or a reason for each that is not there."""
    names = ("noop-grpcio", "scopegate-grpcio", "go")
    results = smoke(
        directory, *(f"--target={name}" for name in names), "--step=round 1: noop", "--step=round 1: scope"
    )

    absent = results["absent"]
    assert results["failed"] == {}
    assert "scopegate-grpcio" not in absent
    if "generator of load" not in absent:
        assert set(results["checks"]["noop-grpcio"]) >= {"warm", "at 1,000/s", "at half"}
        kinds = set(results["checks"]["scopegate-grpcio"])
        assert kinds >= {"warm", "denied", "mixed", "cold RS256", "cold EdDSA", "warm ES256"}
        assert {"scopegate-grpcio, no audit", "scopegate-grpcio, traced"} <= results["checks"].keys()
        assert results["checks"]["scopegate-grpcio"]["denied"][0]["allowed"] == 0
    assert "h2load" in absent or "warm, h2load" in results["checks"]["noop-grpcio"]


@pytest.mark.usefixtures("_generator")
def test_weight_reload_and_the_whole_path_are_measured(directory: Path) -> None:
    """Scopegate behind a real Envoy, full of tokens, and while its policy is replaced."""
    results = smoke(
        directory, "--target=scopegate-grpcio", "--step=memory", "--step=reload", "--step=by turns"
    )

    assert results["failed"] == {}
    if "generator of load" not in results["absent"]:
        assert results["footprint"]["grpcio"]["full_bytes"] > 0
        assert results["reload"]["grpcio"]["reload_seconds"] > 0
        assert results["edge"]["scopegate-grpcio"][0]["per_second"] > 0
        assert {"warm", "denied", "at 1,000/s"} <= set(results["checks"]["scopegate-grpcio"])


@pytest.mark.usefixtures("_generator")
def test_the_decision_alone_and_envoys_own_filter_are_measured(directory: Path) -> None:
    """Where no server of ours runs."""
    results = smoke(
        directory, "--step=floor", "--step=verif", "--step=flat", "--step=jwt_authn", "--step=nobody"
    )

    assert results["failed"] == {}
    assert min(results["guard"]["floors"].values()) > 1
    assert set(results["flatness"]) == {"grants", "groups", "groups in tokens of one length"}
    assert {"RS256", "ES256", "EdDSA", "a chain of three"} <= set(results["verification"])
    if "generator of load" not in results["absent"]:
        assert {"Envoy alone", "Envoy's jwt_authn"} <= set(results["edge"])


def test_a_step_that_fails_is_told(directory: Path) -> None:
    """A Scopegate that does not start: the others go on, the results say why, the exit status is 1."""
    steps = ("--target=scopegate-grpcio", "--step=round 1: scopegate-grpcio", "--step=floor")
    results = smoke(directory, *steps, expected=1, program=("-c", BROKEN))

    assert "ended with status 7" in results["failed"]["round 1: scopegate-grpcio"]
    assert min(results["guard"]["floors"].values()) > 1


BROKEN = """
import sys
from dataclasses import replace
from bench import cli, targets
broken = replace(targets.TARGETS["scopegate-grpcio"], command=lambda *_: [sys.executable, "-c", "raise SystemExit(7)"])
targets.TARGETS["scopegate-grpcio"] = broken
cli.main()
"""


def is_alive(pid: int) -> bool:
    """Not gone, and not only waiting for somebody to ask how it ended."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import os, time; os.setsid(); print('up', flush=True)\\nwhile True: pass"])
time.sleep(60)
"""


def test_a_group_is_counted_and_ended_with_its_children(tmp_path: Path) -> None:
    """Also a child that leads a session of its own; what it uses is CPU of the group."""
    with Group([sys.executable, "-c", FAMILY], tmp_path / "log") as group:
        wait_for(lambda: "up" in group.log(), group, "the child is up")
        before = group.cpu_seconds()
        time.sleep(0.5)
        members = group.members()
        assert len(members) == 2
        assert group.cpu_seconds() > before + 0.1
        assert group.resident_bytes() > 1_000_000
    wait_until(lambda: not [pid for pid in members if is_alive(pid)], "both are gone")


def test_a_server_that_ends_by_itself_is_told_with_its_log(tmp_path: Path) -> None:
    """Nobody waits for it until the time is over."""
    with (
        Group([sys.executable, "-c", "print('no socket'); raise SystemExit(3)"], tmp_path / "log") as group,
        pytest.raises(Ended, match="status 3:\nno socket"),
    ):
        wait_for(lambda: False, group, "it is ready")


def test_a_group_that_does_not_listen_to_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run leaves nothing behind."""
    monkeypatch.setattr("bench.processes.END_SECONDS", 0.5)
    deaf = f"import signal, time; signal.signal({int(signal.SIGTERM)}, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    with Group([sys.executable, "-c", deaf], tmp_path / "log") as group:
        wait_for(lambda: "up" in group.log(), group, "it is up")
    assert not is_alive(group.pid)


def test_what_a_killed_run_has_started_ends_with_it(directory: Path) -> None:
    """kill -9 of the harness: no server stays behind to burn a core."""
    program = (
        "import sys, time; from pathlib import Path; from bench.processes import Group;"
        f"Group([sys.executable, '-c', 'import time; time.sleep(60)', '{directory}/sgb-x'], Path('{directory}/log'));"
        "print('up', flush=True); time.sleep(60)"
    )
    harness = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
    assert harness.stdout is not None
    assert harness.stdout.readline() == b"up\n"
    wait_until(lambda: running_in(directory), "the server runs")
    harness.kill()
    harness.wait()
    harness.stdout.close()

    wait_until(lambda: not running_in(directory), "the server is gone")


def test_what_the_page_says_to_type_works(directory: Path) -> None:
    """docs/performance.md: the whole run is what `make bench` runs, and the comparison prints its table."""
    make, compare, _ = commands_of_the_page()
    planned = subprocess.run([*make.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=True)
    done = run(*compare.replace("--seconds 2", "--seconds 0.2").split()[1:], TMPDIR=str(directory))

    assert "python -m bench run --size full" in planned.stdout
    assert done.returncode == 0, done.stderr
    assert "one warm RS256 check" in done.stdout
    assert "FAILED" not in done.stderr, done.stderr
    assert {"go", "scopegate-grpcio"} <= {
        word.strip("│ :") for line in (done.stdout + done.stderr).splitlines() for word in line.split()
    }
