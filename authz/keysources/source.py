"""One source: the last good key set, trust bundle or file of revocations, and how it came here."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from authz.keysources.fetch import FetchError
from authz.keysources.files import SourceFileError, SourceUnreadError
from authz.keysources.looks import Looks

Material = TypeVar("Material")


class SourceKind(StrEnum):
    """What a source gives."""

    ISSUER_KEYS = "issuer_keys"
    TRUST_BUNDLE = "trust_bundle"
    REVOCATIONS = "revocations"
    SIGNING_KEYS = "signing_keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """How a source is, for readiness, metrics and logs. Times are in seconds since the epoch.

    `problems` are what is wrong with the material in use (keys left out, expired roots); `last_error` is
    why the last attempt failed, None if it did not. `unread` says that the next one may succeed although no file
    has changed.
    """

    kind: SourceKind
    name: str
    place: str
    loaded: bool
    last_success: float | None
    last_error: str | None
    failures: int
    problems: tuple[str, ...]
    unread: bool = False

    def age(self, now: float) -> float | None:
        """Seconds since the last success; None if there was none."""
        return None if self.last_success is None else max(0.0, now - self.last_success)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(Generic[Material]):
    """What one attempt brought: the material, what is wrong with it, and how long it is fresh (seconds)."""

    material: Material
    problems: tuple[str, ...] = ()
    max_age: int | None = None


class Source(Generic[Material]):
    """The last good material of one place. A failure never takes it away."""

    def __init__(  # noqa: PLR0913 - the parts of a source
        self,
        *,
        kind: SourceKind,
        name: str,
        place: str,
        load: Callable[[], Awaitable[Loaded[Material]]],
        load_quickly: Callable[[], Awaitable[Loaded[Material]]] | None = None,
        report: Callable[[Material, float], Iterable[str]] = lambda _material, _now: (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`report` says what is wrong with material at a time, beside what was wrong when it was loaded."""
        self.kind = kind
        self.name = name
        self.place = place
        self.material: Material | None = None
        self.max_age: int | None = None
        self.failures = 0
        self.wake = asyncio.Event()
        self.looks = Looks()
        self.report = report
        self._loading = asyncio.Lock()
        self._load = load
        self._load_quickly = load_quickly or load
        self._clock = clock
        self._last_success: float | None = None
        self._last_error: str | None = None
        self._unread = False
        self._problems: tuple[str, ...] = ()

    async def attempt(self, *, quickly: bool = False) -> bool:
        """Look once. Returns whether the material has changed; equal material stays the same object.

        `quickly` is for when somebody waits.
        """
        # One look at a time: of two, the one that began first could end last, and bring the older content.
        async with self._loading:
            return await self._attempt(quickly=quickly)

    async def _attempt(self, *, quickly: bool) -> bool:
        try:
            loaded = await (self._load_quickly() if quickly else self._load())
        except (FetchError, SourceFileError) as error:
            self._fail(str(error), unread=isinstance(error, SourceUnreadError))
            return False
        except Exception as error:  # noqa: BLE001 - a defect must not end the refreshing for good
            self._fail(f"unexpected {type(error).__name__}")
            return False
        self._last_success, self._last_error, self.failures = self._clock(), None, 0
        self._unread = False
        self._problems, self.max_age = loaded.problems, loaded.max_age
        if loaded.material == self.material:
            return False
        self.material = loaded.material
        return True

    @property
    def tried(self) -> bool:
        """Whether there has been an attempt."""
        return self._last_success is not None or self._last_error is not None

    def status(self) -> SourceStatus:
        """How the source is now."""
        return SourceStatus(
            kind=self.kind,
            name=self.name,
            place=self.place,
            loaded=self.material is not None,
            last_success=self._last_success,
            last_error=self._last_error,
            failures=self.failures,
            unread=self._unread,
            problems=(
                *self._problems,
                *(() if self.material is None else self.report(self.material, self._clock())),
            ),
        )

    def _fail(self, message: str, *, unread: bool = False) -> None:
        self._last_error = message
        self._unread = unread
        self.failures += 1
