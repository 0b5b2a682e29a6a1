"""Statements in each dialect: what passes, what does not, and why."""

import logging
from datetime import timedelta

import pytest

from authz.errors import Denied, Reason
from authz.guardrails.examine import examine, refuse_hidden
from authz.guardrails.examiner import Examiner
from authz.guardrails.rules import GuardrailRules, PartitionRule, Session, StatementKind, Unparsed
from tests.statements import ALLOWED, DENIED, SESSIONS, TABLES, hidden, rules


def refusal(dialect: str, text: str, of: GuardrailRules | None = None) -> Reason | None:
    """Why `text` is refused to somebody from whom `email` of `customers` is hidden; None if it is not."""
    try:
        refuse_hidden(examine(text, of or rules(dialect), SESSIONS[dialect]), hidden(dialect))
    except Denied as denied:
        return denied.reason
    return None


@pytest.mark.parametrize(("dialect", "text"), [(d, text) for d, texts in DENIED.items() for text, _ in texts])
def test_refused_for_its_reason(dialect: str, text: str) -> None:
    """Each attack and each mistake is refused, and told by its reason."""
    reasons = {reason for known, expected in DENIED[dialect] if known == text for reason in expected}
    assert refusal(dialect, text) in reasons


@pytest.mark.parametrize(("dialect", "text"), [(d, text) for d, texts in ALLOWED.items() for text in texts])
def test_allowed(dialect: str, text: str) -> None:
    """What people and their tools ask for passes."""
    assert refusal(dialect, text) is None


def test_what_is_hidden_from_one_is_shown_to_another() -> None:
    """The same statement, examined once: it is the person from whom the column is hidden that is refused."""
    examined = examine("select email from customers", rules("trino"), SESSIONS["trino"])
    refuse_hidden(examined, {})
    refuse_hidden(examined, {TABLES["trino"][0]: frozenset({"email"})})
    with pytest.raises(Denied, match="column_hidden"):
        refuse_hidden(examined, hidden("trino"))


def test_hidden_part_of_a_nested_column() -> None:
    """ClickHouse keeps a nested column under a name with a dot; both of its words are refused."""
    examined = examine("select contact.email from customers", rules("clickhouse"), SESSIONS["clickhouse"])
    with pytest.raises(Denied, match="column_hidden"):
        refuse_hidden(examined, {TABLES["clickhouse"][1]: frozenset({"contact.email"})})


def test_what_is_found() -> None:
    """The kind, the tables in full, the functions, and a fingerprint that no literal changes."""
    text = "select Sum(amount) from orders where region in ('EU', 'US') and id = 7 -- mine"
    found = examine(text, rules("trino"), SESSIONS["trino"])
    assert (found.kind, found.tables, found.functions) == (
        StatementKind.SELECT,
        (("sales", "public", "orders"),),
        ("sum",),
    )
    same = "SELECT sum(amount)\nFROM orders WHERE region IN ('UK') AND id = 123"
    assert examine(same, rules("trino"), SESSIONS["trino"]).fingerprint == found.fingerprint
    other = "SELECT max(amount) FROM orders WHERE region IN ('UK') AND id = 123"
    assert examine(other, rules("trino"), SESSIONS["trino"]).fingerprint != found.fingerprint


def test_a_denial_quotes_no_literal() -> None:
    """What the operator reads names tables and functions, and nothing that stands in quotes."""
    for text in (
        "select 'canary' from secrets",
        "select sleep('canary')",
        "select 'canary",
        "select 'canary' from orders pivot (x)",
        "canary",
        "explain select 'canary'",
    ):
        with pytest.raises(Denied) as denied:
            examine(text, rules("clickhouse"), SESSIONS["clickhouse"])
        assert "canary" not in str(denied.value)


