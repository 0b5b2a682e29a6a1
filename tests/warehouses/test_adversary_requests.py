"""What a client writes into a request to say who he is or what he may: the same list for every kind that speaks SQL."""

import base64
import json
from collections.abc import Mapping

import pytest

from authz.errors import Reason
from tests.signingkeys import one_key
from tests.tokens import claims, ec_key, mint
from tests.warehouses.adversary import ANN, POLICY
from tests.warehouses.matrix import Decided, Deciding, token_of
from tests.warehouses.matrix_rules import Person

KINDS = {"trino": "lake", "clickhouse": "events", "postgrest": "crm"}
STATEMENT = {"trino": "/v1/statement", "clickhouse": "/", "postgrest": "/accounts_aster"}
FORGED = {"iss": "https://edge.example", "aud": "lake", "sub": "ann", "format": 1, "rows": "all"}
VALUES = ("admin", "loader", "*", json.dumps(FORGED), "scope=e30.e30.e30", "1=1")


@pytest.fixture(scope="module")
def deciding() -> Deciding:
    return Deciding(POLICY, one_key())


def ask(
    deciding: Deciding, kind: str, query: str = "", token: str | None = None, headers: Mapping[str, str] | None = None
) -> Decided:  # fmt: skip
    return deciding.decide(
        KINDS[kind],
        ANN,
        method="GET" if kind == "postgrest" else "POST",
        target=STATEMENT[kind] + (f"?{query}" if query else ""),
        body=None if kind == "postgrest" else "SELECT 1",
        token=token,
        headers=headers,
    )


SMUGGLED = (
    "x-scope-sql", "x-scope-json", "x-scope-id", "x-scope-assertion", "x-scope-subject", "x-scope-anything", "x-trino-user",
    "x-trino-original-user", "x-trino-role", "x-trino-session", "x-trino-extra-credential", "x-trino-path", "x-trino-resource-estimate",
    "x-trino-query-data-encoding", "x-presto-user", "x-presto-session", "x-presto-extra-credential", "x-clickhouse-user", "x-clickhouse-key",
    "x-clickhouse-quota", "x-clickhouse-ssl-certificate-auth", "x-clickhouse-setting-readonly", "accept-profile", "content-profile",
    "x-forwarded-user", "x-forwarded-prefix", "x-forwarded-host", "forwarded", "x-original-url", "x-http-method-override", "x-remote-user",
    "cookie", "proxy-authorization", "x-api-key", "x-forwarded-client-cert",
)  # fmt: skip
FOREIGN = {
    "trino": ("x-clickhouse-", "accept-profile", "content-profile"),
    "clickhouse": ("x-trino-", "x-presto-", "accept-profile", "content-profile"),
    "postgrest": ("x-trino-", "x-presto-", "x-clickhouse-"),
}
"""Beginnings of what another kind reads, and this one does not."""


@pytest.mark.parametrize("name", SMUGGLED)
@pytest.mark.parametrize("kind", KINDS)
def test_no_header_of_a_clients_says_who_or_what(deciding: Deciding, kind: str, name: str) -> None:
    """Whatever stands in it: what goes on is what would without it, or means nothing there."""
    _, plain = ask(deciding, kind).rewritten()
    for value in VALUES:
        _, headers = ask(deciding, kind, headers={name: value}).rewritten()
        if not name.startswith(FOREIGN[kind]):
            assert headers.get(name) == plain.get(name), value
        assert _told(headers, name) == _told(plain, name)


def _told(headers: Mapping[str, str], name: str) -> set[str]:
    """Everything else that goes on, but for what is signed anew each time."""
    return {each for each in headers if each != name}


