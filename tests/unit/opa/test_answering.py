"""What Trino's OPA plugin is told: what the policy says of a subject with groups, and no to everything else."""

from dataclasses import replace
from typing import Any

import pytest

from authz.check import Snapshot
from authz.errors import Denied, Reason
from authz.identity.authenticator import Authenticator
from authz.identity.principal import Method
from authz.identity.revocations import NOTHING_REVOKED, Blocked, Cut, Revocations
from authz.opa.answering import OpaAddress, OpaAnswer, answer_question
from authz.opa.questions import Endpoint, parse_question
from authz.policy.decision import Allow
from authz.policy.parse import SourceText, parse_policy
from authz.request import AccessRequest
from tests.opa_questions import ORDERS, body, catalog, column, question, schema, several, table

NOW = 1_790_000_000.0
POLICY = """\
version: 1
issuers:
  okta: {issuer: https://acme.okta.com, audiences: [a], groups_claim: groups}
  entra: {issuer: https://e.example, audiences: [a], groups_claim: g}
assertion: {issuer: https://edge.example, keys: [signing.pem]}
dimensions: {region: {type: string}}
warehouses:
  lake:
    kind: trino
    routes: [{prefix: /}]
    upstream: https://trino:8443
    user: {qualified: true}
    trino: {opa: {issuer: okta}}
    tables:
      lake.sales.orders: {columns: {region: region}, labels: {email: pii, card: card, born: birth, amount: financial, tax: id}}
      lake.ref.calendar: {unfiltered: [region]}
      bay.sales.orders: {columns: {region: region}}
  plain:
    kind: trino
    routes: [{prefix: /, hosts: [b.example]}]
    upstream: https://trino:8443
    user: {qualified: true}
    tables: {lake.sales.orders: {columns: {region: region}}}
grants:
  - id: emea
    to: {groups: [emea], issuers: [okta]}
    on: all
    scope: {region: [EU, UK]}
    clear: [financial]
    mask: {card: last4, birth: year, id: hash}
  - {id: all, to: {groups: [auditors], issuers: [okta]}, on: [lake], scope: {region: all}, clear: [financial, pii, card, birth, id]}
  - {id: entra, to: {issuers: [entra]}, on: all, scope: {region: all}}
"""


def snapshot(text: str = POLICY, **changes: Any) -> Snapshot:
    policy = parse_policy([SourceText("scopegate.yaml", text)])
    authenticator = Authenticator(issuers=policy.issuers, key_sets={}, bundles={})
    made = Snapshot(policy=policy, authenticator=authenticator, revocations=NOTHING_REVOKED)
    return replace(made, **changes)


SNAPSHOT = snapshot()


def ask(
    endpoint: Endpoint,
    document: dict[str, Any],
    *,
    warehouse: str = "lake",
    of: Snapshot = SNAPSHOT,
    now: float = NOW,
) -> OpaAnswer:
    request = AccessRequest(method="POST", host="", path="", source_address="10.0.0.1")
    return answer_question(OpaAddress(warehouse, endpoint), parse_question(body(document)), request, of, now)


def allowed(
    operation: str, resource: dict[str, Any] | None = None, *, of: Snapshot = SNAPSHOT, **who: Any
) -> bool:
    answer = ask(Endpoint.ALLOW, question(operation, resource, **who), of=of)
    # The trail says what Trino is told.
    assert answer.result is isinstance(answer.outcome.decision, Allow)
    return answer.result


def reason(
    operation: str, resource: dict[str, Any] | None = None, *, of: Snapshot = SNAPSHOT, **who: Any
) -> Reason:
    decision = ask(Endpoint.ALLOW, question(operation, resource, **who), of=of).outcome.decision
    assert not isinstance(decision, Allow)
    return decision.reason


