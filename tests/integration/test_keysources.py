"""Key sources against a real issuer over HTTP and HTTPS on the loopback interface."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from authz.identity.issuer import Issuer, KeyLocation, KeyOrigin
from authz.keysources.fetch import FetchError, FetchRules, fetch_document
from authz.keysources.keysources import KeySources
from authz.keysources.schedule import Schedule
from tests.tokens import ISSUER, SigningKey, ec_key, jwks, make_issuer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SOON = Schedule(first_retry=0.01, demand_interval=3_600.0, demand_burst=1)
OFTEN = 0.02


class LocalIssuer:
    """A small issuer whose answers a test can change; it counts what it is asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: tuple[SigningKey, ...] = (ec_key("first"),)
        self.document: dict[str, object] = {"issuer": ISSUER, "jwks_uri": f"{url}/keys"}
        self.override: Handler | None = None
        self.cache_control: str | None = None
        self.asked: list[tuple[str, int]] = []
        self._news = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        response = await self._answer(request)
        self.asked.append((request.path, response.status))
        self._news.set()
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.override is not None:
            return await self.override(request)
        if request.path == "/.well-known/openid-configuration":
            return web.json_response(self.document)
        body = jwks(*self.keys)
        etag = f'"{"-".join(key.kid for key in self.keys)}"'
        headers = {"etag": etag}
        if self.cache_control:
            headers["cache-control"] = self.cache_control
        if request.headers.get("if-none-match") == etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)

    async def answers(self, path: str, status: int, count: int = 1) -> None:
        """Wait until it has answered so, `count` times in all."""
        while self.asked.count((path, status)) < count:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 10)


@contextlib.asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[LocalIssuer]:
    """A local issuer on a free port of 127.0.0.1."""
    holder: list[LocalIssuer] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        return await holder[0].handle(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    holder.append(LocalIssuer(f"{'https' if tls else 'http'}://127.0.0.1:{port}"))
    try:
        yield holder[0]
    finally:
        await runner.cleanup()


@pytest.fixture
async def local() -> AsyncIterator[LocalIssuer]:
    async with serving() as issuer:
        yield issuer


class Changes:
    """Counts the calls of `on_change` and lets a test wait for the next."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._event.set()

    async def next(self) -> None:
        await asyncio.wait_for(self._event.wait(), 10)
        self._event.clear()


def at(url: str, origin: KeyOrigin = KeyOrigin.URL, *, every: float = OFTEN, **location: object) -> Issuer:
    opened = {"allow_http": True, "allow_private_addresses": True, **location}
    return make_issuer(keys=KeyLocation(origin=origin, place=url, refresh_seconds=every, **opened))


@contextlib.asynccontextmanager
async def running(
    issuer: Issuer, schedule: Schedule = SOON, **options: object
) -> AsyncIterator[tuple[KeySources, Changes]]:
    changes = Changes()
    sources = KeySources(on_change=changes, schedule=schedule, **options)
    await sources.start({issuer.name: issuer}, {})
    try:
        yield sources, changes
    finally:
        await sources.stop()


def kids(sources: KeySources) -> set[str | None]:
    return {key.kid for key in sources.key_sets["okta"].keys}


def error_of(sources: KeySources) -> str:
    (status,) = sources.status
    return status.last_error or ""


def opened(**rules: object) -> FetchRules:
    return FetchRules(**{"allow_http": True, "allow_private_addresses": True, **rules})


async def test_a_private_address_is_refused_unless_allowed(local: LocalIssuer) -> None:
    """The loopback interface is not an issuer, whatever the configuration or a document says."""
    async with running(at(f"{local.url}/keys", allow_private_addresses=False, every=3_600)) as (sources, _):
        assert sources.key_sets == {}
        assert "127.0.0.1 is not a public address" in error_of(sources)
        assert local.asked == []


async def test_a_name_that_resolves_to_a_private_address_is_refused(local: LocalIssuer) -> None:
    """The address that is connected to is judged, not the name (DNS rebinding)."""
    url = local.url.replace("127.0.0.1", "localhost")
    with pytest.raises(FetchError, match="is not a public address"):
        await fetch_document(f"{url}/keys", FetchRules(allow_http=True))
    assert local.asked == []


@pytest.mark.parametrize("literal", ["2130706433", "127.1", "0x7f000001", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_other_spellings_of_loopback_are_refused(local: LocalIssuer, literal: str) -> None:
    """A number, a short form or a mapped address is the same address."""
    with pytest.raises(FetchError):
        await fetch_document(local.url.replace("127.0.0.1", literal) + "/keys", FetchRules(allow_http=True))
    assert local.asked == []


async def test_plain_http_is_refused_unless_allowed(local: LocalIssuer) -> None:
    """Keys over plain HTTP are anybody's keys."""
    with pytest.raises(FetchError, match="expected `https`"):
        await fetch_document(f"{local.url}/keys", FetchRules(allow_private_addresses=True))


async def test_a_redirect_is_refused(local: LocalIssuer) -> None:
    """A redirect leads where nobody configured."""

    async def redirect(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"location": f"{local.url}/elsewhere"})

    local.override = redirect
    async with running(at(f"{local.url}/keys", every=3_600)) as (sources, _):
        assert "redirects are not followed" in error_of(sources)
        assert all(path == "/keys" for path, _ in local.asked)


