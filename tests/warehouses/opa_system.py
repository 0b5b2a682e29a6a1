"""A real Trino that asks Scopegate through its own OPA plugin, and people who reach it without Envoy."""

import contextlib
import http.client
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from authz.config.load import load_policy
from authz.edge.warehouses.trino import trino_files
from tests.integration.scopegate_server import Scopegate
from tests.signingkeys import ec_pem, write_key
from tests.tokens import jwks, rsa_key
from tests.warehouses import acme
from tests.warehouses.trino_process import TrinoProcess, wait_for_workers

LOADER = "loader"
MOMENT = "2026-01-02T00:00:00.000600Z"
"""Since when the people of `late` see what was seen; no millisecond."""

POLICY = """\
version: 1
issuers:
  okta: {{issuer: https://issuer.example, audiences: [api://warehouse], groups_claim: groups, jwks_file: jwks.json}}
assertion: {{keys: [signing.pem], issuer: "https://edge.example"}}
dimensions:
  region: {{type: string}}
  ordered_at: {{type: date}}
  seen_at: {{type: timestamp}}
warehouses:
  lake:
    kind: trino
    routes: [{{prefix: /}}]
    upstream: http://trino:8080
    trino: {{opa: {{issuer: okta}}}}
    tables:
      lake.sales.orders:
        columns: {{region: region, ordered_at: ordered_at, seen_at: seen_at}}
        labels: {{email: pii, amount: financial, card: card, born: birth}}
      lake.sales.zoned:
        columns: {{region: region, ordered_at: ordered_at, seen_at: seen_at}}
      lake.sales.targets: {{columns: {{region: region}}, unfiltered: [ordered_at, seen_at]}}
      lake.sales.days: {{unfiltered: [region, ordered_at, seen_at]}}
      lake.sales.shown: {{columns: {{region: region}}, unfiltered: [ordered_at, seen_at]}}
grants:
  - id: emea
    to: {{groups: [emea, contractors]}}
    on: all
    scope: {{region: [EU, UK], ordered_at: all, seen_at: all}}
    clear: [financial]
    mask: {{pii: hash, card: last4, birth: year}}
  - {{id: us, to: {{groups: [us]}}, on: all, scope: {{region: [US], ordered_at: all, seen_at: all}}, clear: [financial, pii]}}
  - id: us-new-in-japan
    to: {{groups: [us]}}
    on: all
    scope: {{region: [JP], ordered_at: {{from: {since}}}, seen_at: all}}
    clear: [financial, pii]
  - id: late
    to: {{groups: [late]}}
    on: all
    scope: {{region: all, ordered_at: all, seen_at: {{from: "{moment}"}}}}
restrictions:
  - id: contractors-see-what-is-new
    to: {{groups: [contractors]}}
    scope: {{ordered_at: {{from: {since}}}}}
    hide: [pii]
    mask: {{financial: "null"}}
"""

_COLUMNS = (
    "id bigint, region varchar(8), ordered_at {day}, amount decimal(12,2), email varchar(40), card varchar(19),"
    " born date, seen_at {moment}"
)


