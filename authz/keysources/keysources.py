"""The background work that keeps key sets, trust bundles, revocations and keys to sign with fresh.

Checks never wait for it: they read what the snapshot holds. Every change ends in one call of `on_change`,
upon which the app builds a new snapshot.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from authz.identity.certificates import TrustBundle
from authz.identity.issuer import Issuer
from authz.identity.keyset import KeySet
from authz.identity.revocations import Revocations
from authz.identity.trust import CertificateTrust
from authz.keysources.demand import Demand
from authz.keysources.discovery import RemoteKeys
from authz.keysources.fetch import TOTAL_SECONDS
from authz.keysources.files import (
    SourceFileError,
    load_key_set,
    load_revocations,
    load_signing_keys,
    load_trust_bundle,
)
from authz.keysources.prepared import AnySource, IssuerSource, Materials, Prepared, SigningSource, TrustSource
from authz.keysources.schedule import Schedule
from authz.keysources.source import Loaded, Source, SourceKind, SourceStatus
from authz.policy.policyset import AssertionRule
from authz.policy.problems import PolicyError
from authz.signing.keys import SigningKeys

_SHOWN_PROBLEMS = 5

REVOCATIONS = "revocations"
"""The name of the file of revocations among the sources; there is one at most."""
ASSERTION = "assertion"
"""The name of the keys to sign with among the sources; they are one, as they change together."""


class KeySources:
    """Key sets and trust bundles of the policy in force. For one event loop; not for other threads.

    Start: ``await start(issuers, trusts)``. A new policy, in two steps so that keys and policy change in one
    moment: ``prepared = await prepare(issuers, trusts)`` tries what is new and keeps what is unchanged; then,
    without an `await` in between, swap the snapshot (from `prepared.key_sets`, `prepared.bundles`) and
    ``adopt(prepared)``. `on_change` is called in the loop after a change in the background, never by `prepare`
    and `adopt`; `on_attempt` after every attempt, for logs and metrics.
    """

    def __init__(
        self,
        *,
        on_change: Callable[[], None],
        on_attempt: Callable[[SourceStatus], None] = lambda _: None,
        schedule: Schedule | None = None,
        fetch_seconds: float = TOTAL_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._on_change = on_change
        self._on_attempt = on_attempt
        self._schedule = schedule or Schedule()
        self._fetch_seconds = fetch_seconds
        self._clock = clock
        self._current = Prepared()
        self._tasks: dict[AnySource, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._reading_files = asyncio.Lock()

    @property
    def key_sets(self) -> dict[str, KeySet]:
        """The last good key set of each issuer that has one, by configured name."""
        return self._current.key_sets

    @property
    def bundles(self) -> dict[str, TrustBundle]:
        """The last good trust bundle of each trust that has one, by configured name."""
        return self._current.bundles

    @property
    def revocations(self) -> Revocations | None:
        """The last good revocations; see `Materials`."""
        return self._current.revocations

    @property
    def materials(self) -> Materials:
        """The last good of everything."""
        return self._current.materials

    @property
    def status(self) -> tuple[SourceStatus, ...]:
        """How each source is."""
        return self._current.status

    @property
    def revocations_unread(self) -> bool:
        """The same for the file of revocations alone."""
        source = self._current.revocation_source
        return source is not None and source.status().unread

    @property
    def missing(self) -> tuple[SourceStatus, ...]:
        """The sources that have nothing at all: not ready while there is one."""
        return self._current.missing

    async def start(
        self,
        issuers: Mapping[str, Issuer],
        trusts: Mapping[str, CertificateTrust],
        revocations: str | None = None,
        assertion: AssertionRule | None = None,
    ) -> Prepared:
        """Try every source once and begin to refresh. What failed is in `missing`; URLs are tried again."""
        prepared = await self.prepare(issuers, trusts, revocations, assertion)
        self.adopt(prepared)
        return prepared

    async def stop(self) -> None:
        """End the refreshing; what is loaded stays readable."""
        for source in list(self._tasks):
            self._end(source)
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def prepare(
        self,
        issuers: Mapping[str, Issuer],
        trusts: Mapping[str, CertificateTrust],
        revocations: str | None = None,
        assertion: AssertionRule | None = None,
    ) -> Prepared:
        """The sources of a policy: unchanged ones as they are, new and changed ones tried once.

        `revocations` is the file of revocations, `assertion` says which keys sign, if there are such.
        """
        prepared = Prepared(
            issuers={name: self._issuer_source(issuer) for name, issuer in issuers.items()},
            trusts={name: self._trust_source(trust) for name, trust in trusts.items()},
            revocation_source=None
            if revocations is None
            else self._revocation_source(revocations, frozenset(issuers), frozenset(trusts)),
            signing_source=None if assertion is None else self._signing_source(assertion),
        )
        await asyncio.gather(*(self._attempt(source) for source in prepared.sources if not source.tried))
        return prepared

    def adopt(self, prepared: Prepared) -> None:
        """Put prepared sources in force: end the refreshing of those that are gone, begin that of the new."""
        self._current = prepared
        wanted: dict[AnySource, Issuer] = {
            entry.source: entry.issuer
            for entry in prepared.issuers.values()
            if not entry.issuer.keys.is_local
        }
        for source in [source for source in self._tasks if source not in wanted]:
            self._end(source)
        for source, issuer in wanted.items():
            if source not in self._tasks:
                self._tasks[source] = asyncio.create_task(
                    self._keep_fresh(source, issuer.keys.refresh_seconds), name=f"keys of {issuer.name}"
                )

    def may_look_again(self, issuer_name: str, key: bytes) -> bool:
        """Whether `look_again` would bring an answer that is not in force yet; whoever may, calls it next."""
        entry = self._current.issuers.get(issuer_name)
        if entry is None or entry.source not in self._tasks:
            return False
        looks = entry.source.looks
        number = entry.demand.look_for(key, looks.begun, asyncio.get_running_loop().time())
        return number is not None and number > looks.ended and looks.waiting < self._schedule.most_waiting

    async def look_again(self, issuer_name: str, key: bytes, seconds: float) -> bool:
        """Ask an issuer for its keys out of turn, because a token names one that is not known.

        Whether an answer that was asked for after the call has come within `seconds`, and is in force. Asks no more
        often than the schedule allows, whoever calls how often with what `key`.
        """
        entry = self._current.issuers.get(issuer_name)
        if entry is None or entry.source not in self._tasks:
            return False
        looks = entry.source.looks
        number = entry.demand.look_for(key, looks.begun, asyncio.get_running_loop().time())
        if number is None or looks.waiting >= self._schedule.most_waiting:
            return False
        if number > looks.begun:
            entry.source.wake.set()
        return await looks.wait_for(number, seconds)

    async def reload_files(self) -> None:
        """Read the key set and trust files again; a file that is broken now leaves the last good one in force."""
        await self._reload(lambda _: True)

    async def reload_unread(self) -> None:
        """The same for those that could not be read at the last look, and may be now; see `SourceStatus`."""
        await self._reload(lambda source: source.status().unread)

    async def _reload(self, wanted: Callable[[AnySource], bool]) -> None:
        async with self._reading_files:
            # What has no refreshing task comes from files.
            files = [source for source in self._current.sources if source not in self._tasks]
            changed = [await self._attempt(source) for source in files if wanted(source)]
            if any(changed):
                self._announce()

    async def reload_revocations(self) -> None:
        """Read the file of revocations again, and nothing else: what it says must not wait for other files."""
        source = self._current.revocation_source
        if source is not None and await self._attempt(source) and source is self._current.revocation_source:
            self._announce()

    async def _keep_fresh(self, source: AnySource, refresh_seconds: float) -> None:
        # One task for each issuer: at most one request at a time, whoever asks for one.
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._delay(source, refresh_seconds)):
                    await source.wake.wait()
            wanted = source.wake.is_set()
            source.wake.clear()
            source.looks.begin()
            try:
                if await self._attempt(source, quickly=wanted):
                    self._announce()
            finally:
                source.looks.end()

    def _delay(self, source: AnySource, refresh_seconds: float) -> float:
        chance = random.random()  # noqa: S311 - jitter keeps workers apart, it is no secret
        if source.failures:
            return self._schedule.after_failure(refresh_seconds, source.failures, chance)
        return self._schedule.after_success(refresh_seconds, source.max_age, chance)

    async def _attempt(self, source: AnySource, *, quickly: bool = False) -> bool:
        changed = await source.attempt(quickly=quickly)
        _call_listener(lambda: self._on_attempt(source.status()))
        return changed

    def _announce(self) -> None:
        _call_listener(self._on_change)

    def _end(self, source: AnySource) -> None:
        task = self._tasks.pop(source)
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _issuer_source(self, issuer: Issuer) -> IssuerSource:
        old = self._current.issuers.get(issuer.name)
        if old is not None and (old.issuer.issuer, old.issuer.keys) == (issuer.issuer, issuer.keys):
            return IssuerSource(issuer, old.source, old.demand)
        remote = RemoteKeys(issuer, total_seconds=self._fetch_seconds)

        async def load() -> Loaded[KeySet]:
            if issuer.keys.is_local:
                key_set = await asyncio.to_thread(load_key_set, issuer)
                return Loaded(material=key_set, problems=key_set.problems)
            return _loaded(*await remote.fetch())

        async def load_quickly() -> Loaded[KeySet]:
            return await load() if issuer.keys.is_local else _loaded(*await remote.fetch_quickly())

        source = Source(
            kind=SourceKind.ISSUER_KEYS,
            name=issuer.name,
            place=issuer.keys.place,
            load=load,
            load_quickly=load_quickly,
            clock=self._clock,
        )
        return IssuerSource(issuer, source, Demand(self._schedule))

    def _trust_source(self, trust: CertificateTrust) -> TrustSource:
        old = self._current.trusts.get(trust.name)
        if old is not None and old.trust == trust:
            return TrustSource(trust, old.source)

        async def load() -> Loaded[TrustBundle]:
            return Loaded(material=await asyncio.to_thread(load_trust_bundle, trust))

        return TrustSource(
            trust,
            Source(
                kind=SourceKind.TRUST_BUNDLE,
                name=trust.name,
                place=trust.roots,
                load=load,
                clock=self._clock,
                report=TrustBundle.problems,
            ),
        )

    def _revocation_source(
        self, place: str, issuers: frozenset[str], trusts: frozenset[str]
    ) -> Source[Revocations]:
        async def load() -> Loaded[Revocations]:
            try:
                return Loaded(material=await asyncio.to_thread(load_revocations, place))
            except PolicyError as error:
                texts = [problem.text for problem in error.problems]
                more = len(texts) - _SHOWN_PROBLEMS
                rest = [f"and {more} more problems"] if more > 0 else []
                raise SourceFileError("; ".join([*texts[:_SHOWN_PROBLEMS], *rest])) from None

        def report(revocations: Revocations, _: float) -> tuple[str, ...]:
            return tuple(revocations.unknown_names(issuers, trusts))

        source = self._current.revocation_source
        if source is None or source.place != place:
            return Source(
                kind=SourceKind.REVOCATIONS,
                name=REVOCATIONS,
                place=place,
                load=load,
                clock=self._clock,
                report=report,
            )
        # The same file under another policy: its names may mean somebody now, or nobody any more.
        source.report = report
        return source

    def _signing_source(self, rule: AssertionRule) -> SigningSource:
        old = self._current.signing_source
        if old is not None and _same_keys(old.rule, rule):
            return SigningSource(rule, old.source)

        async def load() -> Loaded[SigningKeys]:
            return Loaded(material=await asyncio.to_thread(load_signing_keys, rule))

        return SigningSource(
            rule,
            Source(
                kind=SourceKind.SIGNING_KEYS,
                name=ASSERTION,
                place=rule.signs,
                load=load,
                clock=self._clock,
            ),
        )


def _same_keys(one: AssertionRule, other: AssertionRule) -> bool:
    return (one.key_files, one.signs, one.algorithm) == (other.key_files, other.signs, other.algorithm)


def _loaded(key_set: KeySet, max_age: int | None) -> Loaded[KeySet]:
    return Loaded(material=key_set, problems=key_set.problems, max_age=max_age)


def _call_listener(listener: Callable[[], None]) -> None:
    """A listener's defect is reported as the loop reports defects; it must not end the refreshing for good."""
    try:
        listener()
    except Exception as error:  # noqa: BLE001 - see above
        asyncio.get_running_loop().call_exception_handler(
            {"message": "a listener of the key sources failed", "exception": error}
        )
