"""Conditions under hostile text and hostile claims: our error or an answer, never anything else."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from authz.errors import Denied, Reason
from authz.policy.conditions import ConditionError, compile_condition
from tests.rules import NOON, get, person

quick = settings(max_examples=200, deadline=None)

# Pieces that CEL knows, so that many of the texts get past the parser.
PIECES = [
    "principal.groups", "principal.claims.x", "principal.subject", "principal", "request.time", "has(", "size(",
    ".exists(", ".map(", ".all(g, ", ".filter(x, ", "g", "x", ".matches(", '"("', '"a"', "'é😀'", "1", "-1", "0", "2u",
    "1.5e308", "true", "null", "==", "!=", " in ", "&&", "||", "!", "+", "-", "*", "/", "%", "?", ":", "(", ")", "[", "]",
    "{", "}", ",", ".", " ", "\n", "// ", "timestamp(", "duration(", "int(", "dyn(", "type(", "b'\\xff'", "`", "\\", "\0",
    "google.protobuf.Any{}", "9223372036854775808", "r'\\d'", '"""', ".getHours(", '"Nowhere/X"',
]  # fmt: skip
texts = st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=14).map("".join)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)

READING = [
    compile_condition(text)
    for text in (
        'principal.claims.x == "a"',
        "principal.claims.x > 1",
        'principal.claims.x.exists(e, e == "a")',
        "principal.claims.x.all(e, principal.claims.x.exists(f, e == f))",
        'principal.claims.x.a.b[0] == "c"',
        'principal.claims.x.matches("^a+$")',
        "size(principal.claims) > 1",
        "timestamp(principal.claims.x) < request.time",
        "has(principal.claims.x.a) || principal.claims.x",
        "principal.claims[principal.subject] == principal.claims.x",
        "int(principal.claims.x) + 9223372036854775807 > 0",
        'string(principal.claims.x) == "1"',
    )
]


@quick
@given(texts)
def test_any_text_compiles_or_is_refused_at_a_place_in_it(text: str) -> None:
    """No other exception than our own, and a line and column that a caret can stand under."""
    try:
        condition = compile_condition(text)
    except ConditionError as error:
        refusal = error
    else:
        with suppress(Denied):
            assert condition.holds(person(), "sales", get(), NOON) in (True, False)
        return
    lines = text.split("\n")
    assert refusal.message
    assert 1 <= refusal.line <= len(lines)
    assert 1 <= refusal.column <= len(lines[refusal.line - 1]) + 1


@quick
@given(st.sampled_from(READING), st.dictionaries(st.sampled_from(["x", "ann", "y"]), json_values))
def test_any_claims_give_true_false_or_a_denial(condition: object, claims: dict[str, object]) -> None:
    """Whatever JSON an issuer signs."""
    try:
        held = condition.holds(person("ann", claims=claims), "sales", get(), NOON)  # type: ignore[attr-defined]
    except Denied as denied:
        reason = denied.reason
    else:
        assert held in (True, False)
        return
    assert reason is Reason.CONDITION_FAILED