def test_names_that_are_too_long_are_not_repeated() -> None:
    """A table of a thousand letters is refused without them."""
    with pytest.raises(Denied) as denied:
        examine(f'select * from "{"x" * 1_000}"', rules("trino"), SESSIONS["trino"])
    assert len(str(denied.value)) < 100


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """SQLGlot would log the text of what it does not know, and paths into JSON that it cannot read."""
    caplog.set_level(logging.WARNING)
    for dialect, cases in DENIED.items():
        for text, _ in cases[:120]:
            refusal(dialect, text)
        for path in ("$canary[", '$."canary', "canary(", "$ /* canary"):
            refusal(
                dialect, f"select json_extract_scalar(doc, '{path}'), json_extract(doc, '{path}') from orders"
            )
            refusal(dialect, f"select doc -> '{path}' from orders")
    assert caplog.text == ""


def test_names_without_a_default() -> None:
    """Without a catalog and a schema from the request, a short name is no table."""
    text = "select id from orders"
    with pytest.raises(Denied, match="table_denied"):
        examine(text, rules("trino"), Session())
    with pytest.raises(Denied, match="table_denied"):
        examine(text, rules("trino"), Session(schema="public"))
    with pytest.raises(Denied, match="table_denied"):
        examine(text, rules("trino"), Session(catalog="sales", schema="pub.lic"))
    assert examine(text, rules("trino"), Session(catalog="Sales", schema="PUBLIC")).tables == (
        ("sales", "public", "orders"),
    )


def test_default_database_of_clickhouse() -> None:
    """A request without a database is run in `default`, so that is where its tables are looked for."""
    own = GuardrailRules(dialect="clickhouse", tables=frozenset({"default.orders"}))
    assert examine("select id from orders", own, Session()).tables == (("default", "orders"),)
    with pytest.raises(Denied, match="table_denied"):
        examine("select id from orders", own, Session(schema="sales"))


def test_patterns_of_tables_and_functions() -> None:
    """`*` stands for one word, or for the end of one; what is denied beats what is allowed."""
    own = GuardrailRules(
        dialect="trino",
        tables=frozenset({"sales.*.*", "hr.public.open_*"}),
        denied_tables=frozenset({"sales.raw.*"}),
        functions=frozenset({"scopegate_version"}),
        denied_functions=frozenset({"regexp_*"}),
    )
    session = Session()
    for allowed in ("sales.a.b", "hr.public.open_jobs"):
        assert examine(f"select 1 from {allowed}", own, session)
    for denied in ("sales.raw.b", "hr.public.closed", "hr.public.xopen_", "sales2.a.b"):
        with pytest.raises(Denied, match="table_denied"):
            examine(f"select 1 from {denied}", own, session)
    assert examine("select scopegate_version()", own, session)
    for name in ("scopegate_mask", "regexp_like", "REGEXP_replace"):
        with pytest.raises(Denied, match="function_denied"):
            examine(f"select {name}('x')", own, session)


def test_explain_where_the_policy_allows_it() -> None:
    """Then what is explained is examined like a query; what would run it stays refused."""
    own = GuardrailRules(
        dialect="trino",
        tables=rules("trino").tables,
        statements=frozenset({StatementKind.SELECT, StatementKind.EXPLAIN}),
    )
    for allowed in (
        "explain select id from orders",
        "explain (type logical, format json) select id from orders",
    ):
        assert refusal("trino", allowed, own) is None
    for denied, reason in (
        ("explain select email from customers", Reason.COLUMN_HIDDEN),
        ("explain (type logical) select * from secrets", Reason.TABLE_DENIED),
        ("explain analyze select 1", Reason.STATEMENT_DENIED),
        ("explain (analyze) select 1", Reason.STATEMENT_DENIED),
        ("explain drop table orders", Reason.STATEMENT_DENIED),
        ("show tables", Reason.STATEMENT_DENIED),
    ):
        assert refusal("trino", denied, own) is reason


