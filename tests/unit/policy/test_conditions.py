"""Conditions: what is refused when the policy loads, and that nothing but true and false comes out later."""

import contextlib
import time
from types import MappingProxyType

import pytest

from authz.errors import Denied, Reason
from authz.identity.principal import Principal
from authz.policy.conditions import MAX_CHARACTERS, ConditionError, compile_condition
from tests.rules import NOON, certificate, get, machine, person

ONES = f"[{', '.join('1' * 101)}]"


def holds(text: str, principal: Principal | None = None, **request: object) -> bool:
    return compile_condition(text).holds(principal or person(), "sales", get(**request), NOON)


def refused(text: str) -> ConditionError:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "ends too early"),
        ("principal.groups +", 1, 19, "ends too early"),
        ('principal.subject == "a" "b"', 1, 26, 'unexpected `"b"`'),
        ("principal.group", 1, 1, "did you mean `principal.groups`?"),
        ("true && principal.group", 1, 9, "did you mean `principal.groups`?"),
        ("principal", 1, 1, "say `principal.subject`"),
        ('request.headers["x"] == "y"', 1, 1, "because the client writes them"),
        ('principal.subject.startswith("a")', 1, 29, "did you mean `startsWith`?"),
        ('principal.subject.matches("a", "b")', 1, 26, "no form of `matches`"),
        (
            '"a" in principal.groups &&\n  principal.groups == 1',
            2,
            20,
            "`==` does not take (list(string), int)",
        ),
        ('"é😀" == principal.groups', 1, 6, "`==` does not take"),
        ('request.time > "2026"', 1, 14, "`>` does not take (timestamp, string)"),
        ("principal.subject", 1, 1, "type string, expected true or false"),
        ("principal.claims.admin", 1, 1, "compare it"),
        ("google.protobuf.Timestamp{seconds: 1} == request.time", 1, 1, "cannot build a message"),
        ("(" * 40 + "true" + ")" * 40, 1, 1, "nested too deeply"),
        ("1" + " + 1" * 40 + " == 1", 1, 1, "nested too deeply"),
        ("true" + " " * MAX_CHARACTERS, 1, 1, "characters long"),
        ("principal.groups.all(a, " * 28 + "true" + ")" * 28, 1, 1, "nested too deeply"),
    ],
)
def test_a_condition_that_cannot_be_used_says_where(text: str, line: int, column: int, message: str) -> None:
    """Syntax, names and types are refused with line and column, counted from 1 in code points."""
    error = refused(text)
    assert message in error.message
    assert (error.line, error.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ('timestamp("not a date") < request.time', 1, "String to Timestamp"),
        ('request.time < timestamp("not a date")', 16, "String to Timestamp"),
        ('duration("x") == duration("1s")', 1, "Duration"),
        ('int("abc") == 1', 1, "cannot convert"),
        ('principal.subject.matches("(")', 27, "regular expression"),
        ('matches(principal.subject, "(" + "a")', 28, "regular expression"),
        ('principal.groups.exists(g, g.matches("("))', 38, "regular expression"),
        ("principal.groups.exists(g, principal.subject.matches(g))", 54, "must be a constant"),
        ("principal.subject == 'a' && 1 / 0 == 1", 29, "divide by zero"),
        ("principal.claims.n / 0 == 1", 1, "division by zero"),
        ("principal.claims.n % (1 - 1) == 1", 1, "division by zero"),
        ('request.time.getHours("Nowhere/X") == 1', 23, "timezone"),
        ("[1, 2][5] == 1", 1, "index"),
        (f"{ONES}.all(a, {ONES}.all(b, true))", 1, "iteration budget"),
        ('principal.subject.matches("a" + string(1 / 0))', 40, "divide by zero"),
        ('request.time.getHours("x" + string(1 / 0)) == 1', 36, "divide by zero"),
        ('principal.groups[-1] == "a"', 18, "negative index"),
        ("[1].map(x, x / 0)[0] == 1", 1, "divide by zero"),
        ('principal.subject in {"a": 1 / 0}', 28, "divide by zero"),
        ('has(principal.claims.x) ? int("x") == 1 : true', 27, "cannot convert"),
    ],
)
def test_constants_that_would_fail_at_run_time_fail_when_loading(
    text: str, column: int, message: str
) -> None:
    """CEL checks types, not values; a bad constant would deny every request from the day it is read."""
    error = refused(text)
    assert message.lower() in error.message.lower()
    assert (error.line, error.column) == (1, column)


@pytest.mark.parametrize(
    "text",
    [
        "true || 1 / 0 == 1",
        'timestamp("2026-01-01T00:00:00Z") < request.time',
        'request.time.getHours("Europe/Berlin") < 25',
        'principal.subject.matches("^a+$")',
        'principal.groups.exists(principal, principal == "analysts")',
        "principal.groups[0] == 'analysts'",
        "type(principal.subject) == string",
        "[1, 2].exists(n, n == 2)",
    ],
)
def test_their_good_neighbours_hold(text: str) -> None:
    """Constants that do work are none of the checker's business."""
    principal = person("aa")
    assert holds(text, principal)


def test_a_constant_is_reported_on_its_own_line() -> None:
    """The parser turns line and column into a place in the file."""
    error = refused('request.time >\n  timestamp("é")')
    assert (error.line, error.column) == (2, 3)


def test_what_is_read_is_known() -> None:
    """The audit trail records what a rule has read, claim by claim."""
    condition = compile_condition(
        'has(principal.claims.a) && principal.claims.a.b == "c" || "z" in principal.claims'
        ' || principal.claims["d"] == 1 || "g" in principal.groups'
    )
    assert condition.reads == {
        "principal.claims.a", "principal.claims.d", "principal.claims.z", "principal.groups",
    }  # fmt: skip
    assert not condition.reads_request


