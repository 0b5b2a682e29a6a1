"""No room for the audit trail, under load."""

from pathlib import Path

import pytest

from tests.drills.breakages import disk_full, small_disk
from tests.drills.system import drill_system
from tests.drills.table import ROWS
from tests.envoy_process import wait_until


def test_the_disk_of_the_trail_is_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is allowed until there is room, and then without a restart; the trail says what is missing."""
    row = ROWS["disk-full"]
    with small_disk(tmp_path) as mounted, drill_system(disk=tmp_path) as drill:
        if not mounted:
            with capsys.disabled():
                print("\nno disk can be mounted here: the trails may not grow instead")
        with drill.load() as load:
            drill.until_well(load)
            before, mark = drill.scrape(), load.mark
            with disk_full(drill, mounted=mounted):
                load.until(mark, 503, "audit_unavailable")
                # The last page of a trail is its own: a record or two still fit, and what they allow is accounted for.
                wait_until(lambda: set(load.statuses(max(0, load.mark - 300))) == {503}, "nobody is let in")
                row.assert_told(before, drill.scrape())
            load.until_well()
            row.assert_seen(load.statuses(mark))
        drill.assert_kept(load)
        report = drill.verified()
        assert sum(chain.lost for chain in report.chains) == drill.scrape().total(
            'scopegate_audit_records_total{fate="dropped_write_failed"}'
        )
