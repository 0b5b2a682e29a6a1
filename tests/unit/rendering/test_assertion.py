"""The signed scope assertion: what it says, to whom, and when there is none."""

from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.utils import base64url_decode

from authz.errors import Denied, Reason
from authz.identity.principal import Method, Principal
from authz.policy.decision import Allow
from authz.policy.policyset import AssertionRule, CacheRule, HeaderForm
from authz.policy.tables import PersonName, WarehouseKind
from authz.rendering.assertion import ASSERTION_TYPE, assertion
from authz.rendering.circumstances import Circumstances, unsigned
from authz.rendering.minting import MAX_MINTED_BYTES
from authz.rendering.render import render, render_request
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import OneOf
from authz.scopes.rowfilter import EVERYTHING, NOTHING, RowFilter, to_json, where
from tests.allows import EU, EU_A_OR_US_B, POLICY_VERSION, allow, allow_tables, principal, request
from tests.rules import policy
from tests.scope_strategies import filters
from tests.signingkeys import one_key, rsa_pem, verified
from tests.tokens import NOW

RULE = AssertionRule(issuer="https://edge.example", key_files=("a.pem",), signs="a.pem", ttl_seconds=120)
KEYS = one_key()
SIGNING = Circumstances(policy_version=POLICY_VERSION, now=NOW, assertion=RULE, signing=KEYS)
FORM = {"headers": (HeaderForm.ASSERTION,)}


def _claims(decision: Allow, who: Principal | None = None, under: Circumstances = SIGNING) -> dict[str, Any]:
    assert under.signing is not None
    return verified(assertion(decision, who or principal(), under).text, under.signing)


def test_without_keys_nobody_is_let_in() -> None:
    """Not without a rule, not while its files have not been read; a neighbour that needs nothing signed is."""
    for missing in ({"signing": None}, {"assertion": None, "signing": KEYS}):
        facts = {"policy_version": POLICY_VERSION, "now": NOW, "assertion": RULE, **missing}
        with pytest.raises(Denied) as caught:
            render(allow(**FORM), principal(), Circumstances(**facts))
        assert caught.value.reason is Reason.NOT_READY
        assert render(allow(), principal(), Circumstances(**facts)).set_headers


def _sized(values: int, pem: bytes | None = None) -> str:
    under = Circumstances(policy_version=POLICY_VERSION, now=NOW, assertion=RULE, signing=one_key(pem))
    rows = where({"region": OneOf(tuple(f"region-{number:04}" for number in range(values)))})
    return assertion(allow(rows), principal(), under).text


def test_a_scope_that_is_too_large_is_refused() -> None:
    """At the same size whatever the key: a change of keys must not be a change of what people may do."""
    longest = rsa_pem("longest", 4096)
    assert 7_000 < len(_sized(345)) < len(_sized(345, longest)) <= MAX_MINTED_BYTES
    for pem in (None, longest):
        with pytest.raises(Denied) as caught:
            _sized(380, pem)
        assert caught.value.reason is Reason.SCOPE_TOO_LARGE
    with pytest.raises(Denied, match="100000 values"):
        _sized(100_000)


def test_a_warehouse_of_one_table_is_told_the_whole_scope() -> None:
    """Who, for whom, until when, which rows and columns."""
    decision = allow(EU_A_OR_US_B, {"email": ColumnMask.HASH, "phone": ColumnMask.HIDDEN})
    assert _claims(decision) == {
        "iss": "https://edge.example",
        "aud": "sales",
        "sub": "alice",
        "sub_issuer": "okta",
        "methods": ["token"],
        "iat": int(NOW),
        "exp": int(NOW) + 120,
        "format": 1,
        "scope_id": decision.scope.id,
        "policy": POLICY_VERSION,
        "rows": to_json(EU_A_OR_US_B),
        "columns": {"region": "sales_region", "product": "product"},
        "masked": {"email": "hash"},
        "hidden": ["phone"],
    }