NOBODY: dict[str, Any] = {"user": "zoe", "groups": ["visitors"]}
OPEN: list[tuple[str, dict[str, Any] | None, dict[str, Any] | None]] = [
    ("ExecuteQuery", None, None),
    ("AccessCatalog", catalog(), catalog("other")),
    ("ShowSchemas", catalog(), catalog("other")),
    ("ShowTables", schema(), schema("hr")),
    ("ShowTables", schema("information_schema"), schema("information_schema", "other")),
    ("ShowColumns", table(), table(("lake", "sales", "salaries"))),
    ("SelectFromColumns", table(ORDERS, "id", "amount", "card"), table(ORDERS, "id", "email")),
    ("SelectFromColumns", table(ORDERS, "id"), table(ORDERS, "id", "tax")),
    ("SelectFromColumns", table(("lake", "ref", "calendar"), "d"), table(("lake", "ref", "calendars"), "d")),
    ("SelectFromColumns", table(("lake", "information_schema", "tables"), "table_name"), table(("other", "information_schema", "tables"), "table_name")),
    ("SelectFromColumns", table(("system", "jdbc", "tables"), "table_name"), table(("system", "runtime", "queries"), "query")),
    ("ViewQueryOwnedBy", {"user": {"user": "emma", "groups": []}}, {"user": {"user": "uma", "groups": []}}),
    ("KillQueryOwnedBy", {"user": {"user": "emma", "groups": []}}, {"user": {"user": "uma", "groups": []}}),
    (
        "ExecuteFunction",
        {"function": {"catalogName": "system", "schemaName": "builtin", "functionName": "abs"}},
        {"function": {"catalogName": "postgresql", "schemaName": "system", "functionName": "query"}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "inside", "outside"), OPEN)
def test_reading_what_is_open_is_allowed_and_its_neighbour_is_not(
    operation: str, inside: dict[str, Any] | None, outside: dict[str, Any] | None
) -> None:
    """And nobody else may, whatever it is."""
    assert allowed(operation, inside)
    if outside is not None:
        assert not allowed(operation, outside)
    assert not allowed(operation, inside, **NOBODY)


CLOSED: list[tuple[str, dict[str, Any] | None]] = [
    ("ImpersonateUser", {"user": {"user": "loader"}}),
    ("ReadSystemInformation", None),
    ("WriteSystemInformation", None),
    ("SetSystemSessionProperty", {"systemSessionProperty": {"name": "time_zone_id"}}),
    ("SetCatalogSessionProperty", catalog()),
    ("CreateCatalog", catalog()),
    ("CreateSchema", schema()),
    ("DropSchema", schema()),
    ("ShowCreateTable", table()),
    ("CreateTable", table()),
    ("DropTable", table()),
    ("InsertIntoTable", table()),
    ("DeleteFromTable", table()),
    ("TruncateTable", table()),
    ("UpdateTableColumns", table(ORDERS, "amount")),
    ("CreateView", table(("lake", "sales", "mine"))),
    ("CreateViewWithSelectFromColumns", table(ORDERS, "id")),
    ("ExecuteProcedure", {"function": {"catalogName": "system", "schemaName": "runtime", "functionName": "kill_query"}}),
    ("GetRowFilters", table()),
    ("SelectFromColumns", None),
    ("SelectFromColumns", catalog()),
    ("SelectFromColumns", table()),
    ("AccessCatalog", None),
    ("selectfromcolumns", table(ORDERS, "id")),
    ("WhateverTheNextTrinoAsks", table()),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "resource"), CLOSED)
def test_everything_but_reading_is_closed_to_everybody(
    operation: str, resource: dict[str, Any] | None
) -> None:
    """Also to whom every row and column is open."""
    assert not allowed(operation, resource)
    assert not allowed(operation, resource, groups=["auditors"])


