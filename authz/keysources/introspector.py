"""Asks one issuer about opaque tokens (RFC 7662), within bounds of time and number.

The token goes into the body of a POST and nowhere else: into no URL, log, metric or error text.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from authz.identity.introspection import IntrospectedTokens
from authz.identity.introspectionrules import Introspection
from authz.identity.issuer import Issuer
from authz.identity.strictjson import StrictJsonError, parse_object
from authz.keysources.clientproof import ClientProof
from authz.keysources.fetch import FetchError, FetchRules
from authz.keysources.files import SourceFileError
from authz.keysources.poster import Poster

MOST_AT_ONCE: Final = 32
"""Requests to one issuer at the same time."""
MOST_WAITING: Final = 256
"""Tokens that are asked about or wait for their turn; what comes beyond them is denied at once."""


class Introspected(StrEnum):
    """How a question about a token ended."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    FAILED = "failed"
    SHED = "shed"
    """Not asked, because too many are being asked about."""


class Introspector:
    """Asks the endpoint of one issuer, once for each token however many want to know, and remembers the answers.

    For one event loop. `told` is called after each question with how it ended and, if it failed, why.
    """

    def __init__(
        self,
        issuer: Issuer,
        rules: Introspection,
        *,
        told: Callable[[str, Introspected, str | None], None] = lambda *_: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.tokens = IntrospectedTokens(rules.cache_seconds)
        self._name = issuer.name
        self._rules = rules
        self._told = told
        self._clock = clock
        self._poster = Poster(
            FetchRules(
                allow_http=issuer.keys.allow_http,
                allow_private_addresses=issuer.keys.allow_private_addresses,
                ca_file=issuer.keys.ca_file,
                total_seconds=rules.timeout_seconds,
            ),
            most_connections=MOST_AT_ONCE,
        )
        self._proof = ClientProof(rules, issuer.issuer)
        self._asking: dict[bytes, asyncio.Task[str | None]] = {}
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)

    async def ask(self, token: str, digest: bytes) -> str | None:
        """Have `tokens` know about a token, within the configured time; what went wrong, if something did."""
        task = self._asking.get(digest)
        if task is None:
            if len(self._asking) >= MOST_WAITING:
                self._told(self._name, Introspected.SHED, None)
                return f"{len(self._asking)} tokens are being asked about already"
            task = self._asking[digest] = asyncio.create_task(
                self._answer(token, digest), name=f"introspection at {self._name}"
            )
            task.add_done_callback(lambda _: self._asking.pop(digest, None))
        try:
            # Shielded: one check that is given up must not take the answer away from the others.
            async with asyncio.timeout(self._rules.timeout_seconds):
                return await asyncio.shield(task)
        except TimeoutError:
            return f"no answer within {self._rules.timeout_seconds:g} s"

    async def close(self) -> None:
        """End what is being asked, and the connections."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._poster.close()

    async def _answer(self, token: str, digest: bytes) -> str | None:
        asked_at = self._clock()
        try:
            async with asyncio.timeout(self._rules.timeout_seconds), self._turns:
                headers, fields = await asyncio.to_thread(self._proof.make)
                body = await self._poster.post(
                    self._rules.url, headers, {**fields, "token": token, "token_type_hint": "access_token"}
                )
            claims = parse_introspection(body)
        except TimeoutError:
            return self._failed(f"no answer within {self._rules.timeout_seconds:g} s")
        except (FetchError, SourceFileError) as error:
            return self._failed(str(error))
        self.tokens.keep(digest, claims, asked_at)
        self._told(self._name, Introspected.INACTIVE if claims is None else Introspected.ACTIVE, None)
        return None

    def _failed(self, problem: str) -> str:
        self._told(self._name, Introspected.FAILED, problem)
        return problem


class Introspectors:
    """The introspectors of the policy in force; one whose issuer is configured as before keeps what it remembers."""

    def __init__(self, *, told: Callable[[str, Introspected, str | None], None]) -> None:
        self.by_issuer: Mapping[str, Introspector] = {}
        self._issuers: Mapping[str, Issuer] = {}
        self._told = told
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def tokens(self) -> dict[str, IntrospectedTokens]:
        """What is known about tokens, by the issuer's configured name."""
        return {name: introspector.tokens for name, introspector in self.by_issuer.items()}

    def adopt(self, issuers: Mapping[str, Issuer]) -> None:
        """Put the introspectors of these issuers in force. Within a running loop."""
        old = dict(self.by_issuer)
        made: dict[str, Introspector] = {}
        for name, issuer in issuers.items():
            if issuer.introspection is None:
                continue
            if name in old and self._issuers[name] == issuer:
                made[name] = old.pop(name)
            else:
                made[name] = Introspector(issuer, issuer.introspection, told=self._told)
        self.by_issuer, self._issuers = made, issuers
        for introspector in old.values():
            task = asyncio.create_task(introspector.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """End all of them."""
        self.adopt({})
        await asyncio.gather(*self._closing)


def parse_introspection(body: bytes) -> dict[str, object] | None:
    """The claims of an active token, None for one that is not (RFC 7662 section 2.2). Raises `FetchError`."""
    try:
        answer = parse_object(body)
    except StrictJsonError as error:
        raise FetchError(f"the answer of the introspection endpoint: {error}") from None
    match answer.pop("active", None):
        case True:
            return answer
        case False:
            return None
        case _:
            raise FetchError("the answer of the introspection endpoint: `active` is neither true nor false")
