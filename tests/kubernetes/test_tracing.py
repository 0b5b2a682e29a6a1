"""The component `tracing` as processes: the spans of a request that brings its trace reach the collector."""

import secrets

from tests.envoy_process import wait_until
from tests.kubernetes.system import pod_system


def test_envoy_and_the_workers_tell_one_collector() -> None:
    """In one trace, each with its own spans; a trace that is not kept is told to nobody."""
    with pod_system("tracing") as system, system.pod:
        kept, left = secrets.token_hex(16), secrets.token_hex(16)
        for trace, flags in ((left, "00"), (kept, "01")):
            reply = system.ask(
                "/api/sales/rows",
                system.token(),
                extra=[("traceparent", f"00-{trace}-b7ad6b7169203331-{flags}")],
            )
            assert reply.status == 200, reply
        wait_until(
            lambda: {span.service for span in system.collector.of(kept)} == {"edge", "scopegate"},
            "both have told the collector",
        )
        assert system.collector.of(left) == []