def test_lists_are_answered_by_place() -> None:
    """Of catalogs the one for administrators is left out; of columns the places are those in the table."""
    asked = [
        ("FilterCatalogs", [catalog("system"), catalog("lake"), catalog("other")], [1]),
        ("FilterSchemas", [schema("hr"), schema(), schema("information_schema")], [1, 2]),
        ("FilterTables", [table(("lake", "sales", "secrets")), table()], [1]),
        ("FilterColumns", [table(ORDERS, "id", "email", "card", "tax", "amount")], [0, 2, 4]),
        ("FilterColumns", [table(("lake", "sales", "secrets"), "id")], []),
        ("FilterViewQueryOwnedBy", [{"user": {"user": "uma"}}, {"user": {"user": "emma"}}], [1]),
        ("FilterTables", [], []),
    ]
    for operation, resources, expected in asked:
        assert ask(Endpoint.BATCH, several(operation, resources)).result == expected, operation
        assert ask(Endpoint.BATCH, several(operation, resources, **NOBODY)).result == [], operation


def filters(**who: Any) -> Any:
    return ask(Endpoint.ROW_FILTERS, question("GetRowFilters", table(), **who)).result


def test_rows_are_filtered_by_the_scope() -> None:
    """All rows are an empty list of filters, and nobody's rows are not."""
    assert filters() == [{"expression": "\"region\" IN ('EU', 'UK')"}]
    assert filters(groups=["auditors"]) == []
    assert filters(**NOBODY) == [{"expression": "FALSE"}]
    asked = question("GetRowFilters", table(("lake", "sales", "secrets")))
    assert ask(Endpoint.ROW_FILTERS, asked).result == [{"expression": "FALSE"}]
    names = question("GetRowFilters", table(("lake", "information_schema", "tables")))
    assert ask(Endpoint.ROW_FILTERS, names).result == []


COLUMNS = [
    column("id", "bigint"), column("email"), column("card"), column("born", "date"), column("tax"), column("amount"),
]  # fmt: skip


def test_columns_are_masked_by_the_scope() -> None:
    """One by one and together; hidden ones, and those of closed tables, are NULL, though nobody may name them."""
    masks = ask(Endpoint.COLUMN_MASKS, several("GetColumnMask", COLUMNS)).result
    assert isinstance(masks, list)
    by_place = {mask["index"]: mask["viewExpression"]["expression"] for mask in masks}  # type: ignore[index]
    assert by_place == {
        1: "NULL",
        2: 'CAST(CASE WHEN length(CAST("card" AS VARCHAR)) > 4 THEN substr(CAST("card" AS VARCHAR), -4) '
        "WHEN NOT \"card\" IS NULL THEN '****' END AS VARCHAR(40))",
        3: "date_trunc('year', \"born\")",
        4: "NULL",
    }
    single = [ask(Endpoint.COLUMN_MASK, question("GetColumnMask", each)).result for each in COLUMNS]
    assert {
        place: mask["expression"] for place, mask in enumerate(single) if isinstance(mask, dict)
    } == by_place
    nobody = ask(Endpoint.COLUMN_MASKS, several("GetColumnMask", COLUMNS, **NOBODY)).result
    assert nobody == [
        {"index": place, "viewExpression": {"expression": "NULL"}} for place in range(len(COLUMNS))
    ]
    closed = question("GetColumnMask", column("id", of=("lake", "sales", "secrets")))
    assert ask(Endpoint.COLUMN_MASK, closed).result == {"expression": "NULL"}


WRONG: list[tuple[Endpoint, dict[str, Any]]] = [
    (Endpoint.ALLOW, several("FilterTables", [table()])),
    (Endpoint.BATCH, question("FilterTables", table())),
    (Endpoint.BATCH, several("SelectFromColumns", [table(ORDERS, "id")])),
    (Endpoint.BATCH, several("FilterColumns", [table(ORDERS, "id"), table(ORDERS, "id")])),
    (Endpoint.BATCH, several("FilterColumns", [table()])),
    (Endpoint.BATCH, several("FilterColumns", [])),
    (Endpoint.ROW_FILTERS, question("SelectFromColumns", table(ORDERS, "id"))),
    (Endpoint.ROW_FILTERS, question("GetRowFilters")),
    (Endpoint.ROW_FILTERS, question("GetRowFilters", catalog())),
    (Endpoint.COLUMN_MASK, question("GetColumnMask", table())),
    (Endpoint.COLUMN_MASK, question("GetColumnMask")),
    (Endpoint.COLUMN_MASK, several("GetColumnMask", [column("email")])),
    (Endpoint.COLUMN_MASKS, question("GetColumnMask", column("email"))),
    (Endpoint.COLUMN_MASKS, several("GetColumnMask", [column("email"), table()])),
]


