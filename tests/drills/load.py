"""People who ask all the while, allowed and denied side by side, and what each of them got to see.

Every answer is judged as it comes: a 200 for somebody who may see nothing, or with rows of somebody else, is wrong,
whatever is broken meanwhile.
"""

import contextlib
import http.client
import itertools
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.drills.table import NO_ANSWER
from tests.edge_counterparts import Answer, Seen
from tests.envoy_process import wait_until

_PAUSE_SECONDS = 0.002
_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who asks. `regions` is what they may see, None for nothing; `denial` is the status that they get then.

    `bearer` gives the token for the next request.
    """

    name: str
    bearer: Callable[[], str | None]
    regions: frozenset[str] | None = None
    denial: int = 403


@dataclass(frozen=True, slots=True)
class Got:
    """One answer. `decision_id` is None where nobody decided."""

    person: Person
    status: int
    reason: str | None
    decision_id: str | None


def tell_scope(seen: Seen) -> Answer:
    """What the drills' warehouse answers: the scope that it was told, which is all that there is to see in it."""
    scope = json.loads(seen.values("x-scope-json")[0])
    rows = scope["rows"]
    # Whoever may see everything is told so in a word, and is none of the people.
    regions = [rows] if isinstance(rows, str) else sorted({it for row in rows for it in row["region"]["in"]})
    return Answer(body=json.dumps({"regions": regions}).encode())


class Load:
    """Several clients; each asks for one person after the other, until the end.

    The first one comes anew for each request, the others keep their connection as long as it lasts.
    """

    def __init__(
        self, port: Callable[[], int], context: ssl.SSLContext, people: Sequence[Person], clients: int = 4
    ) -> None:
        assert {person.regions is None for person in people} == {True, False}, (
            "each allow needs its neighbour"
        )
        self.people = people
        self.got: list[Got] = []
        self.wrong: list[str] = []
        self._port = port
        self._context = context
        self._over = threading.Event()
        self._turns = [0] * clients
        self._threads = [threading.Thread(target=self._ask_all, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * _TIMEOUT_SECONDS)
        if error is None:
            assert self.wrong == []
            assert self.allowed, "nobody was ever let in"

    @property
    def mark(self) -> int:
        """Where we are, for `since`."""
        return len(self.got)

    def since(self, mark: int) -> list[Got]:
        """What came since then."""
        return self.got[mark:]

    def statuses(self, mark: int = 0) -> Counter[int]:
        """How often each status came, without the denials that are due."""
        return Counter(
            got.status
            for got in self.since(mark)
            if got.person.regions is not None or got.status != got.person.denial
        )

    @property
    def allowed(self) -> set[str]:
        """The decision ids of every allow that a client saw."""
        return {str(got.decision_id) for got in self.got if got.status == 200}

    def go_on(self, answers: int = 100) -> int:
        """Wait for so many more answers; the mark of the first."""
        mark = self.mark
        wait_until(lambda: self.mark >= mark + answers, f"{answers} more answers")
        return mark

    def settle(self) -> int:
        """Wait until nobody waits for an answer any more to what was asked before; the mark then."""
        turns = list(self._turns)
        wait_until(
            lambda: all(now >= before + 2 for now, before in zip(self._turns, turns, strict=True)),
            "everybody has asked anew",
        )
        return self.mark

    def until_well(self, answers: int = 100, seconds: float = 60.0) -> None:
        """Wait until so many answers in a row are what they should be."""

        def well() -> bool:
            last = self.got[-answers:]
            return len(last) == answers and all(got.status == _expected(got.person) for got in last)

        self.go_on(answers)
        try:
            wait_until(well, "everybody gets what they should again", seconds)
        except AssertionError as error:
            last = Counter((got.person.name, got.status, got.reason) for got in self.got[-answers:])
            raise AssertionError(f"{error}: {last}") from None

    def until(self, mark: int, status: int, reason: str | None = None) -> None:
        """Wait until somebody has got this since `mark`."""
        wait_until(
            lambda: any(got.status == status and reason in {None, got.reason} for got in self.since(mark)),
            f"somebody gets {status} {reason or ''}",
        )

    def _ask_all(self, client: int) -> None:
        connection: http.client.HTTPSConnection | None = None
        for number in itertools.count(client):
            if self._over.is_set():
                break
            self._turns[client] += 1
            turn, whose = divmod(number, len(self.people))
            person = self.people[whose]
            # By turns where nothing is shared, and where answers are: those must be of one scope.
            target = f"/ledger/rows?who={person.name}" if turn % 2 else f"/api/rows?q={turn % 10}"
            try:
                if connection is None:
                    connection = http.client.HTTPSConnection(
                        "127.0.0.1", self._port(), context=self._context, timeout=_TIMEOUT_SECONDS
                    )
                self._judge(person, target, *_exchange(connection, target, person.bearer()))
            except (OSError, http.client.HTTPException):
                self.got.append(Got(person, NO_ANSWER, None, None))
                if connection is not None:
                    connection.close()
                connection = None
            if client == 0 and connection is not None:
                connection.close()
                connection = None
            time.sleep(_PAUSE_SECONDS)
        if connection is not None:
            connection.close()

    def _judge(self, person: Person, target: str, status: int, decision_id: str | None, body: bytes) -> None:
        reason: str | None = None
        if status == 200:
            regions = frozenset(json.loads(body)["regions"])
            if regions != person.regions or decision_id is None:
                self.wrong.append(f"{person.name} got {sorted(regions)} of {target} ({decision_id})")
        else:
            with contextlib.suppress(ValueError):
                reason = json.loads(body).get("reason")
        self.got.append(Got(person, status, reason, decision_id))


def _expected(person: Person) -> int:
    return person.denial if person.regions is None else 200


def _exchange(
    connection: http.client.HTTPSConnection, target: str, bearer: str | None
) -> tuple[int, str | None, bytes]:
    headers = {} if bearer is None else {"authorization": f"Bearer {bearer}"}
    connection.request("GET", target, headers={"host": "localhost", **headers})
    with contextlib.closing(connection.getresponse()) as answer:
        return answer.status, answer.getheader("x-scope-decision-id"), answer.read()
