"""What a server signs, and what it publishes for whoever verifies: keys that are missing, bad, changed under load."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import jwt
import pytest

from tests.integration.scopegate_server import (
    PATIENCE_SECONDS,
    Answer,
    Scopegate,
    ask_for_sales,
    eventually,
    replace,
    token,
)
from tests.signingkeys import ec_pem, ec_signing_key, rsa_pem, verified, write_key
from tests.tokens import jwks, rsa_key

CLIENTS = 3
ENOUGH = 40
"""Assertions of each client between two changes."""
ISSUER = "https://edge.example"
POLICY = """\
version: 1
issuers:
  okta: {{issuer: https://issuer.example/oauth2/default, audiences: [api://warehouse], groups_claim: groups,
          jwks_file: jwks.json}}
dimensions:
  region: {{type: string}}
warehouses:
  sales: {{routes: [{{prefix: /api/}}], upstream: http://warehouse, columns: {{region: region}}, headers: [assertion]}}
  ledger: {{routes: [{{prefix: /ledger/}}], upstream: http://warehouse, columns: {{region: region}}}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: all, scope: {{region: [EU]}}}}
{assertion}
"""
UNSIGNED = POLICY.replace(", headers: [assertion]", "")


def write(directory: Path, assertion: str, text: str = POLICY) -> Path:
    (directory / "jwks.json").write_bytes(jwks(rsa_key()))
    replace(directory / "scopegate.yaml", text.format(assertion=assertion))
    return directory / "scopegate.yaml"


def keys_of(*files: str, more: str = "") -> str:
    return f'assertion: {{keys: [{", ".join(files)}], issuer: "{ISSUER}"{more}}}'


def fetch(server: Scopegate, headers: Mapping[str, str] | None = None) -> tuple[int, Message, bytes]:
    """The answer at the address that a warehouse is given."""
    request = urllib.request.Request(
        f"http://{server.http}/.well-known/jwks.json", headers=dict(headers or {})
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def key_set(server: Scopegate) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(fetch(server)[2])
    return document


def published(server: Scopegate) -> list[str]:
    return [key["kid"] for key in key_set(server).get("keys", [])]


def assertion(server: Scopegate, presented: str | None = None) -> str:
    answer = server.ask(ask_for_sales(presented or token()))
    assert answer.allowed, answer.reason
    return answer.headers["x-scope-assertion"]


def ledger(server: Scopegate) -> Answer:
    """The warehouse that is told its scope unsigned."""
    return server.ask(ask_for_sales(token(), path="/ledger/x", warehouse="ledger"))


def test_without_an_assertion_nothing_is_published(tmp_path: Path) -> None:
    """A typed 404, and nothing signed."""
    with Scopegate(write(tmp_path, "", UNSIGNED)) as server:
        server.wait_for("ready")
        status, headers, body = fetch(server)
        assert (status, headers["content-type"]) == (404, "application/problem+json")
        assert json.loads(body)["type"] == "urn:scopegate:problem:assertion_not_configured"
        told = server.ask(ask_for_sales(token())).headers
        assert {"x-scope-json", "x-scope-assertion"} & told.keys() == {"x-scope-json"}


def test_without_its_keys_a_server_is_not_ready_and_denies(tmp_path: Path) -> None:
    """Until the file is there; a warehouse that is told its scope unsigned is not kept waiting."""
    with Scopegate(write(tmp_path, keys_of("a.pem"))) as server:
        server.wait_for("policy_loaded")
        denied = server.ask(ask_for_sales(token()))
        assert (denied.allowed, denied.reason, denied.status) == (False, "not_ready", 503)
        assert ledger(server).allowed
        status, _, body = fetch(server)
        assert (status, json.loads(body)["type"]) == (503, "urn:scopegate:problem:signing_keys_not_loaded")
        missing = json.loads(server.get("/readyz")[1])["missing"]
        assert missing == [f"keys to sign an `assertion`: {tmp_path}/a.pem: does not exist"]
        write_key(tmp_path / "a.pem", ec_pem())
        server.wait_for("ready")
        assert verified(assertion(server), key_set(server))["aud"] == "sales"


@pytest.mark.parametrize(("pem", "algorithm"), [(ec_pem(), "ES256"), (rsa_pem(), "RS256")])
def test_a_verifier_needs_the_address_alone(tmp_path: Path, pem: bytes, algorithm: str) -> None:
    """A client of PyJWT fetches the key set and verifies all that docs/warehouses.md asks for; a denied neighbour has
    nothing to verify."""
    write_key(tmp_path / "a.pem", pem)
    with Scopegate(write(tmp_path, keys_of("a.pem"))) as server:
        server.wait_for("ready")
        text = assertion(server)
        client = jwt.PyJWKClient(f"http://{server.http}/.well-known/jwks.json")
        key = client.get_signing_key_from_jwt(text)
        claims = jwt.decode(text, key, algorithms=[algorithm], audience="sales", issuer=ISSUER)
        assert (claims["sub"], claims["rows"]) == ("alice", [{"region": {"type": "string", "in": ["EU"]}}])
        assert jwt.get_unverified_header(text)["typ"] == "scope+jwt"
        assert "x-scope-json" not in server.ask(ask_for_sales(token())).headers
        denied = server.ask(ask_for_sales(token(groups=["marketing"])))
        assert not denied.allowed
        assert "eyJ" not in str(denied.message)
        assert {"x-scope-json", "x-scope-assertion"} & ledger(server).headers.keys() == {"x-scope-json"}


def test_a_verifier_may_keep_the_keys_for_a_minute(tmp_path: Path) -> None:
    """And ask whether they are still the same ones; no private part is among them."""
    for name in ("a", "b"):
        write_key(tmp_path / f"{name}.pem", ec_pem(name))
    with Scopegate(write(tmp_path, keys_of("a.pem", "b.pem"))) as server:
        server.wait_for("ready")
        status, headers, body = fetch(server)
        assert (status, headers["content-type"]) == (200, "application/jwk-set+json")
        assert headers["cache-control"] == "public, max-age=60"
        assert [set(key) for key in json.loads(body)["keys"]] == [
            {"kty", "crv", "x", "y", "use", "alg", "kid"}
        ] * 2
        same = fetch(server, {"if-none-match": headers["etag"]})
        assert (same[0], same[2], same[1]["etag"]) == (304, b"", headers["etag"])
        assert fetch(server, {"if-none-match": '"another"'})[0] == 200
        write(tmp_path, keys_of("b.pem"))
        server.wait_for("policy_reloaded")
        assert fetch(server, {"if-none-match": headers["etag"]})[0] == 200


def test_a_bad_new_key_never_replaces_a_good_one(tmp_path: Path) -> None:
    """In a file that is changed, and in a policy that names another one: said in log, metrics and readiness."""
    path = write_key(tmp_path / "a.pem", ec_pem())
    kid = ec_signing_key().kid
    with Scopegate(write(tmp_path, keys_of("a.pem"))) as server:
        server.wait_for("ready")
        version = server.ask(ask_for_sales(token())).policy_version
        path.write_bytes(ec_pem()[:100])
        failed = server.wait_for("key_source_failed", kind="signing_keys")
        assert failed["error"] == f"{path}: no PEM private key without a password"
        assert published(server) == [kid]
        assert verified(assertion(server), key_set(server))
        status, text = server.get("/readyz")
        (source,) = [each for each in json.loads(text)["sources"] if each["kind"] == "signing_keys"]
        assert (status, source["last_error"]) == (200, failed["error"])
        metrics = server.get("/metrics")[1]
        assert 'scopegate_key_source_failing{kind="signing_keys",name="assertion"} 1.0' in metrics
        assert f'scopegate_signing_key_signs{{kid="{kid}"}} 1.0' in metrics

        write(tmp_path, keys_of("b.pem"))
        server.wait_for("policy_refused")
        assert published(server) == [kid]
        assert server.ask(ask_for_sales(token())).policy_version == version

        path.write_bytes(rsa_pem())
        server.wait_for("signing_keys_changed")
        assert jwt.get_unverified_header(assertion(server))["alg"] == "RS256"


class Verifiers:
    """Clients that ask without end, and hold each assertion against the keys published before and after it."""

    def __init__(self, server: Scopegate) -> None:
        self.verified: list[str] = []
        self.failures: list[BaseException] = []
        self._server = server
        self._over = Event()
        self._threads = [Thread(target=self._ask, daemon=True) for _ in range(CLIENTS)]

    def _ask(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            try:
                before = key_set(self._server)
                # Old acquaintances, whose assertion is remembered, and new ones, for whom one is signed.
                subject = "alice" if number % 2 else f"person-{number}-{time.monotonic_ns()}"
                answer = self._server.ask(ask_for_sales(token(sub=subject)))
                text = answer.headers["x-scope-assertion"]
                after = key_set(self._server)
                for keys in (before, after):
                    verified(text, keys, audience="sales", options={"verify_exp": True, "verify_aud": True})
                self.verified.append(jwt.get_unverified_header(text)["kid"])
            except BaseException as failure:  # noqa: BLE001 - told by the test's own thread
                self.failures.append(failure)
                return

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def go_on(self) -> set[str]:
        """Until there are enough more; which keys signed them."""
        begun = len(self.verified)
        eventually(lambda: bool(self.failures) or len(self.verified) >= begun + ENOUGH * CLIENTS)
        assert self.failures == []
        return set(self.verified[begun:])


@contextmanager
def _policies(directory: Path) -> Iterator[tuple[str, list[Callable[[], object]]]]:
    """The steps as changes of the policy; the files stay."""
    for name in ("old", "new"):
        write_key(directory / f"{name}.pem", ec_pem(name))
    yield (
        keys_of("old.pem"),
        [
            lambda: write(directory, keys_of("old.pem", "new.pem")),
            lambda: write(directory, keys_of("old.pem", "new.pem", more=", sign_with: new.pem")),
            lambda: write(directory, keys_of("new.pem")),
        ],
    )


@contextmanager
def _mounted_secret(directory: Path) -> Iterator[tuple[str, list[Callable[[], object]]]]:
    """The steps as new versions of a mounted Secret, which kubelet swaps by one link; the policy stays."""
    folder = directory / "keys"
    folder.mkdir()
    names = ("current.pem", "next.pem", "previous.pem")
    versions = iter(range(10))

    def swap(*keys: str) -> None:
        version = folder / f"..{next(versions)}"
        version.mkdir()
        for name, key in zip(names, keys, strict=True):
            write_key(version / name, ec_pem(key))
        link = folder / "..new"
        link.symlink_to(version.name)
        link.rename(folder / "..data")

    swap("old", "old", "old")
    for name in names:
        (folder / name).symlink_to(f"..data/{name}")
    yield (
        keys_of(*(f"keys/{name}" for name in names)),
        [
            lambda: swap("old", "new", "old"),
            lambda: swap("new", "new", "old"),
            lambda: swap("new", "new", "new"),
        ],
    )


@pytest.mark.parametrize("way", [_policies, _mounted_secret])
def test_keys_change_under_load_and_nobody_is_left_with_what_cannot_be_verified(
    tmp_path: Path, way: Callable[[Path], Any]
) -> None:
    """Published first, then it signs, then the old one goes: every assertion is verified by the keys of the moment before
    it and of the moment after it."""
    old, new = ec_signing_key("old").kid, ec_signing_key("new").kid
    with (
        way(tmp_path) as (assertion_section, (publish, sign, withdraw)),
        Scopegate(write(tmp_path, assertion_section)) as server,
    ):
        server.wait_for("ready")
        with Verifiers(server) as verifiers:
            assert verifiers.go_on() == {old}
            publish()
            eventually(lambda: set(published(server)) == {old, new})
            assert verifiers.go_on() == {old}
            sign()
            eventually(lambda: jwt.get_unverified_header(assertion(server))["kid"] == new)
            verifiers.go_on()
            assert verifiers.go_on() == {new}
            withdraw()
            eventually(lambda: published(server) == [new])
            assert verifiers.go_on() == {new}
        assert len(verifiers.verified) >= 5 * ENOUGH * CLIENTS


def test_a_key_that_leaks_is_gone_at_once(tmp_path: Path) -> None:
    """Without any overlap: what was signed with it and is remembered is not given to anybody any more."""
    path = write_key(tmp_path / "a.pem", ec_pem("leaked"))
    with Scopegate(write(tmp_path, keys_of("a.pem"))) as server:
        server.wait_for("ready")
        # One that is made a second later has another end, and is remembered for itself.
        presented = token()
        before = assertion(server, presented)
        assert assertion(server, presented) == before
        write_key(tmp_path / ".a.pem.new", ec_pem("fresh")).rename(path)
        server.wait_for("signing_keys_changed")
        after = assertion(server, presented)
        assert verified(after, key_set(server))
        assert jwt.get_unverified_header(before)["kid"] not in published(server)


def test_a_key_that_everybody_may_read_is_not_used_until_it_is_taken_away(tmp_path: Path) -> None:
    """`chmod` alone is a change: nobody has to touch the file."""
    path = write_key(tmp_path / "a.pem", ec_pem())
    path.chmod(0o644)
    with Scopegate(write(tmp_path, keys_of("a.pem"))) as server:
        server.wait_for(
            "key_source_failed",
            error=f"{path}: open to everybody on this machine; take that away (`chmod o=`)",
        )
        assert server.ask(ask_for_sales(token())).reason == "not_ready"
        path.chmod(0o640)
        server.wait_for("ready")
        assert verified(assertion(server), key_set(server))