def test_what_cannot_be_parsed_where_the_policy_lets_it_pass() -> None:
    """Its words are all there is to go by: tables are the warehouse's to refuse, names and functions are ours."""
    own = GuardrailRules(dialect="trino", tables=rules("trino").tables, unparsed=Unparsed.PASS)
    strange = "from orders frobnicate twice"
    assert refusal("trino", f"select id {strange}") is Reason.STATEMENT_MALFORMED
    assert refusal("trino", f"select id {strange}", own) is None
    for denied, reason in (
        (f"select email {strange}", Reason.COLUMN_HIDDEN),
        (f"select * {strange}", Reason.COLUMN_HIDDEN),
        (f"select count(*) {strange}", Reason.COLUMN_HIDDEN),
        (f"select scopegate_mask(1) {strange}", Reason.FUNCTION_DENIED),
        (f"select id {strange}; drop table x", Reason.STATEMENT_DENIED),
        (f"insert into x select 1 {strange}", Reason.STATEMENT_DENIED),
        (f"select id {strange} settings x", Reason.STATEMENT_MALFORMED),
        ("select $$x$$", Reason.STATEMENT_MALFORMED),
    ):
        assert refusal("trino", denied, own) is reason


def test_work_has_an_end() -> None:
    """What SQLGlot would take minutes for is given up after a number of steps."""
    for opening, closing in (("array[", "]"), ("row(", ")"), ("map(array[", "],array[1])")):
        text = "select " + opening * 15 + "1" + closing * 15
        with pytest.raises(Denied, match="statement_too_large"):
            examine(text, rules("trino"), Session())
        assert examine("select " + opening * 3 + "1" + closing * 3, rules("trino"), Session())


def test_deep_trees_are_no_falls() -> None:
    """A chain of a thousand is as deep a tree; what cannot be walked is refused."""
    own = GuardrailRules(
        dialect="trino",
        tables=rules("trino").tables,
        max_rows=10,
        partitions={TABLES["trino"][0]: PartitionRule(column="dt", within=timedelta(days=1))},
    )
    for text in (
        "select id from customers" + " union all select id from customers" * 800,
        "select id from orders where dt >= '2024-01-01'" + " + 1" * 2_000,
        "select id from orders where dt = '2024-01-01'" + " and dt = '2024-01-01'" * 1_000,
        "select id from customers where " + "id = 1 or " * 1_000 + "id = 2",
        "select id" + "::int" * 2_000 + " from customers",
        "select id from customers where id = 1" + " || 'x'" * 2_000,
    ):
        assert refusal("trino", text, own) in {
            Reason.LIMIT_REQUIRED, Reason.FILTER_REQUIRED, Reason.STATEMENT_TOO_LARGE, Reason.STATEMENT_MALFORMED
        }  # fmt: skip


def test_a_statement_is_examined_once() -> None:
    """The second time the same answer comes from memory, a denial, too; another default is another statement."""
    examiner, own = Examiner(), rules("trino")
    first = examiner.examine("select id from orders", own, SESSIONS["trino"])
    assert examiner.examine("select id from orders", own, SESSIONS["trino"]) is first
    for _ in range(2):
        with pytest.raises(Denied, match="table_denied"):
            examiner.examine("select id from orders", own, Session(catalog="sales", schema="other"))
    assert (examiner.remembered.hits, examiner.remembered.misses) == (2, 2)


def test_memory_holds_no_text() -> None:
    """What is remembered is keyed by a digest."""
    examiner = Examiner()
    examiner.examine("select 'canary' from orders", rules("trino"), SESSIONS["trino"])
    assert "canary" not in repr(list(examiner.remembered.items()))


def test_a_text_beyond_the_bounds_is_not_remembered() -> None:
    """Nobody can push out what others ask for with texts that are refused anyway."""
    examiner = Examiner()
    with pytest.raises(Denied, match="statement_too_large"):
        examiner.examine("x" * 70_000, rules("trino"), Session())
    assert len(examiner.remembered) == 0
