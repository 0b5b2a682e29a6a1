"""The system that the drills break: Envoy, two workers with a strict and signed trail, a warehouse, people who ask."""

import contextlib
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authz.audit.findings import Report
from authz.audit.keys import load_verifier, write_new_pair
from authz.audit.reading import find_files
from authz.audit.verify import verify
from tests.audit_trails import lines_of
from tests.drills.load import Load, Person, tell_scope
from tests.drills.series import Scraper, Series
from tests.envoy_process import end_process
from tests.integration.whole_system import POLICY as WHOLE_POLICY
from tests.integration.whole_system import WholeSystem, whole_system
from tests.pki import Authority
from tests.ports import free_port

# On a machine that is busy with other tests, half a second would be no sign of anything.
POLICY = WHOLE_POLICY.replace("  per_address:", "  check_timeout: 2s\n  per_address:")
DESCRIPTORS = 1_024
"""What a shell and systemd give a process unless told otherwise."""
_LIMITED = f"""\
import os, resource, sys
# Both limits: an Envoy takes as many as it may.
resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS}))
os.execv(sys.argv[1], sys.argv[1:])
"""
LIMITED = (sys.executable, "-c", _LIMITED, str(Path(sys.executable).with_name("scopegate")))
"""A `program` that may have so many, and not more."""
EMEA, US = frozenset({"EU", "UK"}), frozenset({"US"})
STRICT = (
    "--audit={trails}/trail-{{number}}/audit.jsonl",
    "--audit-mode=strict",
    "--audit-key={{directory}}/audit.key",
    "--audit-seal-records=200",
)


@dataclass(frozen=True, slots=True)
class Drill:
    """A system that is well, and what is asked of it."""

    whole: WholeSystem
    edge_port: str
    """`host:port` of Envoy's metrics."""
    disk: Path
    """Where the trails are."""
    scraper: Scraper

    def people(self) -> list[Person]:
        """Two who may see something else each, and a neighbour of theirs for each way of being denied."""
        ann = self.whole.token("ann", "analysts-emea")
        uma = self.whole.token("uma", "analysts-us")
        sid = self.whole.token("sid", "marketing")
        old = self.whole.token("ann", "analysts-emea", exp=int(time.time()) - 600)
        return [
            Person(name="ann", bearer=lambda: ann, regions=EMEA),
            Person(name="sid", bearer=lambda: sid),
            Person(name="uma", bearer=lambda: uma, regions=US),
            Person(name="nobody", bearer=lambda: None, denial=401),
            Person(name="forger", bearer=lambda: f"{ann[:-4]}AAAA", denial=401),
            Person(name="late", bearer=lambda: old, denial=401),
        ]

    def load(self, people: Sequence[Person] | None = None) -> Load:
        """People who ask all the while; begins with `with`."""
        return Load(lambda: self.whole.envoy.port, self.whole.context, people or self.people())

    def scrape(self) -> Series:
        """What every worker and Envoy tell now."""
        return self.scraper.scrape({"scopegate": self.whole.operators_ports(), "envoy": [self.edge_port]})

    def asked(self, number: int) -> int:
        """How many checks Envoy has sent to that worker since it started."""
        place = re.escape(str(self.whole.directory / f"worker-{number}.sock"))
        text = self.whole.envoy.admin("/clusters").body.decode()
        found = re.search(rf"^scopegate::.*{place}::rq_total::([0-9]+)$", text, re.MULTILINE)
        assert found is not None, text
        return int(found[1])

    def trails(self) -> list[Path]:
        return sorted(self.disk.glob("trail-*"))

    def verified(self) -> Report:
        """The proof of the audit trail as it is now."""
        key = load_verifier(self.whole.directory / "audit.key.pub")
        return verify(find_files(self.trails()), [key])

    def recorded(self) -> dict[str, dict[str, Any]]:
        """The audit records so far, by decision id."""
        lines = [line for trail in self.trails() for path in trail.glob("*.jsonl") for line in lines_of(path)]
        return {line["decision_id"]: line for line in lines if line["kind"] == "decision"}

    def until_well(self, load: Load) -> None:
        """Everybody gets what they should, of both workers: one may have been ejected for a while when it was slow to start."""
        load.until_well()
        self.whole.wait_until_healthy()
        load.until_well()

    def assert_kept(self, load: Load) -> None:
        """Every allow that a client saw is on record as one, and nobody else's request reached the warehouse."""
        records = self.recorded()
        unrecorded = {
            decision_id
            for decision_id in load.allowed
            if records.get(decision_id, {}).get("outcome") != "allow"
        }
        assert unrecorded == set()
        denied = {person.name for person in load.people if person.regions is None}
        reached = {seen.target.partition("who=")[2].partition("&")[0] for seen in self.whole.warehouse.seen}
        assert not denied & reached


@contextlib.contextmanager
def drill_system(*, disk: Path | None = None, **changes: Any) -> Iterator[Drill]:
    """Started and healthy, and ended again; `changes` as of `whole_system`, `options` behind those that are there.

    The trails are on `disk`, which is the system's own directory unless told otherwise.
    At the end the trail is verified: whatever happened, it is one that proves what it says.
    """
    edge = f"127.0.0.1:{free_port()}"
    prepare = changes.pop("prepare", lambda _directory, _clients: None)

    def prepare_all(directory: Path, clients: Authority) -> None:
        write_new_pair(directory / "audit.key", directory / "audit.key.pub")
        for number in (0, 1):
            ((disk or directory) / f"trail-{number}").mkdir()
        prepare(directory, clients)

    changes.setdefault("policy_text", POLICY)
    strict = [option.format(trails=disk or "{directory}") for option in STRICT]
    options = [*strict, *changes.pop("options", ())]
    # A port of its own, so that clients find Envoy where it was.
    listen = f"127.0.0.1:{free_port()}"
    with (
        contextlib.closing(Scraper()) as scraper,
        whole_system(http=edge, listen=listen, options=options, prepare=prepare_all, **changes) as whole,
    ):
        whole.warehouse.answer = tell_scope
        drill = Drill(whole, edge, disk or whole.directory, scraper)
        yield drill
        for worker in whole.workers:
            end_process(worker.process)
        found = [finding.text for finding in drill.verified().findings]
        assert found == [], found
