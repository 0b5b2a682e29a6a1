"""The matrix at a real Trino: the assertion that the check signs, obeyed by the plugin."""

from collections.abc import Iterator

import pytest

from authz.errors import Reason
from tests.signingkeys import one_key
from tests.warehouses import matrix_rules
from tests.warehouses.matrix import Case, Cells, Deciding, cells, run
from tests.warehouses.matrix_data import TRINO
from tests.warehouses.trino_process import TrinoProcess
from tests.warehouses.trino_system import TRUSTED, ask_inside, login, obedient_trino

KEYS = one_key()
ANY_NUMBER = 10**6
"""Of alternatives: none are too many for it."""


@pytest.fixture(scope="module")
def trino() -> Iterator[TrinoProcess]:
    # What Trino is told is the same for each of the policies.
    deciding = Deciding(matrix_rules.policy(1).text(), KEYS)
    with obedient_trino(deciding.policy, deciding.warehouse("lake"), KEYS) as process:
        for statement in ("CREATE SCHEMA lake.matrix", *TRINO.setup()):
            ask_inside(process.port, statement, login(KEYS, TRUSTED))
        yield process


def test_every_policy_and_question(trino: TrinoProcess) -> None:
    """Each answer is the oracle's, whoever asks whatever."""

    def ask(case: Case, deciding: Deciding) -> tuple[Reason, Cells | None]:
        statement = case.question.said(TRINO)
        decided = deciding.decide("lake", case.person, method="POST", target="/v1/statement", body=statement)
        if decided.reason is not Reason.GRANTED:
            return decided.reason, None
        _, headers = decided.rewritten()
        rows = ask_inside(trino.port, statement, {**headers, "x-forwarded-proto": "https"})
        return decided.reason, cells(rows, case.question.types)

    run(lambda policy: (Deciding(policy.text(), KEYS), ask), most=ANY_NUMBER)
