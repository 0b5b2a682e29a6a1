"""Take each defence away, in a copy, and see its tests fail: `make mutants`, or this with words of a defence's name.

A defence without which a named test still passes is a failure here.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.threats.table import ROOT, Defence, defences

COPIED = ("authz", "tests", "pyproject.toml")
SECONDS = 300


def main() -> int:
    """The number of tests that noticed nothing."""
    words = sys.argv[1:]
    chosen = [defence for defence in defences() if not words or any(word in defence.what for word in words)]
    unnoticed = 0
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for part in COPIED:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / part)
        all_tests = sorted({test for defence in chosen for test in defence.fails})
        if not _pass(copy, *all_tests):
            print("the tests fail with every defence in place: nothing is proven by that")
            return 1
        for defence in chosen:
            survivors = _passing_without(copy, defence)
            unnoticed += len(survivors)
            print(
                f"{'NOT NOTICED' if survivors else 'noticed'}: {defence.what}",
                *survivors,
                sep="\n    ",
                flush=True,
            )
    print(f"{len(chosen)} defences, {unnoticed} tests that noticed nothing")
    return min(unnoticed, 1)


def _passing_without(copy: Path, defence: Defence) -> list[str]:
    """Those of the named tests that pass although the defence is gone."""
    before = {change.file: (copy / change.file).read_text(encoding="utf-8") for change in defence.changes}
    for change in defence.changes:
        target = copy / change.file
        target.write_text(change.applied(target.read_text(encoding="utf-8")), encoding="utf-8")
    try:
        return [test for test in defence.fails if _pass(copy, test)]
    finally:
        for file, text in before.items():
            (copy / file).write_text(text, encoding="utf-8")


def _pass(copy: Path, *tests: str) -> bool:
    # The copy stands before the installed package.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        f"--rootdir={copy}",
        *tests,
    ]
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, timeout=SECONDS, check=False
    )
    # 1: tests were collected and some failed. Anything else proves nothing.
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{tests[0]}: pytest ended with {done.returncode}\n{done.stdout.decode()[-2000:]}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
