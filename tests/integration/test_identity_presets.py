"""Tokens of every preset through the real Envoy, each with a neighbour that is refused."""

from collections.abc import Iterator

import pytest

from tests.edge_client import ask_http2
from tests.integration.identity_system import (
    COOKIE,
    HEADER,
    PLACES,
    IdentitySystem,
    basic,
    identity_system,
    now,
    specimen_of_each_preset,
    token_headers,
)
from tests.preset_tokens import specimen

EACH = specimen_of_each_preset()
SUBJECT = "36fa0f91-f94d-4a0c-afed-6b7d952e47da"


@pytest.fixture(scope="module")
def running() -> Iterator[IdentitySystem]:
    with identity_system() as system:
        yield system


@pytest.fixture
def system(running: IdentitySystem) -> IdentitySystem:
    running.warehouse.reset()
    return running


def keycloak(**change: object) -> str:
    """A token with a subject, an e-mail address and a user name, valid now."""
    return specimen("keycloak").token(now(), **change)


@pytest.mark.parametrize("preset", EACH)
def test_neighbours_are_refused(system: IdentitySystem, preset: str) -> None:
    """All of them, with the reason that the table says; nothing reaches the warehouse."""
    each = EACH[preset]
    for name, change in each.neighbours.items():
        token = each.token(now(), **{key: value for key, value in change.items() if key != "reason"})
        # Configured here together, versions 1 and 2 of Entra are issuers of their own.
        if "token" in change and change["token"] in EACH:
            continue
        reason = change["reason"]
        assert system.refused("/presets/x", *token_headers(each, token)) == reason, name


@pytest.mark.parametrize("preset", EACH)
def test_a_token_of_each_preset_passes(system: IdentitySystem, preset: str) -> None:
    """The warehouse is told who it is, by the name that never changes, and sees no token."""
    each = EACH[preset]
    token = each.token(now())
    seen = system.reached("/presets/x", *token_headers(each, token))
    (subject,) = seen.values("x-scope-subject")
    assert subject == each.principal["subject"]
    assert seen.values("x-scope-issuer") == [preset]
    assert token not in str(seen)
    assert not {"authorization", "cookie", "cf-access-jwt-assertion", HEADER} & seen.names


def test_a_tableau_token_opens_one_request(system: IdentitySystem) -> None:
    """The second one, with the same token, is refused by the worker that has seen it."""
    each = EACH["tableau_connected_app"]
    token = each.token(now(), claims={"jti": "used-once"})
    system.reached("/presets/x", *token_headers(each, token))
    assert system.refused("/presets/x", *token_headers(each, token)) == "token_replayed"
    assert system.refused("/bearer/x", *token_headers(each, token)) == "token_replayed"


def test_a_new_policy_does_not_forget_what_was_used(system: IdentitySystem) -> None:
    """Nor do new keys: the memory outlives both."""
    each = EACH["tableau_connected_app"]
    token = each.token(now(), claims={"jti": "used-before"})
    system.reached("/presets/x", *token_headers(each, token))
    system.reload()
    assert system.refused("/presets/x", *token_headers(each, token)) == "token_replayed"
    fresh = each.token(now(), claims={"jti": "used-afterwards"})
    system.reached("/presets/x", *token_headers(each, fresh))


@pytest.mark.parametrize(
    ("warehouse", "header"),
    [
        ("bearer", "bearer"), ("every", "bearer"), ("presets", "bearer"),
        ("basic", "basic"), ("every", "basic"),
        ("mail", "mail"),
        ("header", "header"), ("header", "header with scheme"), ("every", "header"),
        ("cookie", "cookie"), ("cookie", "cookies"), ("every", "cookie"),
    ],
)  # fmt: skip
def test_a_token_is_taken_from_each_place_and_removed_from_it(
    system: IdentitySystem, warehouse: str, header: str
) -> None:
    """The warehouse sees neither the token nor the header or cookie that it stood in."""
    token = keycloak()
    headers = {
        "bearer": ("Authorization", f"Bearer {token}"),
        "basic": basic(SUBJECT, token),
        "mail": basic("ann@acme.example", token),
        "header": ("X-Database-Token", token),
        "header with scheme": ("x-database-token", f"Bearer {token}"),
        "cookie": ("cookie", f"{COOKIE}={token}"),
        "cookies": ("cookie", f"theme=dark; {COOKIE}={token}; other=1"),
    }
    seen = system.reached(f"/{warehouse}/x", headers[header])
    assert seen.values("x-scope-subject") == [SUBJECT]
    assert token not in str(seen)
    assert not {"authorization", "cookie", HEADER} & seen.names


@pytest.mark.parametrize("warehouse", PLACES)
def test_a_place_of_another_warehouse_is_removed_too(system: IdentitySystem, warehouse: str) -> None:
    """A token that is meant for one warehouse must not come to be held by another."""
    stray = keycloak(claims={"jti": "stray"})
    token = keycloak()
    proper = {
        "header": (HEADER, token),
        "cookie": ("cookie", f"{COOKIE}={token}"),
        "basic": basic(SUBJECT, token),
        "mail": basic("ann@acme.example", token),
    }.get(warehouse, ("authorization", f"Bearer {token}"))
    strays = [("cf-access-jwt-assertion", stray)] if warehouse != "presets" else []
    if warehouse not in {"header", "every"}:
        strays.append((HEADER, stray))
    if warehouse not in {"cookie", "every"}:
        strays.append(("cookie", f"{COOKIE}={stray}"))
    seen = system.reached(f"/{warehouse}/x", proper, *strays)
    assert stray not in str(seen)
    assert not {"authorization", "cookie", "cf-access-jwt-assertion", HEADER} & seen.names


