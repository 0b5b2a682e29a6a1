"""What a policy makes of presets and places of tokens. The mistakes stand in tests/policy_mistakes.py."""

import json
from typing import Any

import pytest

from authz.identity.accepts import BEARER, Basic, Cookie, Header
from authz.identity.issuer import Issuer, KeyOrigin
from authz.policy.policyset import Warehouse
from tests.policies import policy
from tests.preset_tokens import policy_of, specimen


def issuer(name: str, **changes: Any) -> Issuer:
    """The issuer of a specimen, with its keys where the preset says."""
    text = json.loads(policy_of(specimen(name)))
    part = text["issuers"]["issuer-0"]
    part.update(changes)
    for key in [key for key, value in part.items() if value is None]:
        del part[key]
    return policy(json.dumps(text)).issuers["issuer-0"]


def warehouse(*names: str, **changes: Any) -> Warehouse:
    return policy(policy_of(*(specimen(name) for name in names), warehouse=changes)).warehouses["sales"]


@pytest.mark.parametrize(
    ("name", "origin", "place"),
    [
        ("okta", KeyOrigin.DISCOVERY, "https://acme.okta.com/oauth2/aus1f2k3m4n5p6q7r8s9"),
        (
            "entra",
            KeyOrigin.DISCOVERY,
            "https://login.microsoftonline.com/8f6b1c1e-52a1-4d0c-9d2b-7d3b0a4f9e11/v2.0",
        ),
        (
            "entra_v1",
            KeyOrigin.DISCOVERY,
            "https://login.microsoftonline.com/8f6b1c1e-52a1-4d0c-9d2b-7d3b0a4f9e11",
        ),
        ("google", KeyOrigin.DISCOVERY, "https://accounts.google.com"),
        ("auth0", KeyOrigin.DISCOVERY, "https://acme.eu.auth0.com/"),
        ("keycloak", KeyOrigin.DISCOVERY, "https://sso.acme.example/realms/acme"),
        ("ping", KeyOrigin.DISCOVERY, "https://auth.pingone.eu/3c5f0a52-7a0e-4a0b-9a44-2f8c1d7e6b90/as"),
        ("ping with an issuer of its own", KeyOrigin.DISCOVERY, "https://sso.acme.example"),
        ("cloudflare_access", KeyOrigin.URL, "https://acme.cloudflareaccess.com/cdn-cgi/access/certs"),
        ("kubernetes", KeyOrigin.DISCOVERY, "https://kubernetes.default.svc.cluster.local"),
        ("github_actions", KeyOrigin.DISCOVERY, "https://token.actions.githubusercontent.com"),
        ("generic", KeyOrigin.DISCOVERY, "https://issuer.acme.example"),
    ],
)
def test_a_preset_knows_where_keys_are(name: str, origin: KeyOrigin, place: str) -> None:
    """Unless the policy says otherwise."""
    made = issuer(name, jwks_file=None)
    assert (made.keys.origin, made.keys.place) == (origin, place)
    assert issuer(name).keys.origin is KeyOrigin.FILE
    elsewhere = issuer(name, jwks_file=None, jwks_url="https://keys.acme.example/jwks")
    assert (elsewhere.keys.origin, elsewhere.keys.place) == (KeyOrigin.URL, "https://keys.acme.example/jwks")


def test_what_a_policy_says_goes_before_the_preset() -> None:
    """Claims, types, algorithms, lifetimes; what is not said is the preset's."""
    made = issuer(
        "okta",
        algorithms=["ES256"],
        token_types=["application/AT+JWT"],
        subject_claim="employee",
        groups_claim="teams",
        max_lifetime="10m",
        single_use=True,
        oauth_scopes=["warehouse.read"],
        claims={"employee": "string"},
    )
    assert (made.algorithms, made.token_types) == ({"ES256"}, {"at+jwt"})
    assert (made.subject_claim, made.groups_claim) == ("employee", "teams")
    assert (made.profile.single_use, made.profile.max_lifetime_seconds) == (True, 600.0)
    assert made.profile.oauth_scopes == {"warehouse.read"}
    assert made.profile.accounts_for("employee")
    plain = issuer("okta")
    assert (plain.algorithms, plain.subject_claim, plain.groups_claim) == ({"RS256"}, "uid", "groups")
    assert (plain.profile.single_use, plain.profile.max_lifetime_seconds) == (False, None)
    assert issuer("tableau_connected_app", single_use=False).profile.single_use is False


def test_generic_is_the_default() -> None:
    """A policy without presets means what it meant."""
    text = json.loads(policy_of(specimen("generic")))
    del text["issuers"]["issuer-0"]["preset"]
    assert policy(json.dumps(text)).issuers["issuer-0"] == issuer("generic")


def test_an_issuer_of_ones_own_ends_what_its_pattern_excused() -> None:
    """A server that is set up to say `iss` says it always."""
    assert issuer("spiffe_jwt_svid").profile.iss_may_be_absent
    own = issuer("spiffe_jwt_svid with an issuer")
    assert not own.profile.iss_may_be_absent
    assert own.profile.trust_domain == "acme.example"


def test_a_warehouse_looks_where_its_issuers_put_tokens() -> None:
    """Cloudflare has a header of its own; the others are bearers; what is written goes before."""
    assert warehouse("okta").accepts.places == (BEARER,)
    assert warehouse("cloudflare_access").accepts.places == (Header("cf-access-jwt-assertion"),)
    assert warehouse("okta", "cloudflare_access").accepts.places == (
        BEARER,
        Header("cf-access-jwt-assertion"),
    )
    assert warehouse("okta", "cloudflare_access", issuers=["issuer-0"]).accepts.places == (BEARER,)
    written = warehouse(
        "cloudflare_access", credentials=["basic", {"header": "X-Token"}, {"cookie": "__Host-t"}]
    )
    assert written.accepts.places == (Basic(), Header("x-token"), Cookie("__Host-t"))
    assert warehouse("okta", credentials=[{"basic": "email"}]).accepts.places == (Basic(user_claim="email"),)


def test_every_warehouse_knows_the_headers_of_all() -> None:
    """A token that is meant for one must not be told to another."""
    text = json.loads(policy_of(specimen("okta"), warehouse={"credentials": [{"header": "x-token"}]}))
    text["warehouses"]["ledger"] = {**text["warehouses"]["sales"], "routes": [{"prefix": "/ledger/"}]}
    text["warehouses"]["ledger"]["credentials"] = ["bearer"]
    made = policy(json.dumps(text)).warehouses
    assert {name: each.token_headers for name, each in made.items()} == {
        "sales": {"x-token"},
        "ledger": {"x-token"},
    }
    assert made["ledger"].accepts.headers == frozenset()


def test_reserved_headers_are_those_that_are_removed() -> None:
    """The policy may not look into the room that removes them."""
    from authz.policy.names import RESERVED_HEADERS
    from authz.rendering.owned import CREDENTIAL_HEADERS, OWNED_HEADERS

    assert {*CREDENTIAL_HEADERS, *OWNED_HEADERS} == RESERVED_HEADERS
