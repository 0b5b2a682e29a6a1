"""Fuzz one target, guided by coverage: `python -m tests.fuzz.run NAME SECONDS`. Ends with a failure at the first defect.

The input that broke the invariant is written beside, as `crash-…`; add it to the target's seeds.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["authz"]):
    from tests.fuzz.connection import connection_targets
    from tests.fuzz.query import query_targets
    from tests.fuzz.statement import statement_targets
    from tests.fuzz.targets import targets


def main() -> None:
    """Run the target that the command line names."""
    name, seconds = sys.argv[1], int(sys.argv[2])
    fuzzed = {**targets(), **connection_targets(), **statement_targets(), **query_targets()}[name]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(fuzzed.seeds):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        options = [f"-max_total_time={seconds}", "-max_len=8192", "-rss_limit_mb=2048", "-timeout=10"]
        atheris.Setup([f"fuzz-{name}", corpus, *options, "-print_final_stats=1", "-verbosity=0"], fuzzed.run)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
