"""A real Trino with Scopegate's plugin, on loopback: made from its parts in a directory of its own, and gone again.

Where its parts are, the Makefile says (`make test-warehouses`): TRINO_HOME, TRINO_PLUGINS, SCOPEGATE_PLUGIN, JAVA_25;
TRINO_OPA is Trino's own OPA plugin.
"""

import http.client
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.envoy_process import end_process, wait_until
from tests.ports import free_port

READY_SECONDS = 120.0


def wait_for_workers(read: Callable[[], object]) -> None:
    """Until `read`, which reads a table, is answered.

    A new Trino says that it has started some seconds before it knows which catalogs its nodes have.
    """

    def answered() -> bool:
        try:
            read()
        except Exception as error:  # each test has its own way to ask, and its own errors
            if "No nodes available" not in str(error):
                raise
            return False
        return True

    wait_until(answered, "Trino knows which catalogs its nodes have", READY_SECONDS)


_NODE = """\
node.environment=test
node.id=one
node.data-dir={directory}/data
node.bind-ip=127.0.0.1
"""
_JVM = """\
-Xmx1G
-XX:+UseG1GC
-XX:+ExitOnOutOfMemoryError
-Djdk.attach.allowAttachSelf=true
--enable-native-access=ALL-UNNAMED
--sun-misc-unsafe-memory-access=allow
"""
_CONFIG = """\
coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
discovery.uri=http://127.0.0.1:{port}
internal-communication.shared-secret=for-this-test-only
plugin.dir={directory}/plugin
catalog.management=static
query.max-memory=200MB
"""


class TrinoProcess:
    """`files` are those of `scopegate render trino`, and any other under `etc`; `plugins` stand beside those of TRINO_PLUGINS."""

    def __init__(
        self,
        files: Mapping[str, str],
        *,
        port: int | None = None,
        catalog: str = "connector.name=memory\n",
        plugins: Sequence[Path] = (),
    ) -> None:
        self.port = free_port() if port is None else port
        self._directory = Path(tempfile.mkdtemp(prefix="trino-"))
        self._files, self._catalog, self._plugins = files, catalog, plugins
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def directory(self) -> Path:
        return self._directory

    def __enter__(self) -> Self:
        etc, plugins = self._directory / "etc", self._directory / "plugin"
        (etc / "catalog").mkdir(parents=True)
        plugins.mkdir()
        for source in Path(os.environ["TRINO_PLUGINS"]).iterdir():
            (plugins / source.name).symlink_to(source)
        for source in self._plugins or [Path(os.environ["SCOPEGATE_PLUGIN"]).resolve()]:
            (plugins / source.name).symlink_to(source)
        facts = {"directory": self._directory, "port": self.port}
        texts = {
            "node.properties": _NODE.format(**facts),
            "jvm.config": _JVM,
            **self._files,
            "config.properties": _CONFIG.format(**facts) + self._files["config.properties"],
            "catalog/lake.properties": self._catalog,
            "log.properties": "io.trino=WARN\n",
        }
        for name, text in texts.items():
            (etc / name).write_text(text)
        try:
            self._start(etc)
        except BaseException:
            # Nobody else ends what did not come up in time.
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        end_process(self._process)
        shutil.rmtree(self._directory, ignore_errors=True)

    def log(self) -> str:
        return (self._directory / "log").read_text(errors="replace")

    def _start(self, etc: Path) -> None:
        home = Path(os.environ["TRINO_HOME"])
        java = Path(os.environ["JAVA_25"]) / "bin" / "java"
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    str(java),
                    *(line for line in _JVM.splitlines() if line),
                    f"-Dconfig={etc / 'config.properties'}",
                    f"-Dlog.levels-file={etc / 'log.properties'}",
                    f"-Dnode.data-dir={self._directory / 'data'}",
                    "-Dnode.environment=test",
                    "-Dnode.id=one",
                    "-Dnode.bind-ip=127.0.0.1",
                    "-Dnode.internal-address=127.0.0.1",
                    "-cp",
                    f"{home}/lib/*",
                    "io.trino.server.TrinoServer",
                ],
                cwd=self._directory,
                stdout=log,
                stderr=log,
            )
        wait_until(self._ready, "Trino is ready", READY_SECONDS)

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()[-4000:]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/v1/info")
            answer = connection.getresponse()
            return answer.status == 200 and json.loads(answer.read()).get("starting") is False
        except (OSError, ValueError):
            return False
        finally:
            connection.close()
