"""A statement is examined once, whoever sends it."""

import hashlib
from typing import Final

from authz.errors import Denied, Reason
from authz.guardrails.examine import examine
from authz.guardrails.rules import Examined, GuardrailRules, Session
from authz.memory import Memory

REMEMBERED: Final = 4_096
"""How many statements are remembered, each with what was found; not their text."""

Answer = Examined | tuple[Reason, str]


class Examiner:
    """`examine` that remembers: a statement is parsed once, whoever sends it."""

    __slots__ = ("remembered",)

    def __init__(self, size: int = REMEMBERED) -> None:
        self.remembered: Memory[tuple[bytes, Session, int], Answer] = Memory(size)

    def examine(self, text: str, rules: GuardrailRules, session: Session) -> Examined:
        """As `examine`; `rules` live as long as this does, so that they are told apart by identity."""
        if len(text) > rules.bounds.bytes:
            return examine(text, rules, session)  # raises, and costs less than a digest of it
        key = (hashlib.sha256(text.encode(errors="surrogatepass")).digest(), session, id(rules))
        answer = self.remembered.recall(key)
        if answer is None:
            answer = self.remembered[key] = _answer(text, rules, session)
        if isinstance(answer, Examined):
            return answer
        raise Denied(*answer)


def _answer(text: str, rules: GuardrailRules, session: Session) -> Answer:
    try:
        return examine(text, rules, session)
    except Denied as denied:
        return denied.reason, denied.detail
