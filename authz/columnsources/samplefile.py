"""A sample in a file, read by DuckDB: CSV, JSON or Parquet. Values are counted and forgotten.

What DuckDB says about a file that it cannot read quotes the file, so it is never repeated. Neither is what the file calls
its columns: the first line of a CSV without names is somebody's data.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from authz.columnsources.errors import SourceUnreadableError
from authz.labels.schema import ValueCounts
from authz.labels.values import count_values

if TYPE_CHECKING:
    import duckdb

_READERS: Final = {
    ".csv": "read_csv(?, all_varchar = true, header = true)",
    ".tsv": "read_csv(?, all_varchar = true, header = true, delim = '\t')",
    ".json": "read_json(?)",
    ".jsonl": "read_json(?, format = 'newline_delimited')",
    ".ndjson": "read_json(?, format = 'newline_delimited')",
    ".parquet": "read_parquet(?)",
}
_COMPRESSED: Final = (".gz", ".zst")
_BATCH: Final = 1_000


def count_file(
    path: Path, columns: Sequence[str], rows: int, region: str | None
) -> tuple[int, dict[str, ValueCounts]]:
    """How many rows were looked at, `rows` at the most, and what the values of the `columns` that it has look like.

    Raises `SourceUnreadableError`: also where it has none of the columns.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError:
        raise SourceUnreadableError(
            f"{path}: reading a sample needs DuckDB: pip install 'scopegate[label]'"
        ) from None
    reader = _reader(path)
    try:
        with duckdb.connect(":memory:") as connection:
            _lock(connection, path)
            found = connection.execute(f"SELECT * FROM {reader} LIMIT 0", [str(path)]).description or []  # noqa: S608 - ours
            there = {str(each[0]): number for number, each in enumerate(found)}
            names = [name for name in columns if name in there]
            if not names:
                raise SourceUnreadableError(
                    f"{path}: has none of the table's columns; expected their names, in a CSV on its first line"
                )
            chosen = ", ".join(_quoted(name) for name in names)
            answer = connection.execute(f"SELECT {chosen} FROM {reader} LIMIT {int(rows)}", [str(path)])  # noqa: S608 - quoted
            seen, counts = count_values(_rows(answer), len(names), region)
    except duckdb.Error as error:
        raise SourceUnreadableError(
            f"{path}: DuckDB cannot read it as {path.suffix.removeprefix('.')} ({type(error).__name__})"
        ) from None
    return seen, dict(zip(names, counts, strict=True))


def _reader(path: Path) -> str:
    name = path.name.lower()
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    reader = _READERS.get(Path(name).suffix)
    if reader is None:
        raise SourceUnreadableError(
            f"{path}: expected a name that ends in {', '.join(f'`{each}`' for each in _READERS)}"
        )
    # A name with `*` in it would be a pattern to DuckDB.
    if any(sign in str(path) for sign in "*?["):
        raise SourceUnreadableError(f"{path}: a name without `*`, `?` and `[`, please")
    if not path.is_file():
        raise SourceUnreadableError(
            f"{path}: {'is not a regular file' if path.exists() else 'does not exist'}"
        )
    return reader


def _lock(connection: "duckdb.DuckDBPyConnection", path: Path) -> None:
    """One file can be read, and nothing be written: not even where DuckDB would put what is too large."""
    connection.execute(f"SET allowed_paths = [{_text(str(path))}]")
    connection.execute("SET temp_directory = ''")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _rows(answer: "duckdb.DuckDBPyConnection") -> Iterator[tuple[Any, ...]]:
    while batch := answer.fetchmany(_BATCH):
        yield from batch


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
