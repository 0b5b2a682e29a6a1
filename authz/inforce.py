"""What is in force: the policy and the keys that checks are answered from, and how they are replaced.

A new policy and new keys each end in one assignment to `engine.serving`. Whatever is wrong with a new policy
leaves the old one in force and is said in the log, in a metric and on /readyz.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from authz.audit.record import Recorder
from authz.audit.sink import AuditSink
from authz.check import Snapshot
from authz.config.policyfiles import PolicyUnreadableError
from authz.config.watch import Fingerprint, fingerprint
from authz.identity.authenticator import Authenticator
from authz.identity.revocations import Revocations
from authz.identity.usedtokens import UsedTokens
from authz.keysources.introspector import Introspected, Introspectors
from authz.keysources.keysources import KeySources
from authz.keysources.prepared import Materials, Prepared
from authz.keysources.source import SourceKind, SourceStatus
from authz.loading import Loaded, free_beside, load_beside
from authz.memory import DEFAULT_REMEMBERED, Memory
from authz.policy.policyset import PolicySet
from authz.policy.problems import PolicyError
from authz.recording import Recording, untraced
from authz.settling import Settling
from authz.signing.keys import SigningKeys
from authz.telemetry.metrics import Metrics, Refresh, Reload
from authz.transport.admin import Readiness
from authz.transport.answers import AnswerWriter
from authz.transport.engine import Engine, Serving
from authz.transport.jwks import Unpublished
from authz.transport.tracing import CheckTrace

if TYPE_CHECKING:
    from authz.audit.facts import PolicyReads

_log: Final = structlog.get_logger("scopegate")
_WHAT: Final = {
    SourceKind.ISSUER_KEYS: "keys of issuer",
    SourceKind.TRUST_BUNDLE: "roots of client certificates",
    SourceKind.REVOCATIONS: "the file of",
    SourceKind.SIGNING_KEYS: "keys to sign an",
}


class InForce:
    """Keeps `engine` answering from the newest good policy and keys. For one event loop.

    `ready` is set once policy and all keys are loaded, and stays so: an issuer that a later policy adds and that
    cannot be reached has its tokens answered with 503, but must not take the worker away from all others.
    """

    def __init__(
        self,
        place: Path,
        *,
        metrics: Metrics,
        audit: AuditSink,
        remembered: int = DEFAULT_REMEMBERED,
        traced: Callable[[CheckTrace], None] = untraced,
    ) -> None:
        self._traced = traced
        self.ready = asyncio.Event()
        self._place = place
        self._remembered = remembered
        self._metrics = metrics
        self._audit = audit
        self._keys = KeySources(on_change=self._keys_changed, on_attempt=self._keys_attempted)
        self._introspectors = Introspectors(told=self._introspected)
        self._used_tokens = UsedTokens()
        self._policy: PolicySet | None = None
        self._reads: Mapping[str, PolicyReads] = {}
        self._freeing: set[asyncio.Task[None]] = set()
        self._loaded_at: float | None = None
        self._refused: tuple[str, ...] = ()
        self._tried: PolicySet | None = None
        self._seen: Fingerprint = frozenset()
        self._seen_revocations: Fingerprint = frozenset()
        self._unread = False
        self._loading = asyncio.Lock()
        self._attempts: dict[tuple[SourceKind, str], SourceStatus] = {}
        self._introspection_problems: dict[str, str] = {}
        self._materials = Materials()
        self.engine = Engine(self._serving(None, Materials()))
        metrics.watch_signing_keys(self._signing_keys)
        metrics.watch_revocation_lists(
            lambda: {
                name: [(made.this_update, made.next_update) for made in bundle.lists]
                for name, bundle in self._keys.bundles.items()
            }
        )

    async def load(self) -> bool:
        """Put the policy of the files in force if it is a good one, else say what is wrong; whether it was."""
        async with self._loading:
            # Before reading: a change during the load is seen as one afterwards.
            looked_at = frozenset(self.files())
            self._seen = fingerprint(looked_at)
            again, self._unread = self._unread, False
            try:
                # Nobody waits for answers before there is a policy.
                loaded = await load_beside(self._place, answering=self.ready.is_set())
            except PolicyError as error:
                self._unread = isinstance(error, PolicyUnreadableError) and error.passing
                return self._refuse([problem.text for problem in error.problems], again=again)
            except Exception as error:  # noqa: BLE001 - a defect of the loader must not end a server that works
                _log.error("defect", exc_info=error)
                return self._refuse(
                    [f"{self._place}: the policy could not be loaded ({type(error).__name__})"]
                )
            policy = loaded.policy
            self._try(policy)
            # The files that it names and no policy before did: not a change, or each start would load it twice.
            self._seen |= fingerprint(set(self.files()) - looked_at)
            if self._policy is not None and policy.version == self._policy.version:
                self._try(self._policy)
                self._accepted(Reload.UNCHANGED)
                return True
            prepared = await self._keys.prepare(
                policy.issuers, policy.trusts, policy.revocations, policy.assertion
            )
            broken = self._newly_broken(policy, prepared)
            if self._policy is not None and broken:
                self._unread = any(status.unread for status in prepared.missing)
                return self._refuse(broken, again=again)
            self._put_in_force(loaded, prepared)
            return True

    async def reload(self) -> None:
        """Look at the policy and at every file that it names."""
        await self.load()
        await self._keys.reload_files()

    async def reload_if_changed(self) -> None:
        """`reload`, if a file is not what it was at the last look, or could not be read then."""
        if fingerprint(self.files()) != self._seen:
            await self.reload()
            return
        if self._unread:
            await self.load()
        await self._keys.reload_unread()

    async def reload_revocations_if_changed(self) -> None:
        """Read the file of revocations, if it is not what it was at the last look, or could not be read then.

        Waits for nothing else.
        """
        now = fingerprint(self.revocation_files())
        if now != self._seen_revocations or self._keys.revocations_unread:
            self._seen_revocations = now
            await self._keys.reload_revocations()

    async def stop(self) -> None:
        """End the refreshing of keys."""
        await self._introspectors.close()
        await self._keys.stop()

    def files(self) -> Iterable[Path]:
        """Every file that matters now, or would if the policy that was tried last were a good one."""
        yield self._place
        for policy in (self._policy, self._tried):
            if policy is None:
                continue
            for issuer in policy.issuers.values():
                yield from map(Path, issuer.keys.files)
            for trust in policy.trusts.values():
                yield from map(Path, trust.files)
            if policy.assertion is not None:
                yield from map(Path, policy.assertion.key_files)
        tried, policy = self._tried, self._policy
        if tried is not None and tried.revocations and (policy is None or tried.version != policy.version):
            # It may be what kept the policy from being in force.
            yield Path(tried.revocations)

    def revocation_files(self) -> Iterable[Path]:
        """The file of revocations, if there is one. Not among `files`: a policy takes its time to read."""
        for policy in (self._policy, self._tried):
            if policy is not None and policy.revocations is not None:
                yield Path(policy.revocations)

    def published_keys(self) -> SigningKeys | Unpublished:
        """The keys of the moment: those that the next check would sign with are among them."""
        snapshot = self.engine.serving.snapshot
        if snapshot is None:
            return Unpublished.NOT_LOADED
        if snapshot.policy.assertion is None:
            return Unpublished.NOT_CONFIGURED
        return Unpublished.NOT_LOADED if snapshot.signing is None else snapshot.signing

    def readiness(self) -> Readiness:
        """What is missing before checks can be answered, and how everything else is."""
        missing: list[str] = []
        if self._policy is None:
            missing.append("policy")
        elif not self.ready.is_set():
            missing += [
                f"{_WHAT[status.kind]} `{status.name}`: {status.last_error}" for status in self._keys.missing
            ]
        policy = (
            None if self._policy is None else {"version": self._policy.version, "loaded_at": self._loaded_at}
        )
        return Readiness(
            missing=tuple(missing),
            detail={
                "policy": policy,
                "refused": list(self._refused),
                "sources": [
                    {
                        "kind": status.kind.value,
                        "name": status.name,
                        "loaded": status.loaded,
                        "last_success": status.last_success,
                        "last_error": status.last_error,
                        "problems": list(status.problems),
                    }
                    for status in self._keys.status
                ],
            },
        )

    def _try(self, policy: PolicySet) -> None:
        before, self._tried = self._tried, policy
        if before is not None and before is not self._policy:
            self._free(before)

    def _free(self, policy: PolicySet) -> None:
        freeing = free_beside(policy)
        self._freeing.add(freeing)
        freeing.add_done_callback(self._freeing.discard)

    def _put_in_force(self, loaded: Loaded, prepared: Prepared) -> None:
        # INVARIANT: no await in here, so that no check sees the policy without its keys.
        policy, before = loaded.policy, self._policy
        self._policy, self._reads = loaded
        self._loaded_at = time.time()
        self._introspectors.adopt(policy.issuers)
        self.engine.serving = self._serving(policy, prepared.materials)
        self._keys.adopt(prepared)
        self._forget_sources()
        self._accepted(Reload.LOADED)
        self._metrics.policy_in_force(policy.version, self._loaded_at, policy.warehouses)
        _log.info(
            "policy_loaded" if before is None else "policy_reloaded",
            version=policy.version,
            warehouses=len(policy.warehouses),
            grants=len(policy.grants),
        )
        self._note_readiness()
        if before is not None:
            self._free(before)

    def _serving(self, policy: PolicySet | None, materials: Materials) -> Serving:
        self._materials = materials
        self._metrics.revocations_in_force(_entries(materials.revocations))
        snapshot = None
        if policy is not None:
            authenticator = Authenticator(
                issuers=policy.issuers,
                key_sets=materials.key_sets,
                bundles=materials.bundles,
                introspected=self._introspectors.tokens,
                used=self._used_tokens,
                remembered=self._remembered,
            )
            snapshot = Snapshot(
                policy=policy,
                authenticator=authenticator,
                revocations=materials.revocations,
                signing=materials.signing,
                remembered=Memory(self._remembered),
                vouched=Memory(self._remembered),
            )
        answers = AnswerWriter(
            policy_version="" if policy is None else policy.version,
            public_url=None if policy is None else policy.edge.public_url,
            basic=()
            if policy is None
            else [each.name for each in policy.warehouses.values() if each.accepts.takes_basic],
            remembered=self._remembered,
        )
        serving = Serving(
            snapshot=snapshot,
            answers=answers,
            observer=Recording(
                Recorder(self._reads),
                metrics=self._metrics,
                audit=self._audit,
                traced=self._traced,
            ),
            settler=None
            if policy is None
            else Settling(
                self._keys,
                self._introspectors.by_issuer,
                check_timeout_seconds=policy.edge.check_timeout_seconds,
            ),
            remembered=self._remembered,
        )
        self._watch_memories(serving)
        return serving

    def _signing_keys(self) -> SigningKeys | None:
        keys = self.published_keys()
        return keys if isinstance(keys, SigningKeys) else None

    def _watch_memories(self, serving: Serving) -> None:
        snapshot = serving.snapshot
        if snapshot is not None:
            self._metrics.watch_memories(
                {
                    **snapshot.authenticator.memories,
                    "decisions": snapshot.remembered,
                    "vouched": snapshot.vouched,
                    "statements": snapshot.examiner.remembered,
                    "answers": serving.answers.allows,
                    "repeats": serving.repeats.allows,
                    "repeated_denials": serving.repeats.denials,
                }
            )

    def _keys_changed(self) -> None:
        if self._policy is None:
            return
        serving, materials = self.engine.serving, self._keys.materials
        if serving.snapshot is not None and materials.verifies_like(self._materials):
            self._replace_beside_verification(serving, serving.snapshot, materials)
        else:
            self.engine.serving = self._serving(self._policy, materials)
            _log.info("keys_changed")
        self._note_readiness()

    def _replace_beside_verification(
        self, serving: Serving, snapshot: Snapshot, materials: Materials
    ) -> None:
        """What was verified stays so, and so do decisions: revocations are looked at behind them, on every check."""
        changed = replace(snapshot, revocations=materials.revocations)
        if materials.signing != snapshot.signing:
            # With what was decided goes what was signed for it: by a key that may not be published any more.
            changed = replace(changed, signing=materials.signing, remembered=Memory(self._remembered))
            _log.info("signing_keys_changed", **_told(materials.signing))
        if changed.revocations is not snapshot.revocations:
            entries = _entries(changed.revocations)
            self._metrics.revocations_in_force(entries)
            _log.info("revocations_changed", entries=entries)
        self.engine.serving = exchanged = replace(serving, snapshot=changed)
        self._watch_memories(exchanged)

    def _introspected(self, issuer: str, outcome: Introspected, problem: str | None) -> None:
        self._metrics.introspected(issuer, outcome.value)
        if outcome is Introspected.SHED:
            return
        before = self._introspection_problems.pop(issuer, None)
        if problem is not None:
            self._introspection_problems[issuer] = problem
        # Once for each change: whoever makes tokens up must not be able to fill the log.
        if problem is not None and problem != before:
            _log.warning("introspection_failed", issuer=issuer, error=problem)
        elif problem is None and before is not None:
            _log.info("introspection_recovered", issuer=issuer)

    def _keys_attempted(self, status: SourceStatus) -> None:
        outcome = Refresh.LOADED if status.last_error is None else Refresh.FAILED
        self._metrics.source_refreshed(status.kind.value, status.name, outcome, status.last_success)
        before = self._attempts.get((status.kind, status.name))
        self._attempts[status.kind, status.name] = status
        told = {"kind": status.kind.value, "name": status.name}
        if status.last_error is not None:
            # What is looked at every other second until it can be read is said once.
            if not (status.unread and before is not None and before.last_error == status.last_error):
                _log.warning("key_source_failed", **told, error=status.last_error, failures=status.failures)
        elif before is not None and before.last_error is not None:
            _log.info("key_source_recovered", **told)
        if status.problems and (before is None or before.problems != status.problems):
            _log.warning("key_source_problems", **told, problems=status.problems)

    def _forget_sources(self) -> None:
        known = {(status.kind, status.name) for status in self._keys.status}
        for kind, name in set(self._attempts) - known:
            del self._attempts[kind, name]
            self._metrics.source_gone(kind.value, name)

    def _newly_broken(self, policy: PolicySet, prepared: Prepared) -> list[str]:
        """Files that the policy names and that cannot be used, unless that was so before.

        An unreachable URL is no mistake in the policy; it is tried again.
        """
        already = {(status.kind, status.name) for status in self._keys.missing}
        return [
            f"{_WHAT[status.kind]} `{status.name}`: {status.last_error}"
            for status in prepared.missing
            if (status.kind, status.name) not in already
            and (status.kind is not SourceKind.ISSUER_KEYS or policy.issuers[status.name].keys.is_local)
        ]

    def _accepted(self, outcome: Reload) -> None:
        self._refused = ()
        self._metrics.policy_looked_at(outcome)

    def _refuse(self, problems: list[str], *, again: bool = False) -> bool:
        known, self._refused = self._refused, tuple(problems)
        self._metrics.policy_looked_at(Reload.REFUSED)
        if again and known == self._refused:
            return False
        for problem in problems:
            _log.error("policy_problem", problem=problem)
        kept = None if self._policy is None else self._policy.version
        _log.error("policy_refused", problems=len(problems), kept=kept)
        return False

    def _note_readiness(self) -> None:
        if self.ready.is_set() or self._keys.missing:
            return
        self.ready.set()
        self._metrics.ready(ready=True)
        _log.info("ready")


def _entries(revocations: Revocations | None) -> int:
    return 0 if revocations is None else revocations.size


def _told(keys: SigningKeys | None) -> dict[str, object]:
    """What may be said of keys to sign with: their ids."""
    if keys is None:
        return {}
    return {"signs": keys.signing.kid, "published": [key.kid for key in keys.published]}
