"""An issuer that is away, under load. For an hour, and what the alert says then: tests/monitoring/test_drills.py."""

from collections.abc import Iterator

import pytest

from tests.drills.issuing import IssuingDrill, issuing_drill
from tests.drills.table import ROWS
from tests.envoy_process import wait_until
from tests.tokens import ec_key

FAILING = 'scopegate_key_source_failing{kind="issuer_keys"}'


@pytest.fixture(scope="module")
def issuing() -> Iterator[IssuingDrill]:
    with issuing_drill() as running:
        yield running


def test_an_issuer_is_away(issuing: IssuingDrill) -> None:
    """Known keys go on; who must be asked about is refused; a key from meanwhile is found when the issuer is back."""
    row = ROWS["issuer-away"]
    drill = issuing.drill
    with issuing.load() as load:
        load.until_well()
        before, mark = drill.scrape(), load.mark
        issuing.issuer.outage = True
        load.until(mark, 503, "introspection_unavailable")
        wait_until(lambda: drill.scrape().values(FAILING) == [1, 1], "both workers have looked in vain")
        away = load.settle()
        load.go_on(200)
        assert {(got.person.name, got.status) for got in load.since(away) if got.status in {200, 503}} == {
            ("ann", 200),
            ("uma", 200),
            ("opal", 503),
        }
        row.assert_seen(load.statuses(mark))
        row.assert_told(before, drill.scrape())
        issuing.issuer.rotate(ec_key("from meanwhile"))
        load.until(load.mark, 401, "token_key_unknown")
        issuing.issuer.outage = False
        load.until_well()
    drill.assert_kept(load)
