"""What an audit trail costs: the deciding thread, the writer, durability, proof and questions.

    .venv/bin/python bench/audit.py [--records 200000] [--seconds 2] [--directory DIR]

Buffered: microseconds of the deciding thread for a record, and of the process for a whole line. Strict: allows a second
and how long each waits, by how many wait at once (group commit), on the disk that DIR is on. Then lines a second of
`verify` and seconds of each question of `query`.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click

from authz.audit.options import Mode
from authz.audit.query import QUESTIONS, Filters, TrailDatabase
from authz.audit.reading import find_files
from authz.audit.verify import verify
from authz.case import Occasion
from authz.request import AccessRequest

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.audit_trails import RECORDER, VERIFIER, Notes, open_trail
from tests.unit.transport.outcomes import allowed

OUTCOME = allowed()
REQUEST = AccessRequest(
    method="GET",
    host="warehouse.example",
    path="/api/sales/eu",
    headers={"traceparent": ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",)},
    source_address="192.0.2.7",
    request_id="8f14e45f-ceea-467f-9e3c-3d2a8f1f0b11",
)


def _occasion(decision_id: str) -> Occasion:
    return Occasion.of(OUTCOME, REQUEST, decision_id=decision_id, at=1.79e9, seconds=3e-5)


def buffered(path: Path, records: int) -> None:
    """A burst: all records are offered as fast as they can be."""
    trail = open_trail(path, max_queued=10**9)
    ids = [f"{number:032x}" for number in range(records)]
    cpu, mine = time.process_time(), time.thread_time()
    for decision_id in ids:
        trail.offer((RECORDER, _occasion(decision_id)))
    mine = time.thread_time() - mine
    trail.close()
    cpu = time.process_time() - cpu
    size = path.stat().st_size / records
    print(
        f"buffered: {mine / records * 1e6:.2f} µs of the deciding thread, {cpu / records * 1e6:.2f} µs of the process "
        f"a record of {size:.0f} bytes"
    )


async def strict(path: Path, at_once: int, seconds: float) -> None:
    """So many clients, each of which waits for its record before it asks again."""
    trail = open_trail(path, Notes(), mode=Mode.STRICT)
    waits: list[float] = []
    ends = time.perf_counter() + seconds

    async def client(name: int) -> None:
        number = 0
        while (started := time.perf_counter()) < ends:
            number += 1
            kept = trail.offer((RECORDER, _occasion(f"{name:016x}{number:016x}")))
            assert kept is not None
            assert await kept
            waits.append(time.perf_counter() - started)

    cpu = time.process_time()
    await asyncio.gather(*(client(name) for name in range(at_once)))
    cpu = time.process_time() - cpu
    await asyncio.to_thread(trail.close)
    waits.sort()
    print(
        f"strict, {at_once:4d} at once: {len(waits) / seconds:8,.0f} allows/s, wait {median(waits) * 1e6:6.0f} µs median, "
        f"{waits[int(len(waits) * 0.99)] * 1e6:6.0f} µs p99, {cpu / len(waits) * 1e6:5.1f} µs CPU each"
    )


@click.command()
@click.option("--records", default=200_000, show_default=True)
@click.option(
    "--seconds", default=2.0, show_default=True, help="For each number of clients that wait at once."
)
@click.option(
    "--directory", type=click.Path(path_type=Path), help="Where to write; a temporary one, if left out."
)
def main(records: int, seconds: float, directory: Path | None) -> None:
    """Measure a trail."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        path = Path(name)
        buffered(path / "burst.jsonl", records)
        for at_once in (1, 8, 64, 256):
            asyncio.run(strict(path / f"strict-{at_once}.jsonl", at_once, seconds))
        report = verify(find_files([path / "burst.jsonl"]), [VERIFIER])
        assert report.is_intact
        print(f"verify: {report.lines / report.seconds:,.0f} lines/s")
        database = TrailDatabase([path / "burst.jsonl"])
        for question in QUESTIONS:
            started = time.perf_counter()
            rows = sum(1 for _ in database.ask(question, Filters(), lambda _: None).rows)
            print(
                f"query {question}: {time.perf_counter() - started:.2f} s over {records:,} records, {rows} rows"
            )


if __name__ == "__main__":
    main()
