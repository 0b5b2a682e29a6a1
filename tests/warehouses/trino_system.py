"""The whole way to a real Trino: client, Envoy, two Scopegate workers, Trino with the plugin, and rows in it."""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import trino.auth
import trino.dbapi

from authz.config.load import load_policy
from authz.edge.warehouses.trino import trino_files
from authz.policy.policyset import PolicySet, Warehouse
from authz.signing.jws import sign
from authz.signing.keys import SigningKeys, public_jwks
from tests.edge_counterparts import Answer
from tests.edge_counterparts import Warehouse as Published
from tests.envoy_process import short_directory
from tests.integration.whole_system import WholeSystem, whole_system
from tests.ports import free_port
from tests.signingkeys import ec_pem, one_key, write_key
from tests.warehouses import acme
from tests.warehouses.trino_process import TrinoProcess, wait_for_workers

_EXTRACTS = """\
  - id: extracts
    to: {{spiffe: ["spiffe://{trust_domain}/tableau/extract"]}}
    on: all
    scope: {{region: all, ordered_at: all}}
    clear: [financial, pii]
"""
POLICY = """\
version: 1
edge:
  public_url: https://edge.example
  certificate: {directory}/server.crt
  private_key: {directory}/server.key
  client_ca: {directory}/clients.pem
  scopegate: [{sockets}]
  admin: unix:{directory}/admin.sock
  per_address: 100000/s
  check_timeout: 5s
issuers:
  okta: {{issuer: "{issuer}", audiences: ["{audience}"], groups_claim: groups, jwks_file: "{directory}/jwks.json"}}
client_certificates:
  extracts: {{roots: "{directory}/clients.pem", identity: spiffe, trust_domain: {trust_domain}}}
assertion: {{keys: ["{key}"]}}
dimensions:
  region: {{type: string}}
  ordered_at: {{type: date}}
warehouses:
  lake:
    kind: trino
    routes: [{{prefix: /}}]
    upstream: "http://127.0.0.1:{trino}"
    user: {{qualified: true}}
    credentials: [bearer, {{basic: sub}}]
    tables:
      lake.sales.orders:
        columns: {{region: region, ordered_at: ordered_at}}
        labels: {{email: pii, amount: financial}}
      lake.sales.targets: {{columns: {{region: region}}, unfiltered: [ordered_at]}}
      lake.sales.days: {{unfiltered: [region, ordered_at]}}
      # Told apart by a column that is hidden from everybody.
      lake.sales.visits: {{columns: {{region: region}}, unfiltered: [ordered_at], labels: {{region: internal}}}}
      # The column that was meant is called otherwise by now.
      lake.sales.moved: {{columns: {{region: region}}, unfiltered: [ordered_at], labels: {{email: pii}}}}
""" + acme.RULES.replace("{", "{{").replace("}", "}}").replace("restrictions:", _EXTRACTS + "restrictions:")
TRUSTED = "loader"
_COLUMNS = (
    "id bigint, region varchar(8), ordered_at date, amount decimal(12,2), email varchar(64), paid boolean,"
    " seen_at timestamp(3)"
)


@dataclass(frozen=True, slots=True)
class TrinoSystem:
    edge: WholeSystem
    trino: TrinoProcess
    keys: SigningKeys

    def token(self, person: str, **changes: Any) -> str:
        return self.edge.token(person, acme.PEOPLE.get(person, "nobody"), **changes)

    def connect(
        self, person: str | None = None, *, auth: Any = None, **options: Any
    ) -> "trino.dbapi.Connection":
        """PyPI `trino`, as people use it: the token in `Authorization`."""
        given = (
            auth if auth is not None or person is None else trino.auth.JWTAuthentication(self.token(person))
        )
        return trino.dbapi.connect(
            **{
                "host": "localhost",
                "port": self.edge.envoy.port,
                "http_scheme": "https",
                "verify": str(self.edge.directory / "ca.pem"),
                "auth": given,
                "catalog": "lake",
                "schema": "sales",
                "max_attempts": 1,
                **options,
            }
        )

    def query(self, person: str, statement: str, **options: Any) -> list[list[Any]]:
        return self.connect(person, **options).cursor().execute(statement).fetchall()

    def inside(
        self,
        statement: str,
        *,
        user: str,
        subject: str | None = None,
        credential: str | None = None,
        **claims: Any,
    ) -> list[list[Any]]:
        """Past Envoy, at Trino's own port, with a login that the test signs: what an attacker inside could try."""
        headers = login(self.keys, user, subject, **claims)
        if credential is not None:
            headers["X-Trino-Extra-Credential"] = f"scope={credential}"
        return ask_inside(self.trino.port, statement, headers)

    def assertion(self, person: str, tables: dict[str, Any] | None = None, **changes: Any) -> str:
        """As Scopegate signs it, or as it never would."""
        now = int(time.time())
        shown = {"rows": "all", "sql": "TRUE", "hidden": [], "masked": {}}
        made: dict[str, Any] = {
            "iss": "https://edge.example", "aud": "lake", "sub": person, "iat": now, "exp": now + 60, "format": 1,
            "tables": {"lake.sales.orders": shown} if tables is None else tables,
        }  # fmt: skip
        keys, typ = changes.pop("keys", self.keys), changes.pop("typ", "scope+jwt")
        claims = {name: value for name, value in {**made, **changes}.items() if value is not None}
        return sign(claims, typ, keys)


