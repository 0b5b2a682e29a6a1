"""What Scopegate says to mistakes in a policy, word for word."""

import pytest

from tests.policy_mistakes import GOLDEN, MISTAKES, messages, report, text_of


def test_every_message_is_the_one_that_was_read_and_agreed_to() -> None:
    """Whoever changes a message sees all that change with it."""
    said = "".join(report())
    anew = "write it anew and read the difference: python -m tests.policy_mistakes > tests/golden/policy-messages.txt"
    assert said == GOLDEN.read_text(encoding="utf-8"), anew


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_found(name: str) -> None:
    """Nothing in the list passes, and every problem has its place."""
    said = messages(text_of(name))
    assert said != ["no problem"]
    assert all(message.startswith("p.yaml:") for message in said)


def test_no_message_repeats_a_password() -> None:
    """Messages go to terminals, to logs and to the build's page."""
    for name in MISTAKES:
        assert ("hunter2" in text_of(name)) is (
            name
            in {"an issuer with credentials", "an upstream with credentials", "credentials without scheme"}
        )
        assert "hunter2" not in "".join(messages(text_of(name)))
