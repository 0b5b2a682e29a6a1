"""What `scopegate label suggest` looks at: which tables, from where, with which samples."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from authz.columnsources.database import Database
from authz.columnsources.errors import SourceUnreadableError
from authz.columnsources.samplefile import count_file
from authz.columnsources.schemafile import read_schema
from authz.labels.proposals import readable_columns
from authz.labels.review import Looked, PolicyTable, gone, matching, policy_tables
from authz.labels.schema import SchemaTable
from authz.labels.values import known_regions, missing_libraries
from authz.policy.policyset import Warehouse
from authz.policy.problems import did_you_mean, listed
from authz.policy.tables import WarehouseKind

SAMPLE_ROWS: Final = 1_000
"""Of a sample in a file, unless more or fewer are asked for."""
_OWN_SCHEMAS: Final = frozenset({"information_schema", "pg_catalog", "system", "pg_toast"})
"""In which a warehouse speaks of itself."""


class CannotLookError(Exception):
    """What was asked for cannot be looked at. The text is for whoever asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One of `schema` and `url` is set. `rows` of a live warehouse are read only where it is set."""

    schema: Path | None
    url: str | None
    tables: tuple[str, ...]
    all_tables: bool
    samples: tuple[str, ...]
    rows: int | None
    region: str | None

    @property
    def reads_values(self) -> bool:
        return bool(self.samples) or (self.url is not None and self.rows is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`unread` says what nothing is known about; `notes` what else the reader should know."""

    looked: tuple[Looked, ...]
    unread: tuple[str, ...]
    notes: tuple[str, ...]


def look(warehouse: Warehouse, wish: Wish) -> Seen:
    """The tables of a warehouse. Raises `CannotLookError` and `SourceUnreadableError`."""
    _check(warehouse, wish)
    if wish.schema is not None:
        schema = read_schema(wish.schema)
        wanted = _wanted(warehouse, wish, schema)
        looked, unread = _matched(wanted, schema)
        looked += _closed(warehouse, wish, wanted, schema)
        looked, more = _with_files(looked, warehouse, wish)
        notes = (*_notes(looked, warehouse), *_others(warehouse, wish, schema))
        return Seen(looked=tuple(looked), unread=(*unread, *more), notes=notes)
    with Database(wish.url or "") as database:
        wanted = _wanted(warehouse, wish, ())
        schema = database.tables([table.path for table in wanted], neighbours=wish.all_tables)
        looked, unread = _matched(wanted, schema)
        looked += _closed(warehouse, wish, wanted, schema)
        looked, more = _with_rows(looked, warehouse, wish, database)
    return Seen(looked=tuple(looked), unread=(*unread, *more), notes=tuple(_notes(looked, warehouse)))


def _check(warehouse: Warehouse, wish: Wish) -> None:
    if wish.url is not None and warehouse.kind is WarehouseKind.CUBE:
        raise CannotLookError(
            "a Cube has no database to ask: name its cubes and members in a file for --schema, with the"
            " columns `table_name` and `column_name`"
        )
    if wish.url is not None and wish.samples:
        raise CannotLookError(
            "--sample is for a schema in a file; of a live warehouse --sample-rows are read"
        )
    if wish.schema is not None and wish.rows is not None and not wish.samples:
        raise CannotLookError("--sample-rows, and no --sample to read them from")
    if not wish.reads_values:
        if wish.region is not None:
            raise CannotLookError("--region is about phone numbers in a sample, and there is none")
        return
    if missing := missing_libraries():
        raise CannotLookError(f"looking at values needs {listed(missing)}: pip install 'scopegate[label]'")
    if wish.region is not None and wish.region not in known_regions():
        raise CannotLookError(f"--region: got `{wish.region}`, expected two letters such as `DE`")


def _wanted(warehouse: Warehouse, wish: Wish, schema: Sequence[SchemaTable]) -> list[PolicyTable]:
    """The tables of the policy that are asked about, each with a name."""
    known = policy_tables(warehouse)
    if warehouse.tables:
        names = [table.name for table in known]
        for name in wish.tables:
            if name not in names:
                raise CannotLookError(
                    f"--table: warehouse `{warehouse.name}` has no table `{name}`; {did_you_mean(name, names)}"
                )
        return [table for table in known if not wish.tables or table.name in wish.tables]
    (only,) = known
    if len(wish.tables) == 1:
        return [replace(only, name=wish.tables[0])]
    if not wish.tables and len(schema) == 1:
        return [replace(only, name=schema[0].name)]
    raise CannotLookError(
        f"warehouse `{warehouse.name}` is one table, and the policy does not say what the database calls it:"
        " say so with one --table"
    )


