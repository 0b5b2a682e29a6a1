"""`scopegate render`: the warehouses' side of a scope."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from authz.cli.writing import problems_told, write_files
from authz.config.load import load_policy
from authz.edge.warehouses.clickhouse import clickhouse_files
from authz.edge.warehouses.cube import cube_files
from authz.edge.warehouses.postgres import postgres_files
from authz.edge.warehouses.trino import trino_files
from authz.policy.policyset import PolicySet, Warehouse
from authz.policy.problems import did_you_mean
from authz.policy.tables import WarehouseKind

Files = Callable[[PolicySet, Warehouse], Mapping[str, str]]


@click.group()
def render() -> None:
    """Write the files that make a warehouse obey a scope."""


def _asked(command: Callable[..., None]) -> Callable[..., None]:
    """What every kind is asked with."""
    options: list[Callable[[Any], Any]] = [
        click.option(
            "--policy",
            required=True,
            type=click.Path(exists=True, path_type=Path),
            help="The policy: a YAML file, or a directory of them.",
        ),
        click.option("--warehouse", required=True, metavar="NAME", help="Its name in the policy."),
        click.option(
            "-o",
            "--output",
            required=True,
            type=click.Path(file_okay=False, path_type=Path),
            help="The directory to write to; it is made if it is not there.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _write(policy: Path, name: str, output: Path, kind: WarehouseKind, files: Files) -> None:
    with problems_told(policy):
        loaded = load_policy(policy)
        warehouse = loaded.warehouses.get(name)
        if warehouse is None or warehouse.kind is not kind:
            known = [each.name for each in loaded.warehouses.values() if each.kind is kind]
            found = (
                f"no warehouse `{name}`"
                if warehouse is None
                else f"warehouse `{name}` is of kind `{warehouse.kind}`"
            )
            help_ = did_you_mean(name, known) or f"expected one of kind `{kind}`"
            click.echo(f"{policy}: {found}; {help_}", err=True)
            sys.exit(1)
        texts = files(loaded, warehouse)
    write_files(texts, output)


@render.command(short_help="What Trino and Scopegate's plugin in it must be told.")
@_asked
@click.option(
    "--jwks-uri",
    required=True,
    metavar="URL",
    help="Scopegate's published keys: /.well-known/jwks.json on its HTTP port, as Trino reaches it.",
)
@click.option(
    "--opa-uri",
    metavar="URL",
    help="Where `scopegate serve --opa` listens, as Trino reaches it: writes what Trino's OPA plugin must be told, too.",
)
def trino(policy: Path, warehouse: str, output: Path, jwks_uri: str, opa_uri: str | None) -> None:
    """Write what Trino and Scopegate's plugin in it must be told.

    Exit status: 0 written, 1 the policy has a problem or no such warehouse, 2 they could not be written.
    """
    _write(policy, warehouse, output, WarehouseKind.TRINO, partial(trino_files, jwks=jwks_uri, opa=opa_uri))


@render.command(short_help="Row-level security and views for PostgreSQL behind PostgREST.")
@_asked
def postgres(policy: Path, warehouse: str, output: Path) -> None:
    """Write row-level security and views for a PostgreSQL behind PostgREST, and what PostgREST must be told.

    Run the script with `psql` as a superuser; after a change of the policy's tables, labels or dimensions, again.

    Exit status: 0 written, 1 the policy has a problem or no such warehouse, 2 they could not be written.
    """
    _write(policy, warehouse, output, WarehouseKind.POSTGREST, postgres_files)


@render.command(short_help="A queryRewrite for Cube.")
@_asked
def cube(policy: Path, warehouse: str, output: Path) -> None:
    """Write a queryRewrite for Cube, which filters every query by the claims of Scopegate's token.

    Exit status: 0 written, 1 the policy has a problem or no such warehouse, 2 they could not be written.
    """
    _write(policy, warehouse, output, WarehouseKind.CUBE, cube_files)


@render.command(short_help="A user, grants and row policies for ClickHouse.")
@_asked
def clickhouse(policy: Path, warehouse: str, output: Path) -> None:
    """Write the user as whom ClickHouse is asked, with grants and row policies that read the scope of each request.

    After a change of the policy's tables or dimensions, again: until then, what has changed is closed.

    Exit status: 0 written, 1 the policy has a problem or no such warehouse, 2 they could not be written.
    """
    _write(policy, warehouse, output, WarehouseKind.CLICKHOUSE, clickhouse_files)
