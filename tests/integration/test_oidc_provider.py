"""An OpenID provider that is not ours, in a process of its own (oidc-provider-mock), behind the real Envoy and workers.

Its ways are its own: ID tokens without a `kid`, an audience in a list, opaque access tokens, a key that is new with
each start.
"""

import http.client
import itertools
import json
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Self

import pytest

from tests.envoy_process import end_process, short_directory, wait_until
from tests.integration.issuing_system import Gateway, gateway, reason_of
from tests.ports import free_port

CLIENT = "warehouse"
BACK = "http://localhost/back"
EMMA = {"sub": "emma", "groups": ["analysts-emea"]}
VIC = {"sub": "vic", "groups": ["visitors"]}


class Provider:
    """The process, always at the same place, so that it is the same issuer after a start."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self._log = directory / "provider.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        people = [f"--user-claims={json.dumps(person)}" for person in (EMMA, VIC)]
        program = str(Path(sys.executable).with_name("oidc-provider-mock"))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [program, "--host", "127.0.0.1", "--port", str(self.port), *people], stdout=log, stderr=log
            )
        wait_until(self._answers, "the provider answers")
        return self

    def __exit__(self, *_: object) -> None:
        end_process(self._process)

    def restart(self) -> None:
        """The same issuer with another key."""
        self.__exit__()
        self.__enter__()

    def sign_in(self, subject: str, client: str = CLIENT) -> dict[str, str]:
        """The authorization code grant, as a browser and a client would do it: an ID token and an access token."""
        asked = {
            "client_id": client,
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": "openid profile",
        }
        status, headers, _ = self._ask(f"/oauth2/authorize?{urllib.parse.urlencode(asked)}", {"sub": subject})
        assert status == 302
        (code,) = urllib.parse.parse_qs(urllib.parse.urlsplit(headers["location"]).query)["code"]
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
        proof = {"client_id": client, "client_secret": "any"}
        status, _, body = self._ask("/oauth2/token", {**grant, **proof})
        assert status == 200, body
        tokens: dict[str, str] = json.loads(body)
        return tokens

    def _ask(self, target: str, form: dict[str, str]) -> tuple[int, http.client.HTTPMessage, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            headers = {"content-type": "application/x-www-form-urlencoded"}
            connection.request("POST", target, urllib.parse.urlencode(form), headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def _answers(self) -> bool:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)) as connection:
                connection.request("GET", "/.well-known/openid-configuration")
                return connection.getresponse().status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with short_directory() as directory, Provider(directory) as started:
        yield started


@pytest.fixture(scope="module")
def edge(provider: Provider) -> Iterator[Gateway]:
    issuer = f"""\
  corp:
    issuer: "{provider.issuer}"
    audiences: [{CLIENT}]
    groups_claim: groups
    allow_http: true
    allow_private_addresses: true
    refresh: 1h
"""
    with short_directory() as directory, gateway(directory, issuer) as started:
        yield started


def test_a_person_of_another_group_or_client_is_refused(edge: Gateway, provider: Provider) -> None:
    """Signed in all the same."""
    reply = edge.ask(provider.sign_in("vic")["id_token"])
    assert (reply.status, reason_of(reply)) == (403, "no_grant")
    reply = edge.ask(provider.sign_in("emma", client="another")["id_token"])
    assert (reply.status, reason_of(reply)) == (401, "token_audience_wrong")


def test_an_opaque_token_is_refused_where_nobody_is_asked(edge: Gateway, provider: Provider) -> None:
    """It says nothing."""
    reply = edge.ask(provider.sign_in("emma")["access_token"])
    assert (reply.status, reason_of(reply)) == (401, "token_malformed")


def test_a_person_who_signed_in_gets_in(edge: Gateway, provider: Provider) -> None:
    """Discovery, keys and token are the provider's own."""
    assert edge.ask(provider.sign_in("emma")["id_token"]).status == 200


def test_a_new_key_without_kid_is_found_and_the_old_one_forgotten(edge: Gateway, provider: Provider) -> None:
    """The first token after the restart is good on each worker; the last one before it is not any more."""
    old = provider.sign_in("emma")["id_token"]
    assert edge.ask(old).status == 200
    provider.restart()
    fresh = [provider.sign_in("emma")["id_token"] for _ in range(4)]
    # Envoy chooses between the two workers by lot, and one that was never asked cannot know of the new key.
    before = edge.allowed()
    turns = itertools.cycle(fresh)

    def both_were_asked() -> bool:
        assert edge.ask(next(turns)).status == 200
        return all(now > then for now, then in zip(edge.allowed(), before, strict=True))

    wait_until(both_were_asked, "both workers have let somebody in")
    replies = [edge.ask(old) for _ in range(4)]
    assert {reason_of(reply) for reply in replies} == {"token_signature_invalid"}


def test_a_provider_that_is_gone_takes_nobody_along(edge: Gateway, provider: Provider) -> None:
    """Its last good keys stay in force."""
    token, other = (provider.sign_in("emma")["id_token"] for _ in range(2))
    assert [edge.ask(token).status for _ in range(4)] == [200] * 4
    provider.__exit__()
    assert [edge.ask(other).status for _ in range(4)] == [200] * 4
