"""Children end with the demo, and signals wait for the bookkeeping."""

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from authz.demo.processes import Children, Interrupted, Signals, StepFailedError

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_child_is_gone_after_a_failure(tmp_path: Path) -> None:
    """Whatever ends the block ends the children."""
    with (  # noqa: PT012 - the block that fails is the behaviour
        Signals() as signals,
        pytest.raises(RuntimeError),
        Children(signals, tmp_path) as children,
    ):
        child = children.start("sleeper", FOREVER)
        raise RuntimeError
    assert _gone(child.process.pid)


def test_a_child_that_dies_early_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    """The reason is in the log, and the log is about to be removed."""
    with Signals() as signals, Children(signals, tmp_path) as children:
        children.start("broken", [sys.executable, "-c", "import sys; sys.exit('no such thing')"])
        with pytest.raises(StepFailedError, match=r"(?s)broken ended with status 1.*no such thing"):
            children.wait_for("never", lambda: False, seconds=30)


def test_a_child_that_is_never_ready_is_reported(tmp_path: Path) -> None:
    """Waiting has an end."""
    with Signals() as signals, Children(signals, tmp_path) as children:
        children.start("sleeper", FOREVER)
        with pytest.raises(StepFailedError, match=r"(?s)the sleeper: not ready.*it said nothing"):
            children.wait_for("the sleeper", lambda: False, seconds=0.1)


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    """SIGTERM first, SIGKILL after a while."""
    ready = tmp_path / "ready"
    stubborn = (
        f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(ready)!r}, 'w'); time.sleep(600)"
    )
    with Signals() as signals, Children(signals, tmp_path, stop_seconds=0.3) as children:
        child = children.start("stubborn", [sys.executable, "-c", stubborn])
        children.wait_for("stubborn", ready.exists, seconds=30)
    assert child.process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_becomes_an_interruption(number: signal.Signals) -> None:
    """Ctrl-C, a supervisor's stop and a closed terminal are the same to the demo."""
    with Signals(), pytest.raises(Interrupted) as interrupted:
        signal.raise_signal(number)
    assert interrupted.value.number == number


def test_a_deferred_signal_waits_for_the_end_of_the_block() -> None:
    """So that no process is started without being noted."""
    steps: list[str] = []
    with Signals() as signals, pytest.raises(Interrupted):  # noqa: PT012 - the order of steps is the behaviour
        with signals.deferred():
            signal.raise_signal(signal.SIGTERM)
            steps.append("noted")
        steps.append("not reached")
    assert steps == ["noted"]


def test_a_second_signal_does_not_interrupt_the_cleaning_up() -> None:
    """An impatient Ctrl-C must not leave something running."""
    with Signals() as signals:
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        signals.ignore()


def test_an_interruption_that_is_lost_comes_again(tmp_path: Path) -> None:
    """In the middle of some C code what a handler raises is printed and forgotten; the next look at the children ends the demo."""
    with Signals() as signals:
        with contextlib.suppress(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted, match="SIGTERM"), Children(signals, tmp_path) as children:
            children.wait_for("nothing", lambda: False, seconds=5)
        # Cleaning up is not interrupted by it.
        signals.check()


def test_the_handlers_of_before_come_back() -> None:
    """The demo leaves its process as it found it."""
    before = signal.getsignal(signal.SIGTERM)
    with Signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
