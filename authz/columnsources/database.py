"""A live warehouse, asked through SQLAlchemy and the driver of its own that is installed beside.

Its URL has a password in it: nothing here repeats it. What a driver says while values are read can quote them, so it is
not repeated either; while names are read, it is.
"""

import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, quote_plus

from authz.columnsources.errors import SourceUnreadableError
from authz.labels.schema import Column, SchemaTable, ValueCounts
from authz.labels.values import count_values

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine, Inspector

Path3 = tuple[str, str, str]

DRIVERS: Final = {
    "postgresql": "psycopg[binary]",
    "trino": "trino[sqlalchemy]",
    "clickhousedb": "clickhouse-connect",
}
"""What to install for the URLs of the warehouses that Scopegate stands before."""
_ALIASES: Final = {"postgres": "postgresql", "clickhouse": "clickhousedb"}
"""What people write and SQLAlchemy does not know."""
_BUFFER: Final = 500
_MAX_SAID: Final = 300
_NAME: Final = re.compile(r"[A-Z][A-Z_]{0,63}")


class Database:
    """A context manager. `url` is SQLAlchemy's, such as `postgresql://reader:…@host/database`."""

    def __init__(self, url: str) -> None:
        """Raises `SourceUnreadableError`: also where SQLAlchemy or the driver is not installed."""
        try:
            import sqlalchemy  # noqa: PLC0415 - an extra
        except ImportError:
            raise SourceUnreadableError(
                "a live warehouse needs SQLAlchemy: pip install 'scopegate[label]'"
            ) from None
        try:
            self._url = sqlalchemy.make_url(url.strip())
        except sqlalchemy.exc.ArgumentError:
            raise SourceUnreadableError(
                "the URL cannot be read; expected `postgresql://user:password@host:port/database`,"
                " `trino://user@host:port/catalog` or `clickhousedb://user:password@host:port/database`"
            ) from None
        self._logging = logging.NOTSET
        self._engines: dict[str, Engine] = {}
        self._connections: dict[str, Connection] = {}
        self._inspectors: dict[str, Inspector] = {}

    def __enter__(self) -> Self:
        # What drivers log nobody here has read before it is printed.
        self._logging = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        return self

    def __exit__(self, *_: object) -> None:
        logging.disable(self._logging)
        for connection in self._connections.values():
            # Where the warehouse has gone, so has the connection.
            with warnings.catch_warnings(action="ignore"), _ignored():
                connection.close()
        for engine in self._engines.values():
            engine.dispose()

    def tables(self, wanted: Iterable[Path3], *, neighbours: bool = False) -> tuple[SchemaTable, ...]:
        """Those that are there, with their columns; with `neighbours` whatever else their schemas have, too.

        What is not known of a path is empty, and then the connection's own. Raises `SourceUnreadableError`.
        """
        paths = dict.fromkeys(wanted)
        if neighbours:
            for catalog, schema in dict.fromkeys(path[:2] for path in list(paths)):
                paths.update(dict.fromkeys((catalog, schema, name) for name in self._names(catalog, schema)))
        tables = [SchemaTable(path, self._columns(path)) for path in paths]
        return tuple(table for table in tables if table.columns)

    def count(
        self, path: Path3, columns: Sequence[str], rows: int, region: str | None
    ) -> tuple[int, dict[str, ValueCounts]]:
        """How many rows were looked at, `rows` at the most, and what the values of `columns` look like.

        They are those that the warehouse gives first. Raises `SourceUnreadableError`, without what the driver says.
        """
        from sqlalchemy import column, select, table  # noqa: PLC0415 - an extra

        name = ".".join(part for part in path if part)
        # Columns without a type: nothing is converted, and so nothing can fail over a value.
        source = table(path[2], *(column(each) for each in columns), schema=self._schema(path))
        statement = select(*(source.c[each] for each in columns)).limit(rows)
        try:
            connection = self._connection(path[0])
            streamed = {"stream_results": True, "max_row_buffer": _BUFFER}
            with connection.execute(statement, execution_options=streamed) as answer:
                seen, counts = count_values(answer, len(columns), region)
            connection.rollback()
        except SourceUnreadableError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise what they like, and quote values in it
            raise SourceUnreadableError(f"{name}: its values cannot be read ({_kind_of(error)})") from None
        return seen, dict(zip(columns, counts, strict=True))

    def _names(self, catalog: str, schema: str) -> list[str]:
        with self._said(".".join(part for part in (catalog, schema) if part) or "the default schema"):
            inspector = self._inspector(catalog)
            where = self._schema((catalog, schema, ""))
            return [*inspector.get_table_names(where), *inspector.get_view_names(where)]

    def _columns(self, path: Path3) -> tuple[Column, ...]:
        from sqlalchemy.exc import NoSuchTableError  # noqa: PLC0415 - an extra

        with self._said(".".join(part for part in path if part)):
            if self._kind == "trino":
                return self._of_trino(path)
            inspector = self._inspector(path[0])
            try:
                found = inspector.get_columns(path[2], self._schema(path))
            except NoSuchTableError:
                return ()
            return tuple(Column(str(each["name"]), self._declared(each["type"])) for each in found)

    def _of_trino(self, path: Path3) -> tuple[Column, ...]:
        """Its dialect takes every type that SQLAlchemy has no word for (`ipaddress`) for none."""
        from sqlalchemy import column, select, table  # noqa: PLC0415 - an extra

        names = ("column_name", "data_type", "table_schema", "table_name", "ordinal_position")
        columns = table("columns", *map(column, names), schema="information_schema")
        found = self._connection(path[0]).execute(
            select(columns.c.column_name, columns.c.data_type)
            .where(columns.c.table_schema == path[1], columns.c.table_name == path[2])
            .order_by(columns.c.ordinal_position)
        )
        return tuple(Column(str(name), str(declared)) for name, declared in found)

    def _declared(self, kind: Any) -> str:
        from sqlalchemy.exc import CompileError  # noqa: PLC0415 - an extra

        try:
            text = kind.compile(dialect=self._engine("").dialect)
        except CompileError:
            return ""
        return "" if text == "NULL" else str(text)

    def _inspector(self, catalog: str) -> "Inspector":
        from sqlalchemy import inspect  # noqa: PLC0415 - an extra

        if catalog not in self._inspectors:
            self._inspectors[catalog] = inspect(self._connection(catalog))
        return self._inspectors[catalog]

    def _connection(self, catalog: str) -> "Connection":
        if catalog not in self._connections:
            self._connections[catalog] = self._engine(catalog).connect()
        return self._connections[catalog]

    def _engine(self, catalog: str) -> "Engine":
        from sqlalchemy import create_engine  # noqa: PLC0415 - an extra
        from sqlalchemy.exc import NoSuchModuleError  # noqa: PLC0415
        from sqlalchemy.pool import NullPool  # noqa: PLC0415

        if catalog not in self._engines:
            try:
                self._engines[catalog] = create_engine(
                    self._located(catalog), poolclass=NullPool, hide_parameters=True
                ).execution_options(**({"postgresql_readonly": True} if self._kind == "postgresql" else {}))
            except (NoSuchModuleError, ImportError):
                raise SourceUnreadableError(self._no_driver()) from None
        return self._engines[catalog]

    @property
    def _kind(self) -> str:
        name = self._url.get_backend_name()
        return _ALIASES.get(name, name)

    def _located(self, catalog: str) -> "URL":
        """A connection to a Trino sees one catalog at a time."""
        _, plus, driver = self._url.drivername.partition("+")
        url = self._url.set(drivername=f"{self._kind}{plus}{driver}")
        return url.set(database=catalog) if self._kind == "trino" and catalog else url

    def _schema(self, path: Path3) -> str | None:
        catalog, schema, _ = path
        parts = (schema,) if self._kind == "trino" else (catalog, schema)
        return ".".join(part for part in parts if part) or None

    def _no_driver(self) -> str:
        package = DRIVERS.get(self._kind)
        if package is None:
            return f"no SQLAlchemy dialect `{self._kind}` is installed"
        return f"`{self._kind}` needs a driver: pip install '{package}'"

    @contextmanager
    def _said(self, place: str) -> Iterator[None]:
        """What a driver says of names and connections, without secrets."""
        try:
            with warnings.catch_warnings(action="ignore"):
                yield
        except SourceUnreadableError:
            raise
        except ImportError:
            raise SourceUnreadableError(self._no_driver()) from None
        except Exception as error:  # noqa: BLE001 - drivers raise what they like
            said = self._without_secrets(str(getattr(error, "orig", None) or error))
            raise SourceUnreadableError(f"{place}: {said or type(error).__name__}") from None

    def _without_secrets(self, text: str) -> str:
        query = (
            each
            for value in self._url.query.values()
            for each in ((value,) if isinstance(value, str) else value)
        )
        for secret in (str(self._url.password or ""), *query):
            for form in (secret, quote(secret), quote_plus(secret)):
                if form:
                    text = text.replace(form, "***")
        first = next((line.strip() for line in text.splitlines() if line.strip()), "")
        return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in first)[
            :_MAX_SAID
        ]


def _kind_of(error: Exception) -> str:
    """Trino has one class for most of its errors, and names of its own for them (`NO_NODES_AVAILABLE`)."""
    said = getattr(error, "orig", None) or error
    named = getattr(said, "error_name", None)
    # A name quotes nothing; what a plugin gives out for one might.
    known = isinstance(named, str) and _NAME.fullmatch(named)
    return f"{type(said).__name__}: {named}" if known else type(said).__name__


@contextmanager
def _ignored() -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001 - at the end of everything
        return