PARAMETERS = {
    "trino": ("user=loader", "x-trino-user=loader", "__scope=x"),
    "clickhouse": (
        "SQL_scopegate=x", "sql_scopegate=x", "%53QL_scopegate=x", "SQL%5Fscopegate=x", "readonly=0", "readonly=2", "user=default", "password=", "role=admin",
        "profile=default", "quota_key=q&user=x", "session_timezone=UTC", "additional_table_filters=%7B%7D", "allow_ddl=1", "log_comment=x", "query=SELECT+2",
        "stacktrace=1", "max_rows_to_read=1", "force_index_by_date=1", "apply_row_policy_after_final=0", "optimize_move_to_prewhere=0", "allow_experimental_analyzer=0",
        "additional_result_filter=1", "decompress=1", "param_x=1;readonly=0", "query_id=a&query_id=b", "session_id=a&readonly=0", "__scope=x", "hex=1",
    ),
    "postgrest": ("__scope=x", "%5f%5Fscope=x"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "query"), [(kind, each) for kind, some in PARAMETERS.items() for each in some]
)
def test_a_parameter_is_refused_or_means_nothing(deciding: Deciding, kind: str, query: str) -> None:
    """Of a name that is not known to be harmless, however it is spelled."""
    decided = ask(deciding, kind, query)
    if decided.reason is Reason.GRANTED:
        assert kind == "trino", "which reads no parameters"
    else:
        assert decided.reason in {
            Reason.PARAMETER_DENIED,
            Reason.REQUEST_AMBIGUOUS,
            Reason.STATEMENT_MALFORMED,
        }


@pytest.mark.parametrize("kind", KINDS)
def test_a_harmless_request_passes_all_the_same(deciding: Deciding, kind: str) -> None:
    """The neighbour of all these."""
    assert ask(deciding, kind, "query_id=a" if kind == "clickhouse" else "").reason is Reason.GRANTED


def _tampered(token: str) -> str:
    head, body, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    changed = base64.urlsafe_b64encode(json.dumps({**said, "groups": ["us"]}).encode()).rstrip(b"=").decode()
    return f"{head}.{changed}.{signature}"


def _unsigned(token: str) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{head}.{token.split('.')[1]}."


TOKENS = {
    "ended": (token_of(ANN, iat=1, nbf=1, exp=2), Reason.TOKEN_EXPIRED),
    "not yet begun": (token_of(ANN, nbf=4_000_000_000, exp=4_000_000_100), Reason.TOKEN_NOT_YET_VALID),
    "for another": (token_of(ANN, aud="api://other"), Reason.TOKEN_AUDIENCE_WRONG),
    "of another": (token_of(ANN, iss="https://evil.example"), Reason.TOKEN_ISSUER_UNKNOWN),
    "changed": (_tampered(token_of(ANN)), Reason.TOKEN_SIGNATURE_INVALID),
    "of another key": (mint(claims(groups=["eu"]), ec_key("stranger")), Reason.TOKEN_KEY_UNKNOWN),
    "unsigned": (_unsigned(token_of(ANN)), Reason.TOKEN_MALFORMED),
    "of nobody in particular": (token_of(Person(groups=("nobody",))), Reason.NO_GRANT),
}


@pytest.mark.parametrize(("token", "reason"), TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_token_that_is_none_of_his_opens_nothing(
    deciding: Deciding, kind: str, token: str, reason: Reason
) -> None:
    """By its reason, and nothing is written that could go on."""
    decided = ask(deciding, kind, token=token)
    assert decided.reason is reason
    assert (decided.outcome.rewrites, decided.outcome.request_rewrites) == (None, None)


@pytest.mark.parametrize("kind", ["trino", "postgrest"])
def test_what_scopegate_signs_is_no_token_of_a_person(deciding: Deciding, kind: str) -> None:
    """Whoever gets hold of it between Envoy and the warehouse does not get in by it."""
    _, headers = ask(deciding, kind).rewritten()
    signed = [headers["authorization"].removeprefix("Bearer ")]
    if kind == "trino":
        signed.append(headers["x-trino-extra-credential"].removeprefix("scope="))
    for token in signed:
        for other in KINDS:
            assert ask(deciding, other, token=token).reason is Reason.TOKEN_ISSUER_UNKNOWN
