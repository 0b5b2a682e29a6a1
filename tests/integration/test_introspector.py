"""The introspector against a real endpoint: proof, rules for URLs, bounds."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authz.errors import Denied, Reason
from authz.identity.introspectionrules import Introspection
from authz.identity.issuer import KeyLocation, KeyOrigin
from authz.keysources.introspector import MOST_WAITING, Introspected, Introspector, Introspectors
from tests.issuing_server import CLIENT_ID, CLIENT_SECRET, IssuingServer
from tests.tokens import ec_key, make_issuer


@pytest.fixture
def server() -> Iterator[IssuingServer]:
    with IssuingServer() as started:
        yield started


class Told:
    def __init__(self) -> None:
        self.outcomes: list[Introspected] = []

    def __call__(self, issuer: str, outcome: Introspected, problem: str | None) -> None:
        assert (issuer, problem is None) == ("corp", outcome is not Introspected.FAILED)
        self.outcomes.append(outcome)


@contextlib.asynccontextmanager
async def introspecting(
    server: IssuingServer, folder: Path, *, url: str | None = None, opened: bool = True, **options: object
) -> AsyncIterator[tuple[Introspector, Told]]:
    secret = folder / "secret"
    secret.write_text(CLIENT_SECRET)
    secret.chmod(0o600)
    proof = {} if "key_file" in options else {"secret_file": str(secret)}
    rules = Introspection(
        **{
            "url": url or f"{server.url}/introspect",
            "client_id": CLIENT_ID,
            "timeout_seconds": 5.0,
            **proof,
            **options,
        }
    )
    location = KeyLocation(
        origin=KeyOrigin.DISCOVERY,
        place=server.url,
        allow_http=opened,
        allow_private_addresses=opened,
    )
    issuer = make_issuer(name="corp", issuer=server.url, keys=location, introspection=rules)
    told = Told()
    introspector = Introspector(issuer, rules, told=told)
    try:
        yield introspector, told
    finally:
        await introspector.close()


async def test_a_signed_assertion_is_proof(server: IssuingServer, tmp_path: Path) -> None:
    """private_key_jwt, with a new assertion for each question."""
    key = ec_key("client")
    file = tmp_path / "key.pem"
    file.write_bytes(key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(0o600)
    server.client_key = key.private.public_key()
    async with introspecting(server, tmp_path, key_file=str(file), key_id="client") as (introspector, told):
        assert await introspector.ask("made-up", b"1") is None
        assert await introspector.ask(server.opaque_token(), b"2") is None
    assert told.outcomes == [Introspected.INACTIVE, Introspected.ACTIVE]
    assert len(set(server.proofs)) == 2


async def test_a_wrong_secret_and_a_missing_file_are_said(server: IssuingServer, tmp_path: Path) -> None:
    """Ours is the mistake; nothing is remembered of the token."""
    async with introspecting(server, tmp_path) as (introspector, told):
        (tmp_path / "secret").write_text("wrong")
        assert "answered 401" in str(await introspector.ask("t", b"1"))
        (tmp_path / "secret").unlink()
        assert "secret: does not exist" in str(await introspector.ask("t", b"1"))
        with pytest.raises(Denied) as caught:
            introspector.tokens.verify("t", b"1", make_issuer(), time.time())
        assert caught.value.reason is Reason.INTROSPECTION_UNAVAILABLE
    assert told.outcomes == [Introspected.FAILED] * 2


async def test_a_private_address_or_plain_http_is_refused(server: IssuingServer, tmp_path: Path) -> None:
    """Tokens are shown to nobody whom the policy does not open the way to."""
    async with introspecting(server, tmp_path, opened=False) as (introspector, _):
        assert "expected `https`" in str(await introspector.ask("t", b"1"))
    url = server.url.replace("http:", "https:")
    async with introspecting(server, tmp_path, url=f"{url}/introspect", opened=False) as (introspector, _):
        assert "is not a public address" in str(await introspector.ask("t", b"1"))
    assert server.asked["/introspect"] == 0


async def test_a_redirect_takes_the_token_nowhere(server: IssuingServer, tmp_path: Path) -> None:
    """307 would have it sent on as it is."""
    asked: list[str] = []

    async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n")).decode())
        writer.write(
            f"HTTP/1.1 307 Elsewhere\r\nlocation: {server.url}/introspect\r\ncontent-length: 0\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(redirecting, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with (
        listening,
        introspecting(server, tmp_path, url=f"http://127.0.0.1:{port}/") as (introspector, _),
    ):
        assert "answered 307" in str(await introspector.ask("t", b"1"))
    assert (len(asked), server.asked["/introspect"]) == (1, 0)


async def test_one_token_is_asked_about_once_and_many_within_bounds(
    server: IssuingServer, tmp_path: Path
) -> None:
    """Single flight for each token, and no more tokens at a time than are allowed."""
    server.delay_seconds = 0.05
    async with introspecting(server, tmp_path) as (introspector, told):
        token = server.opaque_token()
        assert await asyncio.gather(*(introspector.ask(token, b"same") for _ in range(50))) == [None] * 50
        assert told.outcomes == [Introspected.ACTIVE]
        flood = await asyncio.gather(
            *(introspector.ask(f"made-up-{n}", b"%d" % n) for n in range(MOST_WAITING + 44))
        )
    assert sum(answer is not None and "already" in answer for answer in flood) == 44
    assert told.outcomes.count(Introspected.SHED) == 44
    assert server.asked["/introspect"] <= 1 + MOST_WAITING


async def test_a_check_that_is_given_up_leaves_the_answer_to_the_others(
    server: IssuingServer, tmp_path: Path
) -> None:
    """The question goes on."""
    server.delay_seconds = 0.1
    async with introspecting(server, tmp_path) as (introspector, told):
        token = server.opaque_token()
        first = asyncio.create_task(introspector.ask(token, b"1"))
        second = asyncio.create_task(introspector.ask(token, b"1"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second is None
    assert told.outcomes == [Introspected.ACTIVE]


async def test_a_slow_endpoint_is_given_up_in_time(server: IssuingServer, tmp_path: Path) -> None:
    """And what it says later is nobody's answer."""
    server.delay_seconds = 0.4
    async with introspecting(server, tmp_path, timeout_seconds=0.1) as (introspector, _):
        began = time.monotonic()
        assert "within 0.1 s" in str(await introspector.ask("t", b"1"))
        assert time.monotonic() - began < 0.35


async def test_a_new_policy_keeps_what_is_known_unless_the_issuer_has_changed(tmp_path: Path) -> None:
    """Answers belong to an issuer as it was configured when they were given."""
    rules = Introspection(url="https://x.example", client_id="us", secret_file="secret")
    same = make_issuer(name="corp", introspection=rules)
    introspectors = Introspectors(told=Told())
    introspectors.adopt({"corp": same, "plain": make_issuer(name="plain")})
    before = introspectors.tokens
    assert set(before) == {"corp"}
    introspectors.adopt({"corp": make_issuer(name="corp", introspection=rules)})
    assert introspectors.tokens["corp"] is before["corp"]
    introspectors.adopt({"corp": make_issuer(name="corp", introspection=rules, groups_claim="roles")})
    assert introspectors.tokens["corp"] is not before["corp"]
    await introspectors.close()
    assert introspectors.tokens == {}
