"""What Envoy spends on a request, in instructions, and what each part of an answer adds to it.

    .venv/bin/python bench/instructions.py [--requests 500]

Whatever else the machine does changes times, and none of these. Envoy's binary tells nothing of its functions, so each
part is left out once. It needs valgrind (Debian's package of that name) and the generator of load.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from bench import generators
from bench.edge import PATH, Edge, part_of
from bench.processes import Ended
from bench.questions import token
from bench.targets import PEERS, TARGETS, Place, Running

_PARTS: Final = ("headers", "headers_to_remove", "query_parameters_to_set", "response_headers_to_add")
_FLOOR: Final = TARGETS["noop-zttp"]


def answers(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """The answer, without each of its parts, and with none."""
    yield "the whole answer", whole
    for part in _PARTS:
        answer = CheckResponse.FromString(whole)
        answer.ok_response.ClearField(part)
        yield f"without {part}", bytes(answer.SerializeToString())
    answer = CheckResponse.FromString(whole)
    answer.ClearField("dynamic_metadata")
    yield "without dynamic_metadata", bytes(answer.SerializeToString())
    yield "without any part", bytes(CheckResponse(ok_response={}).SerializeToString())


def counted(place: Place, number: int, part: dict[str, Any], requests: int) -> float:
    """Instructions of Envoy for one request. Raises `Ended` if they could not be counted."""
    valgrind = (
        "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",
        f"--callgrind-out-file={place.directory}/counted",
    )
    good = place.directory / "good.token"
    good.write_text(token("emma"))
    edge = Edge(place.directory, f"counted-{number}", part, before=valgrind)
    with edge:
        # What is made once for each connection and name is not what a request costs.
        _let_through(edge, good, 200)
        _count(edge, "on")
        _let_through(edge, good, requests)
        _count(edge, "off")
    found = re.search(r"Collected : (\d+)", edge.group.log())
    if found is None:
        raise Ended(f"nothing was counted:\n{edge.group.log()[-2000:]}")
    return int(found[1]) / requests


def _let_through(edge: Edge, good: Path, requests: int) -> None:
    heard = generators.http_loop(PEERS / "load", edge.address, PATH, good, seconds=60, count=requests)
    if heard.allowed != requests:
        raise Ended(f"{heard.allowed} of {requests} requests were let through")


def _count(edge: Edge, how: str) -> None:
    command = ["callgrind_control", "-i", how, str(edge.group.pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if "OK" not in done.stdout:
        raise Ended(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def _problem() -> str | None:
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    if not (PEERS / "load").is_file():
        return "the generator of load is not built: Go is not installed (`make bench-peers` builds it)"
    return _FLOOR.absent()


@click.command()
@click.option("--requests", default=500, show_default=True, type=click.IntRange(min=1))
@click.option("--answer", "only", multiple=True, help="Of the table, only the rows with this in their name.")
def main(requests: int, only: tuple[str, ...]) -> None:
    """Show what a request costs Envoy, by what the answer has."""
    if (why := _problem()) is not None:
        raise click.ClickException(f"nothing is counted: {why}")
    table = Table(
        "a request through Envoy", "instructions", "of the whole", title="What an answer costs Envoy"
    )
    with tempfile.TemporaryDirectory(prefix="sgb-") as directory:
        place = Place(Path(directory))
        whole: float | None = None
        rows = [*answers(place.answer.read_bytes())]
        wanted = rows[:1] + [row for row in rows[1:] if not only or any(word in row[0] for word in only)]
        for number, (name, answer) in enumerate(track(wanted, "counting", console=Console(stderr=True))):
            place.answer.write_bytes(answer)
            with Running(_FLOOR, place, f"counted-{number}") as running:
                found = counted(place, number, part_of(running), requests)
            whole = whole or found
            table.add_row(name, f"{found:,.0f}", f"{found / whole:.2f}")
        if not only:
            found = counted(place, len(rows), {}, requests)
            table.add_row("nobody asked", f"{found:,.0f}", f"{found / (whole or found):.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
