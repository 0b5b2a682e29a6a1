"""trino-jdbc, the driver behind Tableau's connectors, through the real Envoy to a real Trino."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12
from cryptography.x509 import load_pem_x509_certificate

from tests.warehouses import acme
from tests.warehouses.trino_system import TrinoSystem, trino_system

ORDERS = list(acme.orders())
COUNT = "query:SELECT count(*) FROM lake.sales.orders"


@pytest.fixture(scope="module")
def system() -> Iterator[TrinoSystem]:
    with trino_system() as started:
        yield started


def jdbc(system: TrinoSystem, properties: dict[str, str], *commands: str) -> list[str]:
    """A line for each command, as a person would read it."""
    java = Path(os.environ["JAVA_25"]) / "bin" / "java"
    given = {"SSLTrustStorePath": str(system.edge.directory / "ca.pem"), **properties}
    run = subprocess.run(
        [
            str(java),
            *("-cp", os.environ["TRINO_JDBC"], str(Path(__file__).parent / "java" / "Jdbc.java")),
            f"jdbc:trino://localhost:{system.edge.envoy.port}/lake/sales?SSL=true",
            *(f"{name}={value}" for name, value in given.items()),
            "--",
            *commands,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def mine(person: str) -> int:
    return sum(acme.may_see(person, order) for order in ORDERS)


def test_an_access_token_is_the_person(system: TrinoSystem) -> None:
    """Rows, prepared statements, metadata without what is closed or hidden, and whether the connection is good."""
    eu = sum(order.region == "EU" and acme.may_see("carlos", order) for order in ORDERS)
    said = jdbc(
        system,
        {"accessToken": system.token("carlos")},
        COUNT,
        "prepared:SELECT count(*) FROM orders WHERE region = ?|EU",
        "tables:lake.sales",
        "columns:lake.sales.orders",
        "query:SELECT current_user",
        "valid",
    )
    assert said == [
        f"ok {mine('carlos')}",
        f"ok {eu}",
        "ok days,moved,orders,targets,visits",
        "ok id,region,ordered_at,amount,paid,seen_at",
        "ok okta:carlos",
        "ok true",
    ]


def test_the_token_may_be_the_password(system: TrinoSystem) -> None:
    """With the user that it is for, and no other."""
    token = system.token("uma")
    assert jdbc(system, {"user": "uma", "password": token}, COUNT) == [f"ok {mine('uma')}"]
    (said,) = jdbc(system, {"user": "emma", "password": token}, COUNT)
    assert said.startswith("error")
    assert "token_user_mismatch" in said


def test_a_client_certificate_is_the_machine(system: TrinoSystem) -> None:
    """From a PKCS #12 store, as the driver takes it."""
    system.edge.client("jdbc", "spiffe://acme.example/tableau/extract")
    certificate = load_pem_x509_certificate((system.edge.directory / "jdbc.crt").read_bytes())
    key = load_pem_private_key((system.edge.directory / "jdbc.key").read_bytes(), None)
    store = system.edge.directory / "jdbc.p12"
    store.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"jdbc", key, certificate, None, BestAvailableEncryption(b"changeit")
        )  # type: ignore[arg-type]
    )
    properties = {
        "SSLKeyStorePath": str(store),
        "SSLKeyStorePassword": "changeit",
        "SSLKeyStoreType": "PKCS12",
    }
    assert jdbc(system, properties, COUNT) == [f"ok {len(ORDERS)}"]


def test_a_denial_is_read_with_its_reason_and_decision_and_nothing_else(system: TrinoSystem) -> None:
    """At once: a driver that tried again would keep a person waiting for two minutes."""
    (said,) = jdbc(system, {"accessToken": system.token("stranger")}, COUNT)
    assert said.startswith("error Query failed (#")
    assert "Access Denied: No grant applies: no_grant (decision " in said
    (said,) = jdbc(system, {"accessToken": system.token("emma", iat=1, nbf=1, exp=2)}, COUNT)
    assert said.startswith("error Authentication failed: The token has expired: token_expired (decision ")


def test_what_a_workbook_sets_widens_nothing(system: TrinoSystem) -> None:
    """Whoever writes the connection may set any of these."""
    token = system.token("carlos")
    for properties in (
        {"sessionUser": "loader"},
        {"extraCredentials": "scope:eyJ.eyJ.x"},
        {"roles": "system:admin"},
        {"sessionProperties": "query_max_run_time:1h"},
        {"timezone": "Pacific/Kiritimati"},
        {"clientTags": "admin"},
        {"encoding": "json"},
        {"source": "loader"},
    ):
        (said,) = jdbc(system, {"accessToken": token, **properties}, COUNT)
        assert said == f"ok {mine('carlos')}", properties