@pytest.mark.parametrize("text", ["principal.claims[principal.subject] == 1", "size(principal.claims) == 1"])
def test_claims_that_are_not_named_are_all_read(text: str) -> None:
    """A name that is only known at run time may be any."""
    assert "principal.claims" in compile_condition(text).reads


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('request.method == "GET"', True),
        ('request.time > timestamp("2020-01-01T00:00:00Z")', True),
        ('principal.subject == "request.time"', False),
        ('warehouse.name == "sales"', False),
    ],
)
def test_reading_the_request_is_known(text: str, *, expected: bool) -> None:
    """A decision that read the request, or the time, holds for that request only."""
    assert compile_condition(text).reads_request is expected


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"n": None},
        {"n": 2**70},
        {"n": [1, [2, {"a": 2**80}]]},
        {"n": "\ud800"},
        {"n": object()},
        {"n": {1.5: 1}},
        {"n": {"n": "x"}},
    ],
)
def test_a_condition_that_is_neither_true_nor_false_denies(claims: dict[str, object]) -> None:
    """A missing claim and values that CEL has no type or no order for never count as an answer."""
    with pytest.raises(Denied) as caught:
        holds("principal.claims.n > 5", person(claims=claims))
    assert caught.value.reason is Reason.CONDITION_FAILED


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, False), (6, True), (5.5, True), (2**63, True), (float("inf"), True), (float("nan"), False)],
)
def test_numbers_in_claims_are_compared(value: float, *, expected: bool) -> None:
    """JSON has one kind of number, and so has a condition that reads a claim."""
    assert holds("principal.claims.n > 5", person(claims={"n": value})) is expected


def test_the_operators_text_names_the_claim_and_not_its_value() -> None:
    """The detail goes to a log, where no claim value belongs."""
    with pytest.raises(Denied) as caught:
        holds(
            "principal.claims.secret > 5 || principal.claims.absent == 1",
            person(claims={"secret": "hunter2"}),
        )
    assert "hunter2" not in str(caught.value)
    assert "claim `absent` is missing" in caught.value.detail


def test_claims_that_nobody_reads_do_not_matter() -> None:
    """A number beyond 64 bits in some other claim is no reason to deny."""
    odd = {"n": 1, "huge": 2**70, "deep": [[[object()]]]}
    assert holds("principal.claims.n == 1", person(claims=odd))


def test_a_deeply_nested_claim_denies_instead_of_ending_the_process() -> None:
    """The runtime recurses in C++: fifty thousand levels were measured to end the process."""
    nested: object = 1
    for _ in range(50_000):
        nested = [nested]
    for text in ("principal.claims.n == 1", "size(principal.claims) == 1"):
        with pytest.raises(Denied, match="nested"):
            holds(text, person(claims={"n": nested}))


def test_claims_may_be_immutable() -> None:
    """Tuples and mapping proxies are lists and maps."""
    claims = {"a": MappingProxyType({"b": ("x", "y")})}
    assert holds('"y" in principal.claims.a.b', person(claims=claims))
    assert not holds('"z" in principal.claims.a.b', person(claims=claims))


def test_every_variable_is_what_it_says() -> None:
    """A person with a certificate beside the token, and a machine without a token."""
    both = person("ann", groups=["b", "a"], beside=certificate())
    assert not holds('principal.spiffe_id != ""')
    for text in (
        'principal.subject == "ann"',
        'principal.issuer == "okta"',
        'principal.groups == ["a", "b"]',
        'principal.methods == ["certificate", "token"]',
        'principal.spiffe_id == "spiffe://acme.example/tableau/extract"',
        'principal.certificate_name == "spiffe://acme.example/tableau/extract"',
        'request.path == "/sales/orders" && request.host == "edge.acme.example"',
        'request.source_address == ""',
        'warehouse.name == "sales"',
        'request.time == timestamp("2026-03-10T12:00:00Z")',
    ):
        assert holds(text, both), text
    assert holds(
        'principal.certificate_name == "bi.acme.example" && principal.spiffe_id == ""',
        machine("bi.acme.example"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "principal.groups.exists(a, principal.groups.exists(b, principal.groups.exists(c, a == b)))",
        "size(principal.groups.map(a, principal.groups.map(b, b))) > 1",
        "principal.groups.exists(a, size(principal.groups.filter(b, a == b)) > 1)",
    ],
)
def test_macros_that_multiply_are_refused(text: str) -> None:
    """What a condition may cost is bounded when it is read."""
    assert "macro" in refused(text).message


@pytest.mark.parametrize(
    "text",
    [
        "principal.groups.all(a, principal.groups.all(b, a + b != ''))",
        "principal.claims.n.all(a, principal.claims.n == principal.claims.n)",
        "principal.groups.all(a, !(a + 'x' in principal.groups))",
        "size(principal.groups.map(a, principal.groups)) > 0",
    ],
)
def test_a_condition_ends_soon_whatever_the_token_says(text: str) -> None:
    """A token with a thousand groups and twenty thousand values gets an answer or a denial, and no wait."""
    condition = compile_condition(text)
    hostile = person(groups=[f"g{n}" for n in range(1_000)], claims={"n": list(range(20_000))})
    start = time.perf_counter()
    with contextlib.suppress(Denied):
        condition.holds(hostile, "sales", get(), NOON)
    assert time.perf_counter() - start < 1


def test_a_time_that_no_calendar_has_denies() -> None:
    """The condition is total in the time, too."""
    for now in (float("nan"), 1e300):
        with pytest.raises(Denied):
            compile_condition("request.time == request.time").holds(person(), "sales", get(), now)
