"""Samples in files: numbers come out, and nothing else, also where a file cannot be read."""

import builtins
import gzip
import os
from pathlib import Path

import duckdb
import pytest

from authz.columnsources.errors import SourceUnreadableError
from authz.columnsources.samplefile import count_file
from authz.labels.schema import ValueCounts
from authz.labels.shapes import Shape

CSV = "id,email,note\n1,ann@example.com,x\n2,,x\n3,bob@example.com,\n"
COUNTS = {
    "email": ValueCounts(values=2, shapes={Shape.EMAIL: 2}),
    "id": ValueCounts(values=3, shapes={}),
}
CANARY = "canary@example.com"


def test_a_sample_is_counted_in_every_form(tmp_path: Path) -> None:
    """The columns that are asked for, in any order; compressed, too."""
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "a.tsv").write_text(CSV.replace(",", "\t"))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    for kind, name in (("JSON, ARRAY true", "a.json"), ("JSON", "a.jsonl"), ("PARQUET", "a.parquet")):
        duckdb.sql(f"COPY (FROM '{tmp_path / 'a.csv'}') TO '{tmp_path / name}' (FORMAT {kind})")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a.csv", "a.tsv", "a.csv.gz", "a.json", "a.jsonl", "a.parquet"}
    for name in names:
        assert count_file(tmp_path / name, ["email", "id", "not there"], 100, None) == (3, COUNTS), name


def test_no_more_rows_are_looked_at_than_were_asked_for(tmp_path: Path) -> None:
    """The first ones."""
    (tmp_path / "a.csv").write_text(CSV)
    rows, counts = count_file(tmp_path / "a.csv", ["email"], 2, None)
    assert (rows, counts["email"].values) == (2, 1)


def test_a_document_is_looked_into(tmp_path: Path) -> None:
    """As DuckDB reads it from JSON."""
    (tmp_path / "a.json").write_text('[{"c": {"who": ["ann@example.com"]}}, {"c": null}]')
    assert count_file(tmp_path / "a.json", ["c"], 9, None)[1] == {
        "c": ValueCounts(values=1, shapes={Shape.TEXT_WITH_EMAIL: 1})
    }


def test_a_column_of_any_name_is_read_and_runs_nothing(tmp_path: Path) -> None:
    """Names of columns are somebody's text."""
    name = "a\" FROM read_text('/etc/passwd') --"
    (tmp_path / "a.csv").write_text('"a"" FROM read_text(\'/etc/passwd\') --"\nann@example.com\n')
    assert count_file(tmp_path / "a.csv", [name], 9, None)[1][name].shapes == {Shape.EMAIL: 1}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", f"{CANARY},1\n{CANARY},2\n"),
        ("a.csv", f'id,x\n1,2\n"{CANARY},3\n4,5,6,7\n'),
        ("a.json", f'{{"id": {CANARY}}}'),
        ("a.json", f"{CANARY}"),
        ("a.jsonl", f'{{"id": 1}}\n{{"id": "{CANARY}"\n'),
        ("a.parquet", CANARY),
        ("a.csv.gz", CANARY),
        # Behind what DuckDB has a first look at: then it quotes the line, and the value.
        ("a.csv", "id\n" + "1\n" * 30_000 + f"{CANARY},2,3,4,5\n"),
        ("a.jsonl", '{"id": 1}\n' * 30_000 + f'{{"id": "{CANARY}"}}\n'),
    ],
)
def test_what_cannot_be_read_is_not_quoted(tmp_path: Path, name: str, text: str) -> None:
    """DuckDB's words have the line in them, and a file without names has people's data where the names should be."""
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(SourceUnreadableError) as raised:
        count_file(file, ["id"], 40_000, None)
    assert str(raised.value).startswith(f"{file}: ")
    assert "canary" not in repr(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.xlsx", "expected a name that ends in"), ("*.csv", "a name without"), ("b.csv", "does not exist")],
)
def test_another_file_than_was_meant_is_not_read(tmp_path: Path, name: str, said: str) -> None:
    """A pattern would be several."""
    (tmp_path / "a.csv").write_text(CSV)
    with pytest.raises(SourceUnreadableError, match=said):
        count_file(tmp_path / name, ["id"], 1, None)


def test_a_pipe_is_no_sample(tmp_path: Path) -> None:
    """It could block for ever."""
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(SourceUnreadableError, match="is not a regular file"):
        count_file(tmp_path / "a.csv", ["id"], 1, None)


def test_without_duckdb_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    whole = builtins.__import__

    def without(name: str, *args: object, **options: object) -> object:
        if name == "duckdb":
            raise ImportError(name)
        return whole(name, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SourceUnreadableError, match=r"pip install 'scopegate\[label\]'"):
        count_file(tmp_path / "a.csv", ["id"], 1, None)