def test_a_warehouse_with_tables_is_told_each() -> None:
    """In its own dimensions and columns; every label, too."""
    decision = allow_tables(EU_A_OR_US_B, ColumnMask.HIDDEN, ColumnMask.YEAR)
    claims = _claims(decision)
    assert not {"columns", "hidden", "masked"} & claims.keys()
    assert claims["labels"] == {"financial": "year", "pii": "hidden"}
    assert claims["tables"] == {
        "lake.sales.orders": {
            "rows": to_json(EU_A_OR_US_B),
            "columns": {"region": "sales_region", "product": "product"},
            "hidden": ["email"],
            "masked": {"amount": "year"},
        },
        "lake.sales.targets": {
            "rows": [{"region": {"type": "string", "in": ["EU", "US"]}}],
            "columns": {"region": "area"},
            "hidden": [],
            "masked": {},
        },
    }


@pytest.mark.parametrize(
    ("kind", "rows", "orders", "targets"),
    [
        (WarehouseKind.TRINO, EVERYTHING, "TRUE", "TRUE"),
        (WarehouseKind.TRINO, NOTHING, "1 = 0", "1 = 0"),
        (WarehouseKind.TRINO, EU, "\"sales_region\" = 'EU'", "\"area\" = 'EU'"),
        (
            WarehouseKind.CLICKHOUSE,
            where({"region": OneOf(("O'Brien\\",))}),
            "\"sales_region\" = 'O''Brien\\\\'",
            "\"area\" = 'O''Brien\\\\'",
        ),
        (
            WarehouseKind.POSTGREST,
            where({"product": OneOf(("A",))}),
            "\"product\" = 'A'",
            "TRUE",
        ),
    ],
)
def test_kinds_that_speak_one_sql_are_told_predicates(
    kind: WarehouseKind, rows: RowFilter, orders: str, targets: str
) -> None:
    """In their dialect, over the columns of each table; a dimension that a table has not is no condition there."""
    tables = _claims(allow_tables(rows, kind=kind, headers=()))["tables"]
    assert (tables["lake.sales.orders"]["sql"], tables["lake.sales.targets"]["sql"]) == (orders, targets)
    assert all(table.keys() == {"rows", "sql", "hidden", "masked"} for table in tables.values())


def test_answers_that_are_shared_are_not_told_who_asks() -> None:
    """The warehouse must not be able to put one person's name into another's answer. Kinds with people always are."""
    for changes in ({"cache": CacheRule(ttl_seconds=60)}, {"identity_headers": False}):
        claims = _claims(allow(**changes))
        assert not {"sub", "sub_issuer", "methods"} & claims.keys()
        assert claims["scope_id"] == allow().scope.id
    trino = allow_tables(kind=WarehouseKind.TRINO, headers=(), identity_headers=False)
    assert _claims(trino)["sub"] == "alice"


def test_a_person_has_the_name_that_the_warehouse_knows() -> None:
    """As everywhere else it is told one; a claim that gives no name denies."""
    named = allow_tables(kind=WarehouseKind.TRINO, headers=(), user=PersonName(qualified=True))
    assert _claims(named)["sub"] == "okta:alice"
    with pytest.raises(Denied) as caught:
        _claims(allow_tables(kind=WarehouseKind.TRINO, headers=(), user=PersonName(claim="upn")))
    assert caught.value.reason is Reason.CLAIM_MISSING
    both = Principal(
        issuer="okta", subject="alice", methods=frozenset({Method.TOKEN, Method.CERTIFICATE}), expires_at=4e9
    )
    assert _claims(allow(), both)["methods"] == ["certificate", "token"]


