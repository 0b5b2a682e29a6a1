"""The engine zttp asks Envoy to come anew after some thousand calls: nobody is refused for it, and no worker ejected."""

import sys

from tests.drills.system import drill_system
from tests.envoy_process import wait_until

_STREAMS = 7
_PROGRAM = (
    sys.executable,
    "-c",
    (
        "import authz.transport.http2connection as server; "
        f"server.STREAMS = {_STREAMS}; "
        "from authz.cli.main import main; main()"
    ),
)
"""The command, with connections that end after so few calls."""


def test_envoy_comes_anew_again_and_again_and_nobody_is_refused() -> None:
    """For checks under load, and for its health checks, which have connections of their own."""
    with drill_system(program=_PROGRAM, options=("--engine=zttp",)) as drill:
        stat = drill.whole.envoy.stat
        with drill.load() as load:
            drill.until_well(load)
            mark, connections = load.mark, stat("cluster.scopegate.upstream_cx_total")
            healthy = stat("cluster.scopegate.health_check.success")
            # Before the workers had a policy, they said so.
            ejected = stat("cluster.scopegate.outlier_detection.ejections_enforced_total")
            failed = stat("cluster.scopegate.health_check.failure")
            load.go_on(2_000)
            # Four for each worker and connection: what Envoy sees of the end of one.
            wait_until(
                lambda: stat("cluster.scopegate.health_check.success") > healthy + 4 * _STREAMS,
                "health checks have come anew",
                60,
            )
            load.settle()
        assert set(load.statuses(mark)) == {200}
        assert stat("cluster.scopegate.upstream_cx_total") - connections > 1_000 / _STREAMS
        assert stat("cluster.scopegate.health_check.failure") == failed
        assert stat("cluster.scopegate.outlier_detection.ejections_enforced_total") == ejected
        drill.assert_kept(load)
