"""Apache Olingo for a test: a real OData server, started with some rows, and gone again."""

import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.envoy_process import end_process

SOURCE = Path(__file__).parent / "java" / "ODataServer.java"


class ODataProcess:
    """Its rows at `/odata/Orders`, on 127.0.0.1. `OLINGO` is the directory of its jars."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="odata-")
        self._rows = rows
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        place = Path(self._directory.name) / "rows.json"
        place.write_text(json.dumps(self._rows, default=str))
        self._process = subprocess.Popen(
            ["java", "-Xmx256m", "-cp", f"{os.environ['OLINGO']}/*", str(SOURCE), str(place)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        end_process(self._process)
        self._directory.cleanup()

    def ids(self, query: str) -> set[int] | None:
        """The rows of a question that is asked there directly; None where it is refused."""
        try:
            with urllib.request.urlopen(f"{self.url}/odata/Orders?{query}", timeout=30) as answer:
                return {row["Id"] for row in json.loads(answer.read())["value"]}
        except urllib.error.HTTPError as error:
            with error:
                return None