def login(keys: SigningKeys, user: str, subject: str | None = None, **claims: Any) -> dict[str, str]:
    """Headers of somebody who has logged in at Trino itself, as `subject`, and asks as `user`."""
    now = int(time.time())
    made = {
        "iss": "https://edge.example",
        "aud": "lake/login",
        "sub": subject or user,
        "iat": now,
        "exp": now + 60,
    }
    token = sign({**made, **claims}, "JWT", keys)
    return {"Authorization": f"Bearer {token}", "X-Trino-User": user, "X-Forwarded-Proto": "https"}


class InsideError(Exception):
    """What Trino itself said."""


def ask_inside(port: int, statement: str, headers: dict[str, str]) -> list[list[Any]]:
    """Trino's protocol by hand, without TLS, as if Envoy asked."""
    rows: list[list[Any]] = []
    method, path, body = "POST", "/v1/statement", statement
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body.encode() or None, headers)
            reply = connection.getresponse()
            text = reply.read().decode()
        if reply.status != 200:
            raise InsideError(f"{reply.status}: {text[:500]}")
        answer = json.loads(text)
        if "error" in answer:
            raise InsideError(answer["error"]["message"])
        rows += answer.get("data", [])
        if "nextUri" not in answer:
            return rows
        method, path, body = "GET", "/" + answer["nextUri"].partition("//")[2].partition("/")[2], ""


@contextlib.contextmanager
def obedient_trino(policy: PolicySet, warehouse: Warehouse, keys: SigningKeys) -> Iterator[TrinoProcess]:
    """A Trino that is told of a warehouse, and nothing in front of it; these keys are published."""
    with Published() as published:
        answer = Answer(
            headers=(("content-type", "application/json"),), body=json.dumps(public_jwks(keys)).encode()
        )
        published.answer = lambda _: answer
        files = trino_files(policy, warehouse, f"http://127.0.0.1:{published.port}/jwks.json")
        files["access-control.properties"] += f"scopegate.trusted-users={TRUSTED}\n"
        with TrinoProcess(files) as process:
            yield process


@contextlib.contextmanager
def trino_system(hash_key: bytes = b"h" * 32) -> Iterator[TrinoSystem]:
    with contextlib.ExitStack() as stack:
        pem, port = ec_pem("trino-system"), free_port()
        directory = stack.enter_context(short_directory())
        key = write_key(directory / "signing.pem", pem)
        (directory / "hash.key").write_bytes(hash_key)
        edge = stack.enter_context(whole_system(policy_text=POLICY, key=str(key), trino=str(port)))
        policy = load_policy(edge.directory / "scopegate.yaml")
        jwks = f"http://127.0.0.1:{edge.operators[0]}/.well-known/jwks.json"
        files = trino_files(policy, policy.warehouses["lake"], jwks)
        files["access-control.properties"] += (
            f"scopegate.trusted-users={TRUSTED}\nscopegate.hash-key-file={directory / 'hash.key'}\n"
        )
        system = TrinoSystem(edge, stack.enter_context(TrinoProcess(files, port=port)), one_key(pem))
        _load(system)
        yield system


def _load(system: TrinoSystem) -> None:
    for statement in (
        "CREATE SCHEMA IF NOT EXISTS lake.sales",
        f"CREATE TABLE lake.sales.orders ({_COLUMNS})",
        "CREATE TABLE lake.sales.targets (region varchar, quarter integer, amount bigint)",
        "CREATE TABLE lake.sales.days (day date)",
        "CREATE TABLE lake.sales.secrets (secret varchar)",
        "CREATE TABLE lake.sales.visits AS SELECT id, region, paid FROM lake.sales.orders WITH NO DATA",
        "CREATE TABLE lake.sales.moved (region varchar, e_mail varchar)",
        "INSERT INTO lake.sales.moved VALUES ('EU', 'ann@example.com'), ('US', 'bob@example.com')",
        "INSERT INTO lake.sales.secrets VALUES 'canary'",
        f"INSERT INTO lake.sales.days VALUES {', '.join(f'DATE {_text(str(day))}' for day in acme.days())}",
        f"INSERT INTO lake.sales.targets VALUES {_rows([[t.region, t.quarter, t.amount] for t in acme.targets()])}",
        f"INSERT INTO lake.sales.orders VALUES {', '.join(_order(order) for order in acme.orders())}",
        "INSERT INTO lake.sales.visits SELECT id, region, paid FROM lake.sales.orders",
    ):
        # One of them reads what another has written.
        wait_for_workers(partial(system.inside, statement, user=TRUSTED))


def _order(order: acme.Order) -> str:
    region = "NULL" if order.region is None else _text(order.region)
    return (
        f"({order.id}, {region}, DATE '{order.ordered_at}', DECIMAL '{order.amount:.2f}', {_text(order.email)}, {order.paid},"
        f" TIMESTAMP '{order.seen_at:%Y-%m-%d %H:%M:%S}')"
    )


def _rows(rows: Sequence[Sequence[Any]]) -> str:
    return ", ".join(
        "(" + ", ".join(_text(v) if isinstance(v, str) else str(v) for v in row) + ")" for row in rows
    )


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
