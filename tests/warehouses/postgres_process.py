"""A real PostgreSQL for a test: made, started, and gone again. It listens on a socket in its own directory only."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.envoy_process import end_process, wait_until

UNPRIVILEGED = "postgres"
"""As whom it runs when the tests run as root, which PostgreSQL refuses."""


class PostgresProcess:
    """Superuser `admin`, no passwords: who reaches the socket is the test."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        binaries, somebody = self._binaries(), {}
        if os.getuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED)
            os.chown(self._directory, user.pw_uid, user.pw_gid)
            somebody = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        data = self._directory / "data"
        made = subprocess.run(
            [
                str(binaries / "initdb"),
                "-D",
                str(data),
                "-A",
                "trust",
                "-U",
                "admin",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            ],
            capture_output=True,
            check=False,
            **somebody,
        )
        assert made.returncode == 0, made.stderr.decode()
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    str(binaries / "postgres"),
                    *("-D", str(data)),
                    *("-c", "listen_addresses=", "-c", f"unix_socket_directories={self._directory}"),
                    *("-c", "fsync=off", "-c", "timezone=America/New_York"),
                ],
                stdout=log,
                stderr=log,
                **somebody,
            )
        wait_until(self._ready, "PostgreSQL is ready")
        return self

    def __exit__(self, *_: object) -> None:
        end_process(self._process)
        shutil.rmtree(self._directory, ignore_errors=True)

    def connect(self, **options: Any) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(
            **{"host": str(self._directory), "user": "admin", "dbname": "postgres", **options}
        )

    def run_file(self, path: Path) -> "subprocess.CompletedProcess[str]":
        """A script as an administrator runs it."""
        command = ["psql", "-X", "-h", str(self._directory), "-U", "admin", "-d", "postgres", "-f", str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "log").read_text()
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _binaries(self) -> Path:
        """Debian keeps the server's programs off the path."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not found:
            raise FileNotFoundError("no PostgreSQL server: on Debian and Ubuntu install `postgresql`")
        return found[-1]
