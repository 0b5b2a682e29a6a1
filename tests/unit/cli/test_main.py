"""The command group: lists everything, imports only what is asked for."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from authz import __version__
from authz.cli.main import COMMANDS, main


def test_an_unknown_command_is_a_usage_error() -> None:
    """Exit status 2 and the name, no traceback."""
    result = CliRunner().invoke(main, ["sevre"])
    assert result.exit_code == 2
    assert "sevre" in result.output


def test_help_names_every_command() -> None:
    """The list is what `--help` shows, in its order."""
    output = CliRunner().invoke(main, ["--help"]).output
    assert [
        line.split()[0] for line in output.partition("Commands:")[2].splitlines() if line.strip()
    ] == list(COMMANDS)


def test_version_is_printed() -> None:
    """`scopegate --version` says what runs."""
    assert CliRunner().invoke(main, ["--version"]).output == f"scopegate, version {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists(name: str) -> None:
    """Each name leads to a click command that can print its own help."""
    with click.Context(main) as context:
        command = main.get_command(context, name)
    assert command is not None
    assert command.name == name
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_help_does_not_load_the_server() -> None:
    """`--help` answers at once: gRPC, the policy and Envoy's messages stay unloaded."""
    code = (
        "import sys; from authz.cli.main import main\n"
        "try: main(['--help'])\n"
        "finally: print(sorted({'grpc', 'pydantic', 'envoy_data_plane', 'sqlglot', 'aiohttp'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.rstrip().endswith("[]")
