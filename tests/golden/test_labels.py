"""What `scopegate label suggest` says, word for word: of known schemas, and in each of its forms.

`python -m tests.golden.test_labels` writes the files anew.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner

from authz.cli.main import main
from authz.columnsources.schemafile import read_schema
from authz.labels.proposals import propose

HERE = Path(__file__).parent / "labels"
POLICY = HERE / "scopegate.yaml"
DIALECTS = {"events": "clickhouse", "hr": "postgres"}
FORMS = {"table": "suggested.txt", "yaml": "suggested.yaml", "json": "suggested.json"}


def of_known_schemas() -> str:
    """Every column of TPC-H, TPC-DS, Northwind and Sakila (as far as they differ), of clicks and of a German staff list."""
    return "".join(
        f"{table.name}.{column.name} {column.declared}: {_said(table.path[1], table.path[2], column)}\n"
        for table in read_schema(HERE / "schemas.csv")
        for column in table.columns
    )


def _said(schema, table, column) -> str:
    found = propose(column, table=table, dialect=DIALECTS.get(schema, "trino"))
    return ", ".join(f"{each.category} {each.confidence.word}" for each in found) or "-"


def suggested(form: str) -> str:
    """Of the orders of a Trino, with a sample."""
    arguments = ["--policy", POLICY, "--warehouse", "lake", "--schema", HERE / "columns.csv"]
    options = ["--sample", HERE / "orders.csv", "--format", form]
    done = CliRunner().invoke(main, ["label", "suggest", *map(str, arguments), *map(str, options)])
    assert done.exit_code == 3, done.output
    return done.stdout


def test_of_known_schemas_it_says_what_it_said() -> None:
    """Whoever changes a rule sees all that it changes."""
    assert of_known_schemas() == (HERE / "schemas.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_as_it_was(form: str) -> None:
    """People and machines read them."""
    assert suggested(form) == (HERE / FORMS[form]).read_text(encoding="utf-8")


if __name__ == "__main__":
    (HERE / "schemas.txt").write_text(of_known_schemas(), encoding="utf-8")
    for name, file in FORMS.items():
        (HERE / file).write_text(suggested(name), encoding="utf-8")
