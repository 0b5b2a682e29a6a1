"""Prints the home of a JDK that is new enough for Trino 476 (24 or newer); exit status 1 where there is none."""

import os
import re
import sys
from pathlib import Path

WANTED = 24


def main() -> int:
    homes = [Path(os.environ[name]) for name in ("JAVA_25", "JAVA_HOME") if os.environ.get(name)]
    homes += sorted(Path("/usr/lib/jvm").glob("*")) if Path("/usr/lib/jvm").is_dir() else []
    for home in homes:
        if _version(home) >= WANTED and (home / "bin" / "javac").is_file():
            print(home)
            return 0
    return 1


def _version(home: Path) -> int:
    try:
        found = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return 0 if found is None else int(found[1])


if __name__ == "__main__":
    sys.exit(main())
