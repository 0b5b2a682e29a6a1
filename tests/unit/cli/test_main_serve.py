"""Options of `scopegate serve`: refused with what was expected, also when they come from the environment."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from authz.audit.options import AuditSettings, AuditTarget
from authz.cli import serve as serve_module
from authz.cli.serve import serve, settings_of
from authz.settings import Settings
from authz.telemetry.logs import LogFormat
from authz.transport.addresses import TcpAddress, UnixAddress
from authz.workers.engines import EngineName


def _settings(*arguments: str, environment: dict[str, str] | None = None) -> Settings:
    """The settings of a command line, without running a server."""
    found: list[Settings] = []
    callback = serve.callback
    command = click.Command(
        "serve",
        params=serve.params,
        context_settings=serve.context_settings,
        callback=lambda **options: found.append(settings_of(options)),
    )
    assert callback is not None
    result = CliRunner(env=environment or {}).invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return found[0]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A file that exists."""
    file = tmp_path / "scopegate.yaml"
    file.write_text("version: 1\n")
    return file


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--policy"),
        (["--policy", "/nonexistent"], "does not exist"),
        (["--listen", "nowhere"], "expected `host:port` or `unix:/path`"),
        (["--http", "unix:/tmp/x"], "expected `host:port`"),
        (["--opa", "unix:/tmp/x"], "expected `host:port`"),
        (["--log-format", "xml"], "'xml' is not one of 'json', 'console'"),
        (["--drain-notice-seconds", "-1"], "not in the range"),
        (["--remember", "10"], "not in the range"),
        (["--traces", "collector:4318"], "expected `http://host:4318/v1/traces`"),
    ],
)
def test_a_bad_option_is_a_usage_error(policy: Path, arguments: list[str], message: str) -> None:
    """Exit status 2, with the option, what it got and what it takes."""
    given = arguments if not arguments or "--policy" in arguments else ["--policy", str(policy), *arguments]
    result = CliRunner().invoke(serve, given)
    assert result.exit_code == 2
    assert message in result.output


def test_only_the_policy_must_be_named(policy: Path) -> None:
    """The defaults stay on loopback and keep no audit trail."""
    assert _settings("--policy", str(policy)) == Settings(
        policy=policy,
        listen=(TcpAddress("127.0.0.1", 50051),),
        http=TcpAddress("127.0.0.1", 9090),
        opa=None,
        log_format=LogFormat.JSON,
        log_level="info",
        audit=AuditSettings(),
        traces=None,
        traces_per_second=20.0,
        remember=20_000,
        drain_notice_seconds=2.0,
        drain_grace_seconds=5.0,
    )


def test_every_option_can_come_from_the_environment(policy: Path) -> None:
    """`SCOPEGATE_` and the option's name; several addresses with spaces between them."""
    environment = {
        "SCOPEGATE_POLICY": str(policy),
        "SCOPEGATE_LISTEN": "0.0.0.0:1 unix:/run/a.sock",
        "SCOPEGATE_HTTP": "127.0.0.1:0",
        "SCOPEGATE_OPA": "127.0.0.1:8181",
        "SCOPEGATE_LOG_FORMAT": "console",
        "SCOPEGATE_LOG_LEVEL": "debug",
        "SCOPEGATE_AUDIT": "/var/log/audit.jsonl",
        "SCOPEGATE_TRACES": "http://collector:4318/v1/traces",
        "SCOPEGATE_REMEMBER": "100000",
        "SCOPEGATE_DRAIN_NOTICE_SECONDS": "0",
        "SCOPEGATE_DRAIN_GRACE_SECONDS": "1",
    }
    assert _settings(environment=environment) == Settings(
        policy=policy,
        listen=(TcpAddress("0.0.0.0", 1), UnixAddress(Path("/run/a.sock"))),
        http=TcpAddress("127.0.0.1", 0),
        opa=TcpAddress("127.0.0.1", 8181),
        log_format=LogFormat.CONSOLE,
        log_level="debug",
        audit=AuditSettings(target=Path("/var/log/audit.jsonl")),
        traces="http://collector:4318/v1/traces",
        traces_per_second=20.0,
        remember=100_000,
        drain_notice_seconds=0.0,
        drain_grace_seconds=1.0,
    )


def test_the_command_line_wins_over_the_environment(policy: Path) -> None:
    """What is typed is meant."""
    settings = _settings(
        "--policy", str(policy), "--audit", "stdout", environment={"SCOPEGATE_AUDIT": "/var/log/audit.jsonl"}
    )
    assert settings.audit.target is AuditTarget.STDOUT


@pytest.mark.parametrize(
    ("problems", "asked", "chosen", "because"),
    [
        ({}, "auto", "zttp", None),
        ({"zttp": "no wheel"}, "auto", "pyvoy", "zttp cannot serve: no wheel"),
        (
            {"zttp": "no wheel", "pyvoy": "no libpython"},
            "auto",
            "grpcio",
            "zttp cannot serve: no wheel; pyvoy cannot serve: no libpython",
        ),
        ({"zttp": "no wheel"}, "pyvoy", "pyvoy", None),
        ({}, "grpcio", "grpcio", None),
    ],
)
def test_the_fastest_engine_that_can_serve_is_chosen(
    problems: dict[str, str], asked: str, chosen: str, because: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is said why no faster one is."""
    by_speed = [(name, lambda name=name: problems.get(name)) for name in (EngineName.ZTTP, EngineName.PYVOY)]
    monkeypatch.setattr(serve_module, "_BY_SPEED", (*by_speed, (EngineName.GRPCIO, lambda: None)))
    assert serve_module._engine(EngineName(asked)) == (chosen, because)


def test_an_engine_that_was_asked_for_and_cannot_serve_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other one is taken in its place."""
    monkeypatch.setattr(
        serve_module, "_BY_SPEED", ((EngineName.ZTTP, lambda: "no wheel"), (EngineName.GRPCIO, lambda: None))
    )
    with pytest.raises(SystemExit) as ended:
        serve_module._engine(EngineName.ZTTP)
    assert ended.value.code == 2
    assert "the engine zttp cannot serve: no wheel" in capsys.readouterr().err


def test_help_is_the_golden_one() -> None:
    """Options, defaults and exit statuses are an interface."""
    golden = Path(__file__).parents[2] / "golden" / "serve-help.txt"
    result = CliRunner().invoke(serve, ["--help"], terminal_width=100)
    assert result.output == golden.read_text()


def test_the_collector_may_come_from_the_variable_that_all_of_opentelemetry_reads(policy: Path) -> None:
    """Ours wins over it."""
    standard = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a:4318/v1/traces"}
    assert _settings("--policy", str(policy), environment=standard).traces == "http://a:4318/v1/traces"
    both = {**standard, "SCOPEGATE_TRACES": "http://b:4318/v1/traces"}
    assert _settings("--policy", str(policy), environment=both).traces == "http://b:4318/v1/traces"