class _Relay(ThreadingHTTPServer):
    """Lets the loader of the test's rows write, and passes everything else on to Scopegate, word for word."""

    def __init__(self, scopegate: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scopegate = scopegate
        self.seen: list[tuple[str, dict[str, Any]]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Relay

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(data)["input"]
        is_loader = asked["context"]["identity"]["user"] == LOADER
        # Whether others may read through the loader's views is for Scopegate to say.
        if is_loader and asked["action"]["operation"] != "CreateViewWithSelectFromColumns":
            status, answer = 200, json.dumps({"result": self._everything(asked["action"])}).encode()
        else:
            self.server.seen.append((self.path, asked))
            status, answer = _passed(self.server.scopegate, self.path, data)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _everything(self, action: Mapping[str, Any]) -> object:
        if self.path.endswith("/allow"):
            return True
        if not self.path.endswith("/batch"):
            return []
        listed = action["filterResources"]
        return list(
            range(len(listed[0]["table"]["columns"] if action["operation"] == "FilterColumns" else listed))
        )

    def log_message(self, *_: object) -> None:
        """Not to the test's output."""


def _passed(scopegate: str, path: str, data: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://{scopegate}{path}", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


class TrinoError(Exception):
    """What Trino said to a person."""


@dataclass(frozen=True, slots=True)
class OpaSystem:
    trino: TrinoProcess
    scopegate: Scopegate
    relay: _Relay
    directory: Path

    def query(self, user: str, statement: str, **headers: str) -> list[list[Any]]:
        """Trino's protocol by hand; `headers` as `time_zone="UTC"`. Raises `TrinoError`."""
        sent = {"X-Trino-User": user, "X-Trino-Catalog": "lake", "X-Trino-Schema": "sales"}
        sent |= {f"X-Trino-{name.replace('_', '-')}": value for name, value in headers.items()}
        rows: list[list[Any]] = []
        method, path, body = "POST", "/v1/statement", statement
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.trino.port, timeout=60)
            with contextlib.closing(connection):
                connection.request(method, path, body or None, sent)
                reply = connection.getresponse()
                text = reply.read().decode()
            if reply.status != 200:
                raise TrinoError(f"{reply.status}: {text[:300]}")
            answer = json.loads(text)
            if "error" in answer:
                raise TrinoError(answer["error"]["message"])
            rows += answer.get("data", [])
            if "nextUri" not in answer:
                return rows
            method, path, body = "GET", "/" + answer["nextUri"].partition("//")[2].partition("/")[2], ""

    def records(self) -> list[dict[str, Any]]:
        """The decisions that were recorded so far."""
        lines = map(json.loads, (self.directory / "audit.jsonl").read_text().splitlines())
        return [line for line in lines if line["kind"] == "decision"]


@contextlib.contextmanager
def opa_system(groups: Mapping[str, str]) -> Iterator[OpaSystem]:
    """`groups` are people and their group, as Trino's group provider knows them."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_key(directory / "signing.pem", ec_pem("opa-system"))
        (directory / "jwks.json").write_bytes(jwks(rsa_key()))
        policy = directory / "scopegate.yaml"
        policy.write_text(POLICY.format(since=acme.SINCE, moment=MOMENT))
        scopegate = stack.enter_context(
            Scopegate(policy, "--opa=127.0.0.1:0", f"--audit={directory / 'audit.jsonl'}")
        )
        listening = scopegate.wait_for("listening")
        scopegate.wait_for("ready")
        relay = _Relay(listening["opa"])
        serving = Thread(target=relay.serve_forever, daemon=True)
        serving.start()
        stack.callback(relay.server_close)
        stack.callback(relay.shutdown)
        loaded = load_policy(policy)
        files = trino_files(
            loaded,
            loaded.warehouses["lake"],
            "http://127.0.0.1:9/jwks.json",
            f"http://127.0.0.1:{relay.server_address[1]}",
        )
        of_group: dict[str, list[str]] = {}
        for person, group in groups.items():
            of_group.setdefault(group, []).append(person)
        (directory / "groups.txt").write_text(
            "".join(f"{group}:{','.join(people)}\n" for group, people in of_group.items())
        )
        etc = {
            "config.properties": "hide-inaccessible-columns=true\n",
            "access-control.properties": files["access-control-opa.properties"],
            "group-provider.properties": f"group-provider.name=file\nfile.group-file={directory / 'groups.txt'}\n",
        }
        home = Path(os.environ["TRINO_HOME"])
        plugins = [Path(os.environ["TRINO_OPA"]), home / "plugin" / "password-authenticators"]
        trino = stack.enter_context(TrinoProcess(etc, plugins=plugins))
        system = OpaSystem(trino, scopegate, relay, directory)
        _load(system)
        yield system


def _load(system: OpaSystem) -> None:
    plain = _COLUMNS.format(day="date", moment="timestamp(6)")
    zoned = _COLUMNS.format(day="timestamp(3) with time zone", moment="timestamp(6) with time zone")
    for statement in (
        "CREATE SCHEMA IF NOT EXISTS lake.sales",
        f"CREATE TABLE lake.sales.orders ({plain})",
        f"CREATE TABLE lake.sales.zoned ({zoned})",
        "CREATE TABLE lake.sales.targets (region varchar, quarter integer, amount bigint)",
        "CREATE TABLE lake.sales.days (day date)",
        "CREATE TABLE lake.sales.secrets (secret varchar)",
        "INSERT INTO lake.sales.secrets VALUES 'canary'",
        "INSERT INTO lake.sales.days VALUES " + ", ".join(f"DATE '{day}'" for day in acme.days()),
        "INSERT INTO lake.sales.targets VALUES "
        + ", ".join(f"('{t.region}', {t.quarter}, {t.amount})" for t in acme.targets()),
        "INSERT INTO lake.sales.orders VALUES " + ", ".join(_order(o, "") for o in acme.orders()),
        "INSERT INTO lake.sales.zoned VALUES " + ", ".join(_order(o, " UTC") for o in acme.orders()),
        "CREATE VIEW lake.sales.shown AS SELECT region, secret FROM lake.sales.secrets, lake.sales.targets",
    ):
        system.query(LOADER, statement)
    wait_for_workers(partial(system.query, LOADER, "SELECT secret FROM lake.sales.shown"))


def _order(order: acme.Order, zone: str) -> str:
    region = "NULL" if order.region is None else f"'{order.region}'"
    day = f"TIMESTAMP '{order.ordered_at} 00:00:00.000 UTC'" if zone else f"DATE '{order.ordered_at}'"
    return (
        f"({order.id}, {region}, {day}, DECIMAL '{order.amount:.2f}', '{order.email}', '4000-0000-0000-{order.id:04d}',"
        f" DATE '{order.ordered_at}', TIMESTAMP '{order.seen_at:%Y-%m-%d %H:%M:%S}.000000{zone}')"
    )
