"""`scopegate demo` as people run it: with and without a terminal, undisturbed, interrupted and sabotaged."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from authz.demo.places import packaged_policy
from authz.demo.scenes import SCENES

ROOT = Path(__file__).parents[2]
COMMAND = [str(Path(sys.executable).with_name("scopegate")), "demo", "--rows=100000"]
SECONDS = 90.0
CURL = shutil.which("curl")


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory for everything that a demo writes; its path is in the command line of all that it starts."""
    directory = Path(tempfile.mkdtemp(prefix="sg", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(home), "TERM": "xterm", "COLUMNS": "150"}


def _running_in(home: Path) -> list[str]:
    """Command lines of processes that have to do with `home`."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(home) in line:
                found.append(line)
    return found


def _assert_nothing_left(home: Path) -> None:
    assert _running_in(home) == []
    assert list(home.iterdir()) == []


def _start(home: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=_environment(home),
    )


class Terminal:
    """A demo on a pseudo-terminal. `pid` is its process; what it prints is read while it is waited for."""

    def __init__(self, home: Path, *options: str) -> None:
        self.text = ""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execve(COMMAND[0], [*COMMAND, *options], _environment(home))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._terminal)
        try:
            os.kill(self.pid, signal.SIGTERM)
            ends = time.monotonic() + 15
            while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > ends:
                    # One that does not end is what a test may have found. Its children notice.
                    os.kill(self.pid, signal.SIGKILL)
                time.sleep(0.05)
        except (ProcessLookupError, ChildProcessError):
            pass

    def wait_for(self, words: str) -> None:
        ends = time.monotonic() + SECONDS
        while words not in self.text:
            assert time.monotonic() < ends, self.text
            assert self._read(), f"ended before it said `{words}`:\n{self.text}"

    def press_ctrl_c(self) -> None:
        os.write(self._terminal, b"\x03")

    def exit_status(self) -> int:
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> bool:
        """Take in what was printed; False at the end."""
        if not select.select([self._terminal], [], [], SECONDS)[0]:
            raise AssertionError(f"silent for {SECONDS} s:\n{self.text}")
        try:
            data = os.read(self._terminal, 65_536)
        except OSError:  # Linux says EIO when the last holder of the other end is gone
            return False
        self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode(errors="replace"))
        return bool(data)


def test_two_demos_beside_each_other_show_every_line_right_and_leave_nothing(home: Path) -> None:
    """Without a terminal: exit status 0, one verdict a line, and no process or file afterwards."""
    demos = [_start(home), _start(home)]
    for demo in demos:
        output, _ = demo.communicate(timeout=SECONDS)
        assert demo.returncode == 0, output
        assert f"{len(SCENES)} of {len(SCENES)} lines right" in output
        assert "✘" not in output
        for scene in SCENES:
            assert scene.how.split(maxsplit=1)[0] in output, scene.key
    _assert_nothing_left(home)


def test_a_policy_that_gives_too_much_is_found_out(home: Path, tmp_path: Path) -> None:
    """One region too many for the EMEA analysts: their lines are wrong, with expected and got, the others right."""
    sabotaged = tmp_path / "scopegate.yaml"
    sabotaged.write_text(packaged_policy().replace("[EU, UK, NO]", "[EU, UK, NO, JP]"))
    demo = _start(home, f"--policy={sabotaged}")
    output, _ = demo.communicate(timeout=SECONDS)
    assert demo.returncode == 1, output
    assert re.search(r"✘ rows: got \d+, expected \d+", output), output
    wrong = set(re.findall(r"✘ wrong: (\S+)", output))
    assert wrong == {scene.key for scene in SCENES if "'NO'" in (scene.expected.rows or "")}
    _assert_nothing_left(home)


def test_a_policy_with_a_mistake_is_shown_before_anything_is_asked(home: Path, tmp_path: Path) -> None:
    """The problem with its place, exit status 1, nothing left of the half that had started."""
    broken = tmp_path / "scopegate.yaml"
    broken.write_text(packaged_policy().replace("groups: [analysts-us]", "grups: [analysts-us]"))
    demo = _start(home, f"--policy={broken}")
    output, _ = demo.communicate(timeout=SECONDS)
    assert demo.returncode == 1, output
    assert re.search(r"scopegate\.yaml:\d+", output), output
    assert "grups" in output
    _assert_nothing_left(home)


def test_ctrl_c_while_starting_leaves_nothing(home: Path) -> None:
    """The terminal gets its prompt back, with the exit status of an interrupted program."""
    with Terminal(home) as terminal:
        terminal.wait_for("generated sales")
        terminal.press_ctrl_c()
        assert terminal.exit_status() == 128 + signal.SIGINT, terminal.text
    _assert_nothing_left(home)


def test_sigterm_leaves_nothing(home: Path) -> None:
    """A supervisor's stop is as clean as Ctrl-C."""
    with Terminal(home) as terminal:
        terminal.wait_for("Scopegate workers")
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.exit_status() == 128 + signal.SIGTERM, terminal.text
    _assert_nothing_left(home)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with a parent that was killed")
def test_a_killed_demo_leaves_nothing_running(home: Path) -> None:
    """`kill -9` cannot be caught, so the children must notice by themselves."""
    with Terminal(home) as terminal:
        terminal.wait_for("Scopegate workers")
        assert _running_in(home)
        os.kill(terminal.pid, signal.SIGKILL)
        terminal.exit_status()
        ends = time.monotonic() + 10
        while _running_in(home):
            assert time.monotonic() < ends, _running_in(home)
            time.sleep(0.05)


def test_on_a_terminal_it_stays_up_and_its_commands_work_until_ctrl_c(home: Path) -> None:
    """The printed commands are run by a shell, one after the other, as a reader would."""
    with Terminal(home) as terminal:
        terminal.wait_for("until Ctrl-C")
        commands = re.findall(
            r"^((?:TOKEN=|YOURS=|curl ).*)$",
            terminal.text.replace("\r", ""),
            re.MULTILINE,
        )
        assert len(commands) == 8, commands
        answers = _shell(commands) if CURL else []
        if CURL:
            _assert_an_edited_policy_is_followed(commands)
        terminal.press_ctrl_c()
        assert terminal.exit_status() == 0, terminal.text
    _assert_nothing_left(home)
    if not CURL:
        pytest.skip(
            "no curl on this machine: staying up and Ctrl-C were tested, the printed commands were not"
        )
    emma, yours, job, nobody = (answers[place] for place in (1, 3, 4, 5))
    assert '"NO":' in emma
    assert "US" in yours
    assert '"hidden": ["customer_email"]' in yours
    assert '"JP":' in job
    assert "@mail.example" in job
    assert "HTTP/2 401" in nobody or "HTTP/1.1 401" in nobody
    assert "credential_missing" in nobody
    assert "kid" in answers[6]
    assert "emea-analysts" in answers[7]


def _assert_an_edited_policy_is_followed(commands: list[str]) -> None:
    """What the last command's title promises: Emma loses a region, the edge cache notwithstanding."""
    found = re.search(r"--policy (\S+)", commands[-1])
    assert found is not None
    policy = Path(found[1])
    policy.write_text(policy.read_text().replace("[EU, UK, NO]", "[EU, UK]"))
    ends = time.monotonic() + 15
    while '"NO":' in _shell(commands[:2])[1]:
        assert time.monotonic() < ends, "Scopegate did not follow the policy"
        time.sleep(0.2)


def _shell(commands: list[str]) -> list[str]:
    """What each command prints, in one shell."""
    mark = "--8<--"
    script = "set -e\n" + "".join(f"{command}\necho '{mark}'\n" for command in commands)
    done = subprocess.run(
        ["sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(mark)