@pytest.mark.parametrize(("endpoint", "document"), WRONG)
def test_a_question_at_the_wrong_address_is_none(endpoint: Endpoint, document: dict[str, Any]) -> None:
    """A list of no filters means every row, a list of no places means nothing: they must not be taken for each other."""
    with pytest.raises(Denied) as caught:
        ask(endpoint, document)
    assert caught.value.reason is Reason.REQUEST_MALFORMED


@pytest.mark.parametrize("warehouse", ["plain", "lakes", "LAKE", ""])
def test_only_warehouses_that_ask_for_it_are_answered(warehouse: str) -> None:
    """Whose people Trino's users are, somebody has to have said."""
    with pytest.raises(Denied) as caught:
        ask(Endpoint.ALLOW, question("ExecuteQuery"), warehouse=warehouse)
    assert caught.value.reason is Reason.ROUTE_UNKNOWN


def test_a_user_is_a_subject_of_the_issuer_that_the_policy_names() -> None:
    """Not of another one, whose people have other grants; and the trail says who has vouched for them."""
    principal = ask(Endpoint.ALLOW, question("ExecuteQuery")).outcome.principal
    assert principal is not None
    assert (principal.issuer, principal.subject, principal.methods) == (
        "okta",
        "emma",
        frozenset({Method.WAREHOUSE}),
    )
    assert not allowed("ExecuteQuery", groups=[])


def test_who_is_revoked_sees_nothing() -> None:
    """By subject, by issuer, and by the age of tokens, of which nothing is known here."""
    blocked = Blocked(place="r.yaml:1")
    for revocations in (
        Revocations(subjects={("okta", "emma"): blocked}),
        Revocations(issuers={"okta": blocked}),
        Revocations(cuts={("okta", ""): (Cut(before=NOW, blocked=blocked),)}),
        None,
    ):
        of = snapshot(revocations=revocations)
        assert not allowed("SelectFromColumns", table(ORDERS, "id"), of=of)
        answer = ask(Endpoint.ROW_FILTERS, question("GetRowFilters", table()), of=of)
        assert answer.result == [{"expression": "FALSE"}]
    other = snapshot(revocations=Revocations(subjects={("entra", "emma"): blocked}))
    assert allowed("ExecuteQuery", of=other)


UNTOLD = [
    "has(principal.claims.contractor)",
    "!has(principal.claims.contractor)",
    "principal.claims.level == 'a'",
    "'certificate' in principal.methods",
    "!('token' in principal.methods)",
    "request.path.startsWith('/x')",
    "request.method == 'DELETE'",
    "request.host == 'a.example'",
    "request.source_address == '10.0.0.1'",
    "principal.spiffe_id != ''",
]


@pytest.mark.parametrize("condition", UNTOLD)
@pytest.mark.parametrize(
    "rule",
    [
        'restrictions: [{{id: r, to: {{groups: [emea], issuers: [okta]}}, on: [lake], scope: {{region: [EU]}}, when: "{}"}}]',
        'denies: [{{id: d, to: {{groups: [emea], issuers: [okta]}}, on: [lake], when: "{}"}}]',
    ],
)
def test_a_rule_that_reads_what_is_not_told_denies(rule: str, condition: str) -> None:
    """Whether a claim is missing or only not told is all the difference to a rule that narrows."""
    of = snapshot(POLICY + rule.format(condition) + "\n")
    assert reason("ExecuteQuery", of=of) is Reason.CONDITION_FAILED
    assert allowed("ExecuteQuery", groups=["auditors"], of=of)