def test_two_tokens_are_none(system: IdentitySystem) -> None:
    """In two places, or twice in one; equal or not."""
    token = keycloak()
    pairs = [
        [("authorization", f"Bearer {token}"), (HEADER, token)],
        [("authorization", f"Bearer {token}"), ("cookie", f"{COOKIE}={token}")],
        [(HEADER, token), ("cookie", f"{COOKIE}={token}")],
        [basic(SUBJECT, token), (HEADER, token)],
        [("authorization", f"Bearer {token}"), basic(SUBJECT, token)],
        [(HEADER, token), (HEADER, token)],
        [("cookie", f"{COOKIE}={token}; {COOKIE}={token}")],
    ]
    for pair in pairs:
        assert system.refused("/every/x", *pair) == "request_ambiguous", pair
    assert system.refused(
        "/presets/x", ("authorization", f"Bearer {token}"), ("cf-access-jwt-assertion", token)
    ) == ("request_ambiguous")


def test_a_header_in_another_spelling_is_refused(system: IdentitySystem) -> None:
    """CGI and WSGI servers read underscores as hyphens, so the warehouse would read a token after all."""
    for name in ("x_database_token", "X_Database-Token"):
        reply = system.ask("/header/x", (HEADER, keycloak()), (name, "stray"))
        assert (reply.status, system.warehouse.take()) == (400, [])


def test_a_token_where_none_may_stand_is_refused_or_nothing(system: IdentitySystem) -> None:
    """`Authorization` is never passed over; other places are nothing."""
    token = keycloak()
    for warehouse in ("header", "cookie"):
        assert (
            system.refused(f"/{warehouse}/x", ("authorization", f"Bearer {token}")) == "credential_malformed"
        )
        assert system.refused(f"/{warehouse}/x", basic(SUBJECT, token)) == "credential_malformed"
    assert system.refused("/bearer/x", basic(SUBJECT, token)) == "credential_malformed"
    assert system.refused("/basic/x", ("authorization", f"Bearer {token}")) == "credential_malformed"
    assert system.refused("/bearer/x", (HEADER, token)) == "credential_missing"
    assert system.refused("/bearer/x", ("cookie", f"{COOKIE}={token}")) == "credential_missing"
    assert system.refused("/header/x", ("cf-access-jwt-assertion", token)) == "credential_missing"


def test_the_user_name_is_bound_to_the_token(system: IdentitySystem) -> None:
    """A saved connection of one person, used with the token of another."""
    token = keycloak()
    for user in ("ben", "ann@acme.example", SUBJECT.upper()):
        assert system.refused("/basic/x", basic(user, token)) == "token_user_mismatch"
    for user in (SUBJECT, "ann", "ANN@acme.example"):
        assert system.refused("/mail/x", basic(user, token)) == "token_user_mismatch"
    without = keycloak(claims={"email": None})
    assert system.refused("/mail/x", basic("ann@acme.example", without)) == "token_user_mismatch"


def test_a_driver_is_asked_for_a_password_where_one_is_taken(system: IdentitySystem) -> None:
    """And only there."""
    asked = {name: system.ask(f"/{name}/x").header("www-authenticate") or "" for name in PLACES}
    assert {name for name, challenge in asked.items() if challenge.startswith("Basic ")} == {
        "basic",
        "mail",
        "every",
    }
    assert all("Bearer " in challenge for challenge in asked.values())


def test_another_sites_page_cannot_use_the_cookie(system: IdentitySystem) -> None:
    """The browser adds it by itself; the same cookie from one's own page is good."""
    cookie = ("cookie", f"{COOKIE}={keycloak()}")
    cross = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]
    assert system.refused("/cookie/x", cookie, *cross, method="POST", body=b"x") == "credential_cross_site"
    assert system.refused("/every/x", cookie, cross[0]) == "credential_cross_site"
    own = [("origin", "https://localhost"), ("sec-fetch-site", "same-origin")]
    system.reached("/cookie/x", cookie, *own, method="POST", body=b"x")
    system.reached("/header/x", (HEADER, keycloak()), cross[0])


def test_http2_may_send_cookies_in_pieces(system: IdentitySystem) -> None:
    """RFC 9113 section 8.2.3: Envoy puts them together; the name twice is still twice."""
    token = keycloak()

    def ask(*cookies: str) -> int:
        headers = [("cookie", cookie) for cookie in cookies]
        return ask_http2(system.envoy.port, system.context, "/cookie/x", headers=headers).status

    assert ask("theme=dark", f"{COOKIE}={token}") == 200
    assert ask(f"{COOKIE}={token}", f"{COOKIE}={token}") == 400


def test_no_token_and_no_user_name_is_ever_written(running: IdentitySystem) -> None:
    """The last test of the module: not by Envoy, not by Scopegate, whatever was wrong."""
    token = keycloak(claims={"sub": "canary-subject-1f"})
    for target, header in (
        ("/basic/x", basic("canary-user-77", token)),
        ("/header/x", (HEADER, token + "x")),
        ("/cookie/x", ("cookie", f"{COOKIE}={token}x")),
    ):
        running.refused(target, header)
    written = running.written()
    assert "canary-user-77" not in written
    assert token not in written
    assert token.split(".")[2] not in written