def _matched(wanted: Iterable[PolicyTable], schema: Sequence[SchemaTable]) -> tuple[list[Looked], list[str]]:
    looked: list[Looked] = []
    unread: list[str] = []
    named: dict[str, list[SchemaTable]] = {}
    for each in schema:
        named.setdefault(each.path[2], []).append(each)
    for table in wanted:
        found = matching(table, named.get(table.path[2], ()))
        if len(found) == 1:
            looked.append(Looked(policy=table, schema=found[0]))
        elif not found:
            near = did_you_mean(table.name, [each.name for each in schema])
            unread.append(f"{table.name}: the schema has no such table{f'; {near}' if near else ''}")
        else:
            unread.append(
                f"{table.name}: the schema has {listed([each.name for each in found[:5]])}; leave the others out of it"
            )
    return looked, unread


def _closed(
    warehouse: Warehouse, wish: Wish, wanted: Sequence[PolicyTable], schema: Sequence[SchemaTable]
) -> list[Looked]:
    """Tables that the policy does not name, if they are asked for: for whoever is about to name them."""
    if not wish.all_tables:
        return []
    parts = max(table.name.count(".") + 1 for table in wanted)
    return [
        Looked(
            policy=PolicyTable(".".join(part for part in each.path[-parts:] if part), closed=True),
            schema=each,
        )
        for each in _unnamed(warehouse, wanted, schema)
    ]


def _unnamed(
    warehouse: Warehouse, wanted: Sequence[PolicyTable], schema: Sequence[SchemaTable]
) -> list[SchemaTable]:
    known: dict[str, list[PolicyTable]] = {}
    for table in (*policy_tables(warehouse), *wanted):
        known.setdefault(table.path[2], []).append(table)
    return [
        each
        for each in schema
        if each.path[1].lower() not in _OWN_SCHEMAS
        and not any(matching(table, [each]) for table in known.get(each.path[2], ()))
    ]


def _with_files(looked: list[Looked], warehouse: Warehouse, wish: Wish) -> tuple[list[Looked], list[str]]:
    files = _files(looked, wish.samples)
    done: list[Looked] = []
    unread: list[str] = []
    for each in looked:
        path = files.get(each.policy.name)
        names = _names(each, warehouse)
        if path is None or not names:
            done.append(each)
            continue
        try:
            rows, counts = count_file(path, names, wish.rows or SAMPLE_ROWS, wish.region)
        except SourceUnreadableError as error:
            unread.append(str(error))
            done.append(each)
        else:
            done.append(replace(each, rows=rows, counts=counts))
    return done, unread


def _files(looked: Sequence[Looked], samples: Iterable[str]) -> Mapping[str, Path]:
    """`TABLE=FILE`, or a file alone where there is one table."""
    names = [each.policy.name for each in looked]
    files: dict[str, Path] = {}
    for sample in samples:
        table, equals, file = sample.partition("=")
        if not (equals and table in names):
            if len(names) != 1:
                near = did_you_mean(table, names) if equals else None
                raise CannotLookError(
                    f"--sample: got `{sample}`, expected TABLE=FILE with a table that is looked at"
                    f"{f'; {near}' if near else ''}"
                )
            table, file = names[0], sample
        if table in files:
            raise CannotLookError(f"--sample: two files for table `{table}`")
        files[table] = Path(file)
    return files


def _with_rows(
    looked: list[Looked], warehouse: Warehouse, wish: Wish, database: Database
) -> tuple[list[Looked], list[str]]:
    if wish.rows is None:
        return looked, []
    done: list[Looked] = []
    unread: list[str] = []
    for each in looked:
        names = _names(each, warehouse)
        try:
            rows, counts = (
                database.count(each.schema.path, names, wish.rows, wish.region) if names else (0, {})
            )
        except SourceUnreadableError as error:
            unread.append(str(error))
            done.append(each)
        else:
            done.append(replace(each, rows=rows, counts=counts))
    return done, unread


def _names(looked: Looked, warehouse: Warehouse) -> list[str]:
    return [column.name for column in readable_columns(looked.schema.columns, warehouse.dialect)]


def _notes(looked: Iterable[Looked], warehouse: Warehouse) -> Iterable[str]:
    for each in looked:
        if missing := gone(each):
            yield (
                f"{each.policy.name}: the policy names {listed(missing)}, and the table has no such column:"
                " whatever it is called now has no label"
            )
        unseen = [name for name in _names(each, warehouse) if name not in each.counts]
        if each.rows is not None and unseen:
            yield f"{each.policy.name}: not in the sample: {listed(unseen)}"


def _others(warehouse: Warehouse, wish: Wish, schema: Sequence[SchemaTable]) -> Iterable[str]:
    count = 0 if wish.all_tables or not warehouse.tables else len(_unnamed(warehouse, (), schema))
    if count:
        yield (
            f"{count:,} {'table' if count == 1 else 'tables'} of the schema not in the policy, and so closed:"
            " --all-tables looks at them, too"
        )