@pytest.mark.parametrize("said", [ISSUER + "/", ISSUER.upper(), "https://evil.example", None, 7])
async def test_a_discovery_document_of_another_issuer_is_refused(local: LocalIssuer, said: object) -> None:
    """The document must name our issuer byte for byte, or one issuer could speak for another."""
    local.document["issuer"] = said
    async with running(at(local.url, KeyOrigin.DISCOVERY, every=3_600)) as (sources, _):
        assert sources.key_sets == {}
        assert f"`issuer` is not `{ISSUER}`" in error_of(sources)


async def test_a_jwks_uri_is_held_to_the_same_rules(local: LocalIssuer) -> None:
    """What a discovery document names is fetched no more freely than what the configuration names."""
    local.document["jwks_uri"] = "ftp://127.0.0.1/keys"
    async with running(at(local.url, KeyOrigin.DISCOVERY, every=3_600)) as (sources, _):
        assert sources.key_sets == {}
        assert "expected `https`" in error_of(sources)


async def test_a_huge_document_is_refused(local: LocalIssuer) -> None:
    """The reading stops at the bound, also when no length was announced."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                await response.write(b" " * 65_536)
        return response

    local.override = endless
    with pytest.raises(FetchError, match="larger than 1048576 bytes"):
        await fetch_document(f"{local.url}/keys", opened())


async def test_a_slow_document_is_given_up(local: LocalIssuer) -> None:
    """A drip of bytes does not hold the refresh for longer than its time."""
    released = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await response.write(b"{")
            await released.wait()
        return response

    local.override = slow
    with pytest.raises(FetchError, match=r"no complete answer within 0\.2 s"):
        await fetch_document(f"{local.url}/keys", opened(total_seconds=0.2))
    released.set()


async def test_a_compressed_document_is_refused(local: LocalIssuer) -> None:
    """A small compressed body could be huge."""

    async def compressed(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8b", headers={"content-encoding": "gzip"})

    local.override = compressed
    with pytest.raises(FetchError, match="compressed"):
        await fetch_document(f"{local.url}/keys", opened())


@pytest.mark.parametrize("status", [201, 204, 304, 400, 404, 500])
async def test_any_other_status_is_a_failure(local: LocalIssuer, status: int) -> None:
    """Only 200 brings keys, and 304 only to a question that named an ETag."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    local.override = answer
    with pytest.raises(FetchError, match=f"answered {status}"):
        await fetch_document(f"{local.url}/keys", opened())


async def test_keys_rotate_and_the_change_is_announced(local: LocalIssuer) -> None:
    """A new key set replaces the old one, and the app is told."""
    async with running(at(local.url, KeyOrigin.DISCOVERY)) as (sources, changes):
        assert kids(sources) == {"first"}
        local.keys = (ec_key("first"), ec_key("second"))
        await changes.next()
        assert kids(sources) == {"first", "second"}


async def test_an_unchanged_key_set_is_asked_for_by_etag_and_announces_nothing(local: LocalIssuer) -> None:
    """Equal keys stay the same object, so that no memory is lost without need."""
    async with running(at(f"{local.url}/keys")) as (sources, changes):
        before = sources.key_sets["okta"]
        await local.answers("/keys", 304, count=2)
        assert sources.key_sets["okta"] is before
        assert changes.count == 0


