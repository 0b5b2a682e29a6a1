"""`scopegate schema`: the policy file's JSON Schema."""

import json

import click

from authz.policy.schema import json_schema


@click.command(short_help="Print the policy's JSON Schema, for editors.")
def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of the policy file.

    Editors with the YAML language server use it where a policy begins with
    `# yaml-language-server: $schema=policy.schema.json`.
    """
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    """The schema as text, the same for the same Scopegate."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
