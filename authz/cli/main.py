"""`scopegate`: one group of commands, each in its own file and imported only when it is asked for."""

from importlib import import_module
from typing import Final

import click

from authz import __version__

COMMANDS: Final = {
    "serve": "Answer Envoy's authorization checks.",
    "check": "Parse, type-check and lint a policy.",
    "schema": "Print the policy's JSON Schema, for editors.",
    "explain": "Show why a request would be allowed or denied.",
    "audit": "Prove, ask and replay an audit trail.",
    "envoy": "Build Envoy's configuration from a policy.",
    "render": "Write the files that make a warehouse obey a scope.",
    "label": "Find columns that may need a label.",
    "drain": "Wait for SIGTERM, then drain the Envoy beside.",
    "demo": "Watch the whole system at work on this machine.",
}
"""Each stands in `authz/cli/<name>.py` as a click command of that name. The texts are what `--help` lists."""


class _LazyGroup(click.Group):
    """Lists its commands without importing them: gRPC, the policy and Envoy's messages take a while to load."""

    # Python 3.11 has no typing.override, hence the two kinds of remarks.
    def list_commands(self, ctx: click.Context) -> list[str]:  # type: ignore[explicit-override]  # noqa: ARG002 - click's
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # type: ignore[explicit-override]  # noqa: ARG002 - click's
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"authz.cli.{cmd_name}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"authz.cli.{cmd_name} has no click command `{cmd_name}`")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # type: ignore[explicit-override]  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="scopegate")
def main() -> None:
    """Scopegate: who is asking becomes what they may see.

    An authorization server for Envoy in front of data warehouses.
    """
