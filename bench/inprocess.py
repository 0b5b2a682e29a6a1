"""A server's parts under a policy with some number of grants, without gRPC around them."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from authz.audit.facts import policy_reads
from authz.audit.filestore import FileStore
from authz.audit.options import TrailSettings
from authz.audit.record import Noted, Recorder
from authz.audit.sink import AuditSink, NoAudit
from authz.audit.trail import Trail
from authz.check import Snapshot
from authz.identity.authenticator import Authenticator
from authz.identity.keyset import parse_jwks
from authz.identity.revocations import NOTHING_REVOKED
from authz.policy.parse import parse_policy
from authz.policy.yamlvalues import SourceText
from authz.recording import Recording
from authz.telemetry.metrics import Metrics
from authz.transport.answers import AnswerWriter
from authz.transport.engine import Engine, Serving
from bench.policies import policy_text
from bench.questions import KEYS
from tests.tokens import jwks


class WrittenAtOnce(NoAudit):
    """Makes the line of each record, and keeps none."""

    def offer(self, noted: Noted) -> None:
        recorder, occasion = noted
        recorder.body(occasion)


class InProcess:
    """An engine with audit and metrics, as `scopegate serve` composes it.

    The audit trail is a file in `directory`. Without one each record is written in the thread of the check, and
    kept nowhere: so its cost is in that of the check.
    """

    def __init__(self, grants: int, directory: Path | None = None) -> None:
        text = policy_text(grants)
        started = time.perf_counter()
        self.policy = parse_policy([SourceText("bench.yaml", text)])
        self.load_seconds = time.perf_counter() - started
        self.metrics = Metrics()
        self.recorder = Recorder(policy_reads(self.policy))
        self.audit: AuditSink = WrittenAtOnce() if directory is None else self._trail(directory)
        self.answers = AnswerWriter(policy_version=self.policy.version, public_url=None)
        self.snapshot = self.fresh_snapshot()
        self.engine = self.engine_of(self.snapshot, self.answers)

    def _trail(self, directory: Path) -> Trail:
        return Trail(
            FileStore(directory / f"audit-{len(self.policy.grants)}.jsonl"),
            TrailSettings(max_queued=10**9),
            counted=lambda fate, records: self.metrics.audited(fate.value, records),
            told=lambda problem: print(problem, file=sys.stderr),
        )

    def fresh_snapshot(self) -> Snapshot:
        """One that remembers nothing yet."""
        keys = parse_jwks(jwks(*KEYS.values()))
        authenticator = Authenticator(issuers=self.policy.issuers, key_sets={"okta": keys}, bundles={})
        return Snapshot(policy=self.policy, authenticator=authenticator, revocations=NOTHING_REVOKED)

    def engine_of(self, snapshot: Snapshot, answers: AnswerWriter) -> Engine:
        observer = Recording(self.recorder, metrics=self.metrics, audit=self.audit)
        return Engine(Serving(snapshot=snapshot, answers=answers, observer=observer))

    def fresh_engine(self) -> Engine:
        """One that remembers nothing yet, with the same audit trail."""
        answers = AnswerWriter(policy_version=self.policy.version, public_url=None)
        return self.engine_of(self.fresh_snapshot(), answers)

    def close(self) -> None:
        self.audit.close()
