"""clickhouse-jdbc, the driver behind Tableau's connector: its old client and its new one, through the real Envoy.

Where the drivers are, the Makefile says (`make test-clickhouse-jdbc`): CLICKHOUSE_JDBC is a directory of jars, JAVA_25 a JDK.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from authz.rendering.targets.clickhouse import SETTING
from tests.integration.whole_system import WholeSystem
from tests.warehouses.clickhouse_system import clickhouse_system

VERSIONS = ("0.9.4", "0.7.2")
REGIONS = "query:SELECT region FROM sales.orders ORDER BY id"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSystem]:
    with clickhouse_system(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


def jdbc(
    system: WholeSystem, version: str, connections: list[Mapping[str, str]], *commands: str
) -> list[list[str]]:
    """For each connection, which says its own properties, the lines that a person would read."""
    jars = Path(os.environ["CLICKHOUSE_JDBC"])
    arguments: list[str] = []
    for properties in connections:
        given = {"sslrootcert": str(system.directory / "ca.pem"), "sslmode": "STRICT", **properties}
        arguments += ["++"] if arguments else []
        arguments += [
            f"jdbc:clickhouse:https://localhost:{system.envoy.port}/sales",
            *(f"{name}={value}" for name, value in given.items()),
            "--",
            *commands,
        ]
    run = subprocess.run(
        [
            str(Path(os.environ["JAVA_25"]) / "bin" / "java"),
            "-cp",
            os.pathsep.join(map(str, [jars / f"clickhouse-jdbc-{version}-all.jar", *jars.glob("slf4j-api-*.jar")])),
            str(Path(__file__).parent / "java" / "Jdbc.java"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == len(connections) * len(commands), run.stdout
    return [lines[at : at + len(commands)] for at in range(0, len(lines), len(commands))]


def _password(system: WholeSystem, person: str, group: str, **more: str) -> dict[str, str]:
    return {"user": person, "password": system.token(person, group), **more}


@pytest.mark.parametrize("version", VERSIONS)
def test_three_people_have_three_answers(system: WholeSystem, version: str) -> None:
    """The token being the password; with answers packed as the driver asks for them; prepared, and by name."""
    ann, bob, eve = jdbc(
        system,
        version,
        [
            _password(system, "ann", "analysts-emea"),
            _password(system, "bob", "analysts-us"),
            _password(system, "eve", "nobody"),
        ],
        REGIONS,
        "prepared:SELECT count() FROM sales.orders WHERE region = ?|US",
        "columns:.sales.orders",
        "valid",
    )
    assert ann == ["ok EU,UK", "ok 0", "ok id,region", "ok true"]
    assert bob == ["ok US,US", "ok 2", "ok id,region", "ok true"]
    for line in eve[:3]:
        assert line.startswith("error Code: 497. DB::Exception: No grant applies: no_grant (decision "), line


@pytest.mark.parametrize("version", VERSIONS)
def test_a_denial_is_read_with_its_reason_and_decision(system: WholeSystem, version: str) -> None:
    """Also where it is the token, and nothing that the driver has wrapped around it hides that."""
    token = system.token("ann", "analysts-emea")
    expired = system.token("ann", "analysts-emea", iat=1, nbf=1, exp=2)
    (good,) = jdbc(
        system,
        version,
        [{"user": "ann", "password": token}],
        "query:SELECT * FROM sales.other",
        "query:SELECT count() FROM sales.orders SETTINGS readonly = 0",
        "query:SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')",
    )
    for line, reason in zip(good, ("table_denied", "statement_denied", "function_denied"), strict=True):
        assert line.startswith("error Code: 497. DB::Exception: "), line
        assert f": {reason} (decision " in line
        assert "canary" not in line
    ended, other = jdbc(
        system,
        version,
        [{"user": "ann", "password": expired}, {"user": "bob", "password": token}],
        REGIONS,
    )
    assert "Code: 516. DB::Exception: The token has expired: token_expired (decision " in ended[0]
    assert "token_user_mismatch" in other[0]


@pytest.mark.parametrize(
    ("version", "connections"),
    [
        (
            "0.9.4",
            [
                {"http_header_X-ClickHouse-User": "default"},
                {"http_header_X-ClickHouse-Key": "x"},
                {"client_name": "tableau", "roles": "admin", "session_id": "s"},
                {"clickhouse_setting_session_id": "s", "clickhouse_setting_async_insert": "1"},
                {"compress": "false", "clickhouse_setting_join_use_nulls": "1", "max_execution_time": "10"},
            ],
        ),
        (
            "0.7.2",
            [
                {"custom_http_headers": "X-ClickHouse-User=default,X-ClickHouse-Quota=q"},
                {"session_id": "s", "client_name": "tableau", "remember_last_set_roles": "true"},
                {"custom_http_params": "session_id=s,join_use_nulls=1", "compress": "0"},
            ],
        ),
    ],
)
def test_what_a_workbook_sets_widens_nothing(
    system: WholeSystem, version: str, connections: list[dict[str, str]]
) -> None:
    """Whoever writes the connection may set any of these, and has the rows of the person."""
    ann = _password(system, "ann", "analysts-emea")
    answers = jdbc(system, version, [{**ann, **each} for each in connections], REGIONS)
    assert answers == [["ok EU,UK"]] * len(connections)


@pytest.mark.parametrize(
    ("version", "connections"),
    [
        (
            "0.9.4",
            [
                {"clickhouse_setting_readonly": "0"},
                {f"clickhouse_setting_{SETTING}": "x"},
                {"clickhouse_setting_session_timezone": "Pacific/Kiritimati"},
                {"clickhouse_setting_additional_table_filters": "{}"},
                {"clickhouse_setting_max_threads": "4"},
            ],
        ),
        (
            "0.7.2",
            [
                {"custom_http_params": "user=default"},
                {"custom_http_params": "role=admin"},
                {"custom_settings": "readonly=0"},
                {"custom_settings": f"{SETTING}=x"},
            ],
        ),
    ],
)
def test_other_parameters_are_refused_and_reach_nobody(
    system: WholeSystem, version: str, connections: list[dict[str, str]]
) -> None:
    """With the driver's error, by reason."""
    ann = _password(system, "ann", "analysts-emea")
    system.warehouse.seen.clear()
    for (line,) in jdbc(system, version, [{**ann, **each} for each in connections], REGIONS):
        assert line.startswith("error Code: 497. DB::Exception: "), line
        assert ": parameter_denied (decision " in line
    assert system.warehouse.seen == []


def test_the_new_client_takes_a_token_without_a_user(system: WholeSystem) -> None:
    """`bearer_token`; one that is no token is said to be none."""
    token = system.token("ann", "analysts-emea")
    right, wrong = jdbc(system, "0.9.4", [{"bearer_token": token}, {"bearer_token": token[:-4] + "AAAA"}], REGIONS)  # fmt: skip
    assert right == ["ok EU,UK"]
    assert "Code: 516. DB::Exception: " in wrong[0]
    assert "token_signature_invalid" in wrong[0]


def test_a_statement_that_the_driver_packs_cannot_be_examined(system: WholeSystem) -> None:
    """`decompress` is for what the driver sends: off by itself, refused where somebody turns it on."""
    packed = {"0.9.4": "true", "0.7.2": "1"}
    for version, on in packed.items():
        ann = _password(system, "ann", "analysts-emea", decompress=on)
        ((line,),) = jdbc(system, version, [ann], REGIONS)
        assert "statement_malformed" in line
