"""The fuzz target of guardrails: any text is a denial, or a statement that names nothing but what is allowed."""

from authz.errors import Denied
from authz.guardrails.dialects import DIALECTS
from authz.guardrails.examine import examine, refuse_hidden
from authz.guardrails.patterns import matches
from tests import statements
from tests.fuzz.targets import BrokenInvariantError, Fuzzed

_DIALECTS = tuple(sorted(DIALECTS))


def fuzz_statement(data: bytes) -> None:
    """Examined or denied; and what is examined names no table that is not allowed. The first byte says the dialect."""
    dialect = _DIALECTS[data[0] % len(_DIALECTS)] if data else "trino"
    rules = statements.rules(dialect)
    try:
        text = data[1:].decode()
    except UnicodeDecodeError:
        text = data[1:].decode("latin-1")
    try:
        examined = examine(text, rules, statements.SESSIONS[dialect])
        refuse_hidden(examined, statements.hidden(dialect))
    except Denied:
        return
    for table in examined.tables:
        if not (matches(rules.tables, table) or matches(DIALECTS[dialect].metadata, table)):
            raise BrokenInvariantError("a table that is not allowed")


def statement_targets() -> dict[str, Fuzzed]:
    """The target by its name."""
    seeds = tuple(
        bytes([_DIALECTS.index(dialect)]) + text.encode()
        for dialect, texts in statements.ALLOWED.items()
        for text in texts[-24:]
    )
    return {"statement": Fuzzed(fuzz_statement, seeds)}