async def test_keys_that_move_are_followed(local: LocalIssuer) -> None:
    """The discovery document names another URL: its keys count, and an ETag from elsewhere says nothing."""
    async with running(at(local.url, KeyOrigin.DISCOVERY)) as (sources, changes):
        await local.answers("/keys", 304)
        local.document["jwks_uri"] = f"{local.url}/moved"
        await local.answers("/moved", 200)
        assert kids(sources) == {"first"}
        local.keys = (ec_key("second"),)
        await changes.next()
        assert kids(sources) == {"second"}


async def test_keys_replaced_under_the_same_kid_are_a_change(local: LocalIssuer) -> None:
    """Some issuers rotate without a new key id."""
    async with running(at(f"{local.url}/keys")) as (sources, changes):
        before = sources.key_sets["okta"]

        async def replaced(_: web.Request) -> web.StreamResponse:
            return web.Response(body=jwks(ec_key("second").jwk(kid="first")))

        local.override = replaced
        await changes.next()
        assert kids(sources) == {"first"}
        assert sources.key_sets["okta"] != before


async def test_an_outage_keeps_the_last_good_keys_and_is_reported(local: LocalIssuer) -> None:
    """An issuer that is down or answers nonsense takes nothing away; recovery clears the error."""

    async def nonsense(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>maintenance</html>")

    async with running(at(f"{local.url}/keys")) as (sources, changes):
        before = sources.key_sets["okta"]
        local.override = nonsense
        await local.answers("/keys", 200, count=4)
        (status,) = sources.status
        assert sources.key_sets["okta"] is before
        assert status.failures >= 1
        assert status.last_error is not None
        assert "not JSON" in status.last_error
        assert status.last_success is not None
        local.override = None
        local.keys = (ec_key("second"),)
        await changes.next()
        (status,) = sources.status
        assert status.last_error is None
        assert kids(sources) == {"second"}


async def test_an_issuer_that_is_down_at_first_is_found_later(local: LocalIssuer) -> None:
    """Starting does not wait for an issuer for ever, and does not forget it."""

    async def down(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    local.override = down
    async with running(at(f"{local.url}/keys")) as (sources, changes):
        assert [status.name for status in sources.missing] == ["okta"]
        local.override = None
        await changes.next()
        assert sources.missing == ()


async def test_an_unknown_key_has_the_keys_looked_for_and_waits_for_the_answer(local: LocalIssuer) -> None:
    """When the wait is over, the new keys are in force: the check that waited finds them."""
    async with running(at(f"{local.url}/keys", every=3_600)) as (sources, changes):
        local.keys = (ec_key("second"),)
        assert sources.may_look_again("okta", b"?second")
        assert await sources.look_again("okta", b"?second", 10.0) is True
        assert (kids(sources), changes.count) == ({"second"}, 1)
        assert not sources.may_look_again("okta", b"?second")
        assert await sources.look_again("nobody", b"?second", 10.0) is False


async def test_a_look_that_somebody_waits_for_takes_the_short_way(local: LocalIssuer) -> None:
    """Straight to where the keys were; if they are not there any more, by the discovery document."""
    async with running(at(local.url, KeyOrigin.DISCOVERY, every=3_600), Schedule()) as (sources, _):
        del local.asked[:]
        local.keys = (ec_key("second"),)
        assert await sources.look_again("okta", b"?second", 10.0) is True
        assert [path for path, _ in local.asked] == ["/keys"]
        local.keys = (ec_key("third"),)
        local.document["jwks_uri"] = f"{local.url}/moved"

        async def gone(request: web.Request) -> web.StreamResponse:
            if request.path == "/moved":
                return web.Response(body=jwks(*local.keys))
            if request.path == "/keys":
                return web.Response(status=404)
            return web.json_response(local.document)

        local.override = gone
        assert await sources.look_again("okta", b"?third", 10.0) is True
        assert kids(sources) == {"third"}


async def test_a_flood_of_unknown_keys_becomes_one_request(local: LocalIssuer) -> None:
    """Those that ask together share the answer; made-up keys beyond the permits are not looked for at all."""
    async with running(at(f"{local.url}/keys", every=3_600)) as (sources, _):
        together = await asyncio.gather(*(sources.look_again("okta", b"?%d" % n, 10.0) for n in range(1_000)))
        assert together.count(True) == SOON.most_waiting
        later = [await sources.look_again("okta", b"?later%d" % n, 10.0) for n in range(1_000)]
        assert not any(later)
        assert not sources.may_look_again("okta", b"?later")
        assert len(local.asked) == 2


async def test_an_answer_that_was_asked_for_before_settles_nothing(local: LocalIssuer) -> None:
    """The issuer may have taken the key into use while its older answer was under way."""
    released, asked = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        body = jwks(*local.keys)
        asked.set()
        await released.wait()
        return web.Response(body=body)

    schedule = Schedule(demand_burst=2)
    async with running(at(f"{local.url}/keys", every=3_600), schedule) as (sources, _):
        local.override = slow
        first = asyncio.create_task(sources.look_again("okta", b"?other", 10.0))
        await asyncio.wait_for(asked.wait(), 10)
        local.keys = (ec_key("second"),)
        second = asyncio.create_task(sources.look_again("okta", b"?second", 10.0))
        await asyncio.sleep(0)
        released.set()
        assert await first is True
        assert await second is True
        assert kids(sources) == {"second"}
        assert len(local.asked) == 3


async def test_a_look_that_takes_too_long_is_not_waited_for(local: LocalIssuer) -> None:
    """The check is denied in time; the look goes on, and what it brings is there for the next one."""
    released = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response(body=jwks(ec_key("second")))

    async with running(at(f"{local.url}/keys", every=3_600)) as (sources, changes):
        local.override = slow
        assert await sources.look_again("okta", b"?second", 0.05) is False
        released.set()
        await changes.next()
        assert kids(sources) == {"second"}


async def test_a_new_policy_keeps_what_is_unchanged(local: LocalIssuer) -> None:
    """An issuer whose keys are in the same place keeps them without a new request; a new one is fetched."""
    same = at(f"{local.url}/keys", every=3_600)
    async with running(same) as (sources, changes):
        before = sources.key_sets["okta"]
        wider = make_issuer(keys=same.keys, audiences=frozenset({"api://other"}))
        other = make_issuer(name="entra", issuer="https://entra.example", keys=same.keys)
        prepared = await sources.prepare({"okta": wider, "entra": other}, {})
        assert set(sources.key_sets) == {"okta"}
        sources.adopt(prepared)
        assert sources.key_sets["okta"] is before
        assert set(sources.key_sets) == {"okta", "entra"}
        assert len(local.asked) == 2
        assert changes.count == 0
        sources.adopt(await sources.prepare({}, {}))
        assert sources.key_sets == {}


async def test_an_issuer_of_another_iss_starts_without_the_old_keys(local: LocalIssuer) -> None:
    """A changed issuer under an old name must not inherit what the old one vouched for."""
    same = at(f"{local.url}/keys", every=3_600)
    async with running(same) as (sources, _):

        async def down(_: web.Request) -> web.StreamResponse:
            return web.Response(status=503)

        local.override = down
        prepared = await sources.prepare(
            {"okta": make_issuer(issuer="https://x.example", keys=same.keys)}, {}
        )
        assert prepared.key_sets == {}
        assert "503" in str(prepared.missing[0].last_error)


async def test_tls_is_verified_against_the_named_roots(tmp_path: Path) -> None:
    """A certificate of an unknown authority is refused; with the authority's file the keys come."""
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with serving(context) as issuer:
        with pytest.raises(FetchError, match="not trusted"):
            await fetch_document(f"{issuer.url}/keys", opened(allow_http=False))
        with pytest.raises(FetchError, match="no CA certificates"):
            await fetch_document(f"{issuer.url}/keys", opened(ca_file=str(tmp_path / "none.pem")))
        fetched = await fetch_document(f"{issuer.url}/keys", opened(allow_http=False, ca_file=str(ca_file)))
        assert json.loads(fetched.body) == json.loads(jwks(ec_key("first")))


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    """The right authority is not enough: the certificate must be the host's."""
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("issuer.example").configure_cert(context)
    async with serving(context) as issuer:
        with pytest.raises(FetchError, match="not trusted"):
            await fetch_document(f"{issuer.url}/keys", opened(ca_file=str(ca_file)))


async def test_the_freshness_that_the_issuer_names_is_read(local: LocalIssuer) -> None:
    """`max-age` is kept, `no-store` is not."""
    local.cache_control = "public, max-age=1200"
    assert (await fetch_document(f"{local.url}/keys", opened())).max_age == 1_200
    local.cache_control = "no-store, max-age=1200"
    assert (await fetch_document(f"{local.url}/keys", opened())).max_age is None