def test_an_assertion_is_of_one_kind_for_one_warehouse() -> None:
    """Another audience, another issuer and another type are refused by who asks for them; so is one that has ended."""
    text = assertion(allow(), principal(), SIGNING).text
    assert jwt.get_unverified_header(text) == {
        "alg": "ES256",
        "kid": KEYS.signing.kid,
        "typ": ASSERTION_TYPE,
    }
    good = {"audience": "sales", "issuer": RULE.issuer, "options": {"verify_aud": True}}
    assert verified(text, KEYS, **good)["aud"] == "sales"
    with pytest.raises(jwt.InvalidAudienceError):
        verified(text, KEYS, **{**good, "audience": "ledger"})
    with pytest.raises(jwt.InvalidIssuerError):
        verified(text, KEYS, **{**good, "issuer": "https://other.example"})
    old = assertion(
        allow(), principal(), Circumstances(policy_version="1", now=1e9, assertion=RULE, signing=KEYS)
    )
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(old.text, KEYS, options={"verify_exp": True})


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.5, 0.999])
def test_whoever_is_given_one_has_at_least_half_of_its_life(moment: float) -> None:
    """Whatever the fraction of the second in which it was signed."""
    under = Circumstances(policy_version="1", now=NOW + moment, assertion=RULE, signing=KEYS)
    made = assertion(allow(), principal(), under)
    ends = verified(made.text, KEYS)["exp"]
    assert made.valid_until > under.now
    assert ends - made.valid_until >= 60
    assert render(allow(**FORM), principal(), under).valid_until == made.valid_until


def test_equal_circumstances_sign_equal_texts() -> None:
    """So that a check is a function of its inputs, and two workers say the same."""
    first, second = (assertion(allow(EU_A_OR_US_B), principal(), SIGNING).text for _ in range(2))
    assert first == second


def test_it_is_a_header_that_no_client_can_send() -> None:
    """Set where it is taken; removed where it is not, in underscores refused."""
    sent = request(x__scope__assertion="eyJ.eyJ.x", accept="*/*")
    taken, other = allow(**FORM), allow()
    headers = dict(render(taken, principal(), SIGNING).set_headers)
    assert verified(headers["x-scope-assertion"], KEYS)["sub"] == "alice"
    assert "x-scope-json" not in headers
    assert render_request(taken, principal(), sent, POLICY_VERSION, None).remove_headers == ()
    assert "x-scope-assertion" not in dict(render(other, principal(), SIGNING).set_headers)
    assert render_request(other, principal(), sent, POLICY_VERSION, None).remove_headers == (
        "x-scope-assertion",
    )
    with pytest.raises(Denied):
        render_request(taken, principal(), request(x_scope_assertion="eyJ.eyJ.x"), POLICY_VERSION, None)


def test_an_explanation_shows_one_that_nobody_believes() -> None:
    """The same claims, without the keys; the signature is empty."""
    under = unsigned(policy(), NOW)
    with pytest.raises(Denied):
        assertion(allow(), principal(), under)  # the policy signs nothing
    shown = Circumstances(policy_version=POLICY_VERSION, now=NOW, assertion=RULE, signing=under.signing)
    text, real = assertion(allow(), principal(), shown).text, assertion(allow(), principal(), SIGNING).text
    assert text.split(".")[1:] == [real.split(".")[1], ""]
    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(
            text, jwt.PyJWK(dict(KEYS.signing.public)), algorithms=["ES256"], options={"verify_aud": False}
        )


@settings(deadline=None)
@given(
    rows=filters(("region", "customer")),
    subject=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
)
def test_every_row_filter_survives(rows: RowFilter, subject: str) -> None:
    """PyJWT gives back what was signed; on the way it is ASCII that any header takes. Or it is denied."""
    columns = {"region": "region", "customer": "customer"}
    decision = allow(rows, {"email": ColumnMask.LAST4}, columns=columns)
    try:
        text = assertion(decision, principal(subject), SIGNING).text
    except Denied:
        return
    claims = verified(text, KEYS)
    assert (claims["rows"], claims["sub"], claims["scope_id"]) == (to_json(rows), subject, decision.scope.id)
    assert base64url_decode(text.split(".")[1]).isascii()
    assert text.isascii()
    assert text.isprintable()
