"""Ports for the servers of tests: what one run was given, no other is while it lives."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests import ports

# Takes all of a few ports, says which, and lives until its input ends.
TAKES = """
import sys
from tests import ports
ports.FIRST, ports.LAST = int(sys.argv[1]), int(sys.argv[2])
while True:
    try: print(ports.free_port(), flush=True)
    except RuntimeError: break
print("all", flush=True)
sys.stdin.read()
"""


@contextmanager
def _taker(first: int, last: int) -> Iterator[list[int]]:
    with subprocess.Popen(
        [sys.executable, "-c", TAKES, str(first), str(last)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield [int(line) for line in iter(process.stdout.readline, "all\n")]
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_port_is_given_to_nobody_else_while_its_process_lives_and_again_when_it_has_ended() -> None:
    first = ports.free_port() + 1
    last = min(first + 20, ports.LAST)
    with ExitStack() as alive:
        given = alive.enter_context(_taker(first, last))
        assert given
        assert len(given) == len(set(given))
        with _taker(first, last) as beside:
            assert not set(beside) & set(given)
    with _taker(first, last) as after:
        assert set(after) & set(given)


def test_no_port_is_one_that_the_kernel_hands_out_by_itself() -> None:
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")
    assert (int(given.read_text().split()[0]) if given.exists() else 49_152) > ports.LAST