@pytest.mark.parametrize(
    "condition", ["principal.subject == 'emma'", "'emea' in principal.groups", "principal.issuer == 'okta'"]
)
def test_a_rule_that_reads_what_is_told_applies(condition: str) -> None:
    """Subject, issuer and groups are."""
    of = snapshot(
        POLICY
        + f'denies: [{{id: d, to: {{groups: [emea], issuers: [okta]}}, on: [lake], when: "{condition}"}}]\n'
    )
    assert reason("ExecuteQuery", of=of) is Reason.DENIED_BY_RULE


BY_GROUP = [
    "restrictions: [{id: r, to: {groups: [contractors], issuers: [okta]}, on: [lake], scope: {region: [EU]}}]",
    "denies: [{id: d, to: {groups: [contractors], issuers: [okta]}, on: [lake]}]",
    "denies: [{id: d, on: [lake], when: \"'contractors' in principal.groups\"}]",
]


@pytest.mark.parametrize("rule", BY_GROUP)
def test_a_trino_that_knows_nobodys_groups_gets_around_no_rule_about_them(rule: str) -> None:
    """Without a group provider everybody is in no group: then a rule about groups would never apply."""
    granted = POLICY.replace("to: {issuers: [entra]}", "to: {subjects: [emma], issuers: [okta]}")
    assert allowed("ExecuteQuery", groups=[], of=snapshot(granted))
    of = snapshot(granted + rule + "\n")
    assert reason("ExecuteQuery", groups=[], of=of) is Reason.CLAIM_MISSING
    assert allowed("ExecuteQuery", groups=["emea"], of=of)
    assert (
        not isinstance(
            ask(Endpoint.ALLOW, question("ExecuteQuery", groups=["contractors"]), of=of).outcome.decision,
            Allow,
        )
        or "restrictions" in rule
    )


def test_a_grant_that_has_ended_is_remembered_by_nobody() -> None:
    """What is remembered of a decision ends with it."""
    text = POLICY.replace(
        "to: {groups: [auditors], issuers: [okta]}",
        "valid: {until: 2026-09-21T14:13:30Z}, to: {groups: [auditors], issuers: [okta]}",
    )
    of = snapshot(text)
    asked = question("ExecuteQuery", groups=["auditors"])
    assert ask(Endpoint.ALLOW, asked, of=of).result is True
    again = ask(Endpoint.ALLOW, asked, of=of)
    assert (again.result, again.outcome.remembered) == (True, True)
    assert ask(Endpoint.ALLOW, asked, of=of, now=NOW + 60).result is False


def test_a_record_names_the_operation_and_its_tables() -> None:
    """In the place of a statement, which nobody sees here; of a long list not all of them."""
    statement = ask(Endpoint.ALLOW, question("SelectFromColumns", table(ORDERS, "email"))).outcome.statement
    assert statement is not None
    assert (statement.kind, statement.tables) == ("SelectFromColumns", ("lake.sales.orders",))
    assert len(statement.fingerprint) == 32
    many = several("FilterTables", [table(("lake", "sales", f"t{n}")) for n in range(100)])
    listed = ask(Endpoint.BATCH, many).outcome.statement
    assert listed is not None
    assert len(listed.tables) == 16


def test_a_filter_that_cannot_be_said_is_an_error_and_no_empty_answer() -> None:
    """The table cannot be read then, instead of looking empty."""
    of = snapshot(POLICY.replace("columns: {region: region}, labels", 'columns: {region: "a`b"}, labels'))
    assert reason("SelectFromColumns", table(ORDERS, "id"), of=of) is Reason.SCOPE_NOT_EXPRESSIBLE
    answer = ask(Endpoint.ROW_FILTERS, question("GetRowFilters", table()), of=of)
    assert answer.result == [{"expression": "FALSE"}]
