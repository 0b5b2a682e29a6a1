"""No room for the audit trail, under load."""

from pathlib import Path

import pytest

from tests.drills.breakages import disk_full, small_disk
from tests.drills.system import drill_system
from tests.drills.table import ROWS


def test_the_disk_of_the_trail_is_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is allowed until there is room, and then without a restart; the trail says what is missing."""
    row = ROWS["disk-full"]
    with small_disk(tmp_path) as mounted, drill_system(disk=tmp_path) as drill:
        if not mounted:
            with capsys.disabled():
                print("\nno disk can be mounted here: the trails may not grow instead")
        with drill.load() as load:
            load.until_well()
            before, mark = drill.scrape(), load.mark
            with disk_full(drill, mounted=mounted):
                load.until(mark, 503, "audit_unavailable")
                full = load.settle()
                load.go_on(300)
                assert set(load.statuses(full)) == {503}
                row.assert_told(before, drill.scrape())
            load.until_well()
            row.assert_seen(load.statuses(mark))
        drill.assert_kept(load)
        report = drill.verified()
        assert sum(chain.lost for chain in report.chains) == drill.scrape().total(
            'scopegate_audit_records_total{fate="dropped_write_failed"}'
        )
