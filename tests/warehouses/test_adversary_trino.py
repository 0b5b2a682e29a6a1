"""Somebody who asks a real Trino whatever he likes: no row of others shows, in no answer and in no error."""

from collections.abc import Iterator

import pytest

from authz.errors import Reason
from tests.signingkeys import one_key
from tests.warehouses.adversary import ANN, POLICY, TABLES, WORLDS, Told, filled, hold, setup
from tests.warehouses.matrix import Decided, Deciding, token_of
from tests.warehouses.matrix_rules import Person
from tests.warehouses.trino_process import TrinoProcess
from tests.warehouses.trino_system import TRUSTED, InsideError, ask_inside, login, obedient_trino

KEYS = one_key()

TELLING = frozenset(
    {
        "EXPLAIN SELECT * FROM {t}",
        "EXPLAIN (TYPE DISTRIBUTED) SELECT count(*) FROM {t}",
        "EXPLAIN ANALYZE SELECT count(*) FROM {t}",
    }
)
"""What tells of the number of all rows, or how long it took: guardrails refuse all of it."""


class Asking:
    def __init__(self, trino: TrinoProcess, deciding: Deciding) -> None:
        self._trino, self._deciding = trino, deciding

    def decided(self, statement: str, world: str, person: Person = ANN, token: str | None = None) -> Decided:
        text = filled(statement, world, TABLES["lake"].format(w=world))
        return self._deciding.decide(
            "lake", person, method="POST", target="/v1/statement", body=text, token=token
        )

    def __call__(self, statement: str, world: str) -> Told:
        """Past guardrails, with the headers that a harmless statement has."""
        _, headers = self.decided("SELECT 1", world).rewritten()
        return self.asked(filled(statement, world, TABLES["lake"].format(w=world)), headers)

    def asked(self, text: str, headers: dict[str, str]) -> Told:
        try:
            rows = ask_inside(self._trino.port, text, {**headers, "x-forwarded-proto": "https"})
        except InsideError as error:
            return Told(None, str(error))
        return Told(tuple(map(str, rows)))


@pytest.fixture(scope="module")
def ask() -> Iterator[Asking]:
    deciding = Deciding(POLICY, KEYS)
    with obedient_trino(deciding.policy, deciding.warehouse("lake"), KEYS) as trino:
        for world in WORLDS:
            table = TABLES["lake"].format(w=world)
            for statement in (f"CREATE SCHEMA lake.{world}", *setup(world, table, "integer", "varchar")):
                ask_inside(trino.port, statement, login(KEYS, TRUSTED))
        yield Asking(trino, deciding)


def test_no_answer_tells_of_rows_of_others(ask: Asking) -> None:
    """Errors in conditions, orders, aggregates and lambdas, statistics, plans, metadata."""
    hold("trino", ask, lambda statement: ask.decided(statement, WORLDS[0]).reason is Reason.GRANTED, TELLING)


def test_headers_of_two_people_do_not_add_up(ask: Asking) -> None:
    """Neither somebody else's assertion under one's own name, nor one's own under another's."""
    count = f"SELECT count(*) FROM {TABLES['lake'].format(w=WORLDS[1])}"
    us = Person(groups=("us",))
    mine = ask.decided("SELECT 1", WORLDS[1]).rewritten()[1]
    theirs = ask.decided("SELECT 1", WORLDS[1], token=token_of(us, sub="bob")).rewritten()[1]
    assert ask.asked(count, mine).rows == ("[3]",)
    assert ask.asked(count, theirs).rows == ("[2]",)
    credential = "x-trino-extra-credential"
    for changed in (
        {credential: theirs[credential]},
        {"x-trino-user": "bob"},
        {"x-trino-user": TRUSTED},
        {credential: "scope="},
        {credential: mine[credential][:-3] + "AAA"},
        {credential: ""},
        {"x-trino-user": ""},
        {"authorization": f"Bearer {token_of(ANN)}"},
        {"authorization": f"Bearer {mine[credential].removeprefix('scope=')}"},
    ):
        headers = {name: value for name, value in {**mine, **changed}.items() if value}
        assert ask.asked(count, headers).rows is None, changed
