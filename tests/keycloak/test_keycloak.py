"""A real Keycloak, the real Envoy and two workers: grants, rotation under load, withdrawal, introspection, outage.

In the order of the file: the outage comes last.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authz.errors import Denied, Reason
from authz.identity.introspectionrules import Introspection
from authz.identity.issuer import Issuer, KeyLocation, KeyOrigin
from authz.keysources.introspector import Introspector
from tests.envoy_process import short_directory
from tests.integration.issuing_system import Gateway, gateway, reason_of, send
from tests.keycloak.keycloak_process import CLIENT_KEY, Keycloak
from tests.tokens import AUDIENCE

HOME = "KEYCLOAK_HOME"


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with short_directory() as made:
        yield made


@pytest.fixture(scope="module")
def keycloak(directory: Path) -> Iterator[Keycloak]:
    home = os.environ.get(HOME)
    assert home, f"{HOME} names no unpacked distribution: `make test-keycloak` sets it"
    with Keycloak(Path(home), directory) as started:
        yield started


@pytest.fixture(scope="module")
def edge(keycloak: Keycloak, directory: Path) -> Iterator[Gateway]:
    issuer = f"""\
  corp:
    preset: keycloak
    base_url: "{keycloak.url}"
    realm: analytics
    audiences: ["{AUDIENCE}"]
    groups_claim: groups
    allow_http: true
    allow_private_addresses: true
    refresh: 1h
"""
    with gateway(directory, issuer) as started:
        yield started


def test_a_token_for_another_audience_is_refused(edge: Gateway, keycloak: Keycloak) -> None:
    """A client of the same realm whose tokens are not made for us."""
    reply = edge.ask(keycloak.client_grant("elsewhere"))
    assert (reply.status, reason_of(reply)) == (401, "token_audience_wrong")


def test_a_person_of_another_group_sees_nothing(edge: Gateway, keycloak: Keycloak) -> None:
    """Bob's token is good; no grant is for him."""
    reply = edge.ask(keycloak.password_grant("bob", "builder"))
    assert (reply.status, reason_of(reply)) == (403, "no_grant")


def test_people_and_services_get_in(edge: Gateway, keycloak: Keycloak) -> None:
    """The password grant of a person, the client credentials of a service; groups come from the mapper."""
    assert edge.ask(keycloak.password_grant("alice", "wonderland")).status == 200
    assert edge.ask(keycloak.client_grant()).status == 200


def test_rotation_under_load_refuses_no_valid_request(edge: Gateway, keycloak: Keycloak) -> None:
    """Keycloak signs with a new key at once, several times; old keys stay published for a while."""
    refused: list[tuple[int, bytes]] = []
    good = threading.Semaphore(0)
    over = threading.Event()

    def load() -> None:
        with contextlib.closing(edge.connection()) as connection:
            while not over.is_set():
                answer = send(connection, keycloak.client_grant())
                if answer[0] != 200:
                    refused.append(answer)
                good.release()

    def go_on() -> None:
        for _ in range(20):
            assert good.acquire(timeout=30)

    threads = [threading.Thread(target=load, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        go_on()
        for priority in (200, 300, 400):
            keycloak.rotate(priority)
            go_on()
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    assert refused == []


def test_tokens_of_a_withdrawn_key_are_refused(edge: Gateway, keycloak: Keycloak) -> None:
    """As soon as somebody has to look at the keys again."""
    old = keycloak.client_grant()
    assert edge.ask(old).status == 200
    keycloak.rotate(500)
    keycloak.withdraw_keys_below(500)
    assert [edge.ask(keycloak.client_grant()).status for _ in range(4)] == [200] * 4
    reply = edge.ask(old)
    assert (reply.status, reason_of(reply)) == (401, "token_key_unknown")


@pytest.mark.parametrize("proof", ["secret", "key"])
async def test_its_introspection_endpoint_is_understood(
    keycloak: Keycloak, directory: Path, proof: str
) -> None:
    """By client secret and by private_key_jwt: an active token, a revoked one, and another audience's."""
    introspector, issuer = _introspector(keycloak, directory, proof)
    try:
        token = keycloak.client_grant()
        assert await introspector.ask(token, _digest(token)) is None
        verified = introspector.tokens.verify(token, _digest(token), issuer, time.time())
        assert verified.groups == {"analysts-emea"}
        for unfit, reason in (
            ("made-up", Reason.TOKEN_INACTIVE),
            (_revoked(keycloak), Reason.TOKEN_INACTIVE),
        ):
            assert await introspector.ask(unfit, _digest(unfit)) is None
            with pytest.raises(Denied) as caught:
                introspector.tokens.verify(unfit, _digest(unfit), issuer, time.time())
            assert caught.value.reason is reason
    finally:
        await introspector.close()


async def test_a_wrong_secret_is_said_and_nothing_is_believed(keycloak: Keycloak, directory: Path) -> None:
    """Keycloak answers 401: ours is the mistake."""
    introspector, _ = _introspector(keycloak, directory, "secret")
    (directory / "introspection-secret").write_text("wrong")
    try:
        assert "answered 401" in str(await introspector.ask("made-up", b"d"))
    finally:
        await introspector.close()


def test_an_outage_refuses_nobody_whose_key_is_known(edge: Gateway, keycloak: Keycloak) -> None:
    """Neither while it hangs nor when it is gone."""
    tokens = [keycloak.client_grant() for _ in range(4)]
    # Each worker has seen the newest key.
    assert {edge.ask(tokens[0]).status for _ in range(8)} == {200}
    keycloak.hang(hanging=True)
    assert [edge.ask(token).status for token in tokens[1:]] == [200] * 3
    keycloak.hang(hanging=False)
    last = keycloak.client_grant()
    keycloak.end()
    assert edge.ask(last).status == 200


def _introspector(keycloak: Keycloak, directory: Path, proof: str) -> tuple[Introspector, Issuer]:
    file = directory / f"introspection-{proof}"
    if proof == "secret":
        file.write_text("scopegate-secret\n")
    else:
        file.write_bytes(CLIENT_KEY.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(0o600)
    rules = Introspection(
        url=f"{keycloak.issuer}/protocol/openid-connect/token/introspect",
        client_id="scopegate" if proof == "secret" else "scopegate-signed",
        secret_file=str(file) if proof == "secret" else None,
        key_file=str(file) if proof == "key" else None,
        key_id=CLIENT_KEY.kid if proof == "key" else None,
        timeout_seconds=10.0,
    )
    issuer = Issuer(
        name="corp",
        issuer=keycloak.issuer,
        audiences=frozenset({AUDIENCE}),
        keys=KeyLocation(
            origin=KeyOrigin.DISCOVERY, place=keycloak.issuer, allow_http=True, allow_private_addresses=True
        ),
        groups_claim="groups",
        introspection=rules,
    )
    return Introspector(issuer, rules), issuer


def _revoked(keycloak: Keycloak) -> str:
    token = keycloak.client_grant()
    keycloak.revoke(token)
    return token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
