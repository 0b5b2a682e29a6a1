"""`scopegate drain` as a process: what it does without an Envoy that it could ask. With one: tests/kubernetes/test_pod.py."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.envoy_process import end_process, wait_until

_SIGNAL_AT_LINE = """
import signal, sys
from pathlib import Path
from authz.cli.drain import drain
left, waiting = int(sys.argv[1]), Path(sys.argv[2])
def trace(frame, event, _):
    global left
    if event == "line" and waiting.exists():
        left -= 1
        if left == 0:
            signal.raise_signal(signal.SIGTERM)
    return trace
sys.settrace(trace)
drain(sys.argv[3:])
"""

SCOPEGATE = str(Path(sys.executable).with_name("scopegate"))


def test_an_admin_interface_over_tcp_is_refused(tmp_path: Path) -> None:
    """There Envoy takes no such order, and the pod would wait in vain."""
    command = [SCOPEGATE, "drain", "--admin=127.0.0.1:9901", f"--drained={tmp_path / 'drained'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert "got `127.0.0.1:9901`, expected `unix:/path`" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_envoy_that_cannot_be_asked_is_not_waited_for(tmp_path: Path, number: signal.Signals) -> None:
    """A file of an earlier life is gone at once; at the signal it is made anew, because nobody may wait for nothing."""
    drained = tmp_path / "drained"
    drained.touch()
    command = [SCOPEGATE, "drain", f"--admin=unix:{tmp_path}/admin.sock", f"--drained={drained}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: not drained.exists(), "the old file is gone")
            process.send_signal(number)
            _, said = process.communicate(timeout=20)
        finally:
            end_process(process)  # type: ignore[arg-type]  # it only waits and signals
    assert process.returncode == 2
    assert "No such file" in said
    assert drained.exists()


def test_a_signal_is_not_lost_once_it_says_that_it_waits(tmp_path: Path) -> None:
    """Before, Python is still starting: a pod that is ended then would be waited for as long as it may take."""
    drained, waiting = tmp_path / "drained", tmp_path / "waiting"
    command = [
        *(SCOPEGATE, "drain", f"--admin=unix:{tmp_path}/admin.sock"),
        *(f"--drained={drained}", f"--waiting={waiting}"),
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(waiting.exists, "it waits for the signal")
            assert not drained.exists()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 2
        finally:
            end_process(process)
    assert drained.exists()


def test_a_signal_is_not_lost_at_whichever_line_it_comes(tmp_path: Path) -> None:
    """In the middle of a wait that holds a lock, too: a handler that wanted the same lock would wait for itself."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for line in range(1, 9):
            waiting = tmp_path / f"waiting-{line}"
            options = [
                f"--admin=unix:{tmp_path}/admin.sock",
                f"--drained={tmp_path / f'drained-{line}'}",
                f"--waiting={waiting}",
            ]
            command = [sys.executable, "-c", _SIGNAL_AT_LINE, str(line), str(waiting), *options]
            processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            wait_until(waiting.exists, "it waits for the signal")
        for process in processes:  # those that wait in fewer lines
            process.send_signal(signal.SIGTERM)
        assert [process.wait(20) for process in processes] == [2] * len(processes)
    finally:
        for process in processes:
            end_process(process)
