"""ClickHouse's side of a scope: one user, its grants, and row policies that read the scope from a setting.

The row policies stand in the configuration of the user, where no statement can change them. Without the setting, or with
one that cannot be read, for another warehouse, or with a dimension that was not there when they were rendered, they let
nothing through.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from xml.sax.saxutils import escape

from sqlglot import exp

from authz.edge.messages import EdgeError
from authz.policy.policyset import PolicySet, Warehouse
from authz.policy.tables import Table
from authz.rendering.targets.clickhouse import MAX_ALTERNATIVES, MAX_DECIMALS, SETTING, USER
from authz.scopes.values import ValueType

_TYPES: Final[Mapping[ValueType, str]] = {
    ValueType.STRING: "{}",
    ValueType.INTEGER: "toInt256OrNull({})",
    ValueType.DECIMAL: f"toDecimal256OrNull({{}}, {MAX_DECIMALS})",
    ValueType.DATE: "toDate32OrNull({})",
    ValueType.TIMESTAMP: "toDateTime64OrNull({}, 6, 'UTC')",
    ValueType.BOOLEAN: "toInt8OrNull({})",
}
"""How a text of the setting becomes a value. The column is compared as it is, so that its indices are used."""

_BOUNDS: Final = (("from", ">="), ("after", ">"), ("through", "<="), ("before", "<"))

_ALIAS: Final = "__scopegate"

_USERS: Final = """\
<!-- For ClickHouse's users.d, rendered by `scopegate render clickhouse` for the warehouse {warehouse}.
     Do not edit: change the policy and render again. -->
<clickhouse>
    <profiles>
        <scopegate>
            <!-- `readonly=1` comes with each request, after the scope. Limits of your own may stand beside. -->
            <readonly>0</readonly>
        </scopegate>
    </profiles>
    <users>
        <{user}>
            <!-- printf %s "$KEY" | sha256sum, of the key in `upstream_api_key_file`. -->
            <password_sha256_hex from_env="SCOPEGATE_CLICKHOUSE_KEY_SHA256"/>
            <networks><ip>::/0</ip></networks>
            <profile>scopegate</profile>
            <quota>default</quota>
            <grants>
{grants}
            </grants>
            <databases>
{databases}
            </databases>
        </{user}>
    </users>
</clickhouse>
"""

_CONFIG: Final = """\
<!-- For ClickHouse's config.d, rendered by `scopegate render clickhouse` for the warehouse {warehouse}. -->
<clickhouse>
    <!-- The scope comes in {setting}. -->
    <custom_settings_prefixes>SQL_</custom_settings_prefixes>
</clickhouse>
"""


def clickhouse_files(policy: PolicySet, warehouse: Warehouse) -> dict[str, str]:
    """The files for a warehouse of kind `clickhouse`, by name. The same policy, the same texts.

    Raises `EdgeError` for a name that they cannot hold.
    """
    databases: dict[str, list[Table]] = {}
    for table in warehouse.tables.values():
        databases.setdefault(table.name.split(".")[0], []).append(table)
    grants = "\n".join(
        f"                <query>GRANT SELECT ON {escape(_path(name))}</query>" for name in warehouse.tables
    )
    return {
        "scopegate-users.xml": _USERS.format(
            warehouse=warehouse.name,
            user=USER,
            grants=grants,
            databases="\n".join(
                line
                for name, tables in databases.items()
                for line in _database(policy, warehouse, name, tables)
            ),
        ),
        "scopegate-config.xml": _CONFIG.format(warehouse=warehouse.name, setting=SETTING),
    }


def _database(policy: PolicySet, warehouse: Warehouse, name: str, tables: list[Table]) -> Iterator[str]:
    indent = " " * 16
    yield f"{indent}<{_element(name)}>"
    for table in tables:
        element = _element(table.name.split(".")[1])
        yield f"{indent}    <{element}><filter>{escape(row_filter(policy, warehouse, table))}</filter></{element}>"
    yield f"{indent}</{name}>"


def row_filter(policy: PolicySet, warehouse: Warehouse, table: Table, setting: str = SETTING) -> str:
    """The predicate of a table's rows, over the scope in `setting` (the text of `scope_text`, base64, in quotes).

    Every part of the scope is a constant of the query, named where it first stands so that it is read once.
    """
    scope = f"tryBase64Decode(replaceAll(getSetting({_text(setting)}), '\\'', ''))"
    known = ", ".join(map(_text, sorted({*table.columns, *table.unfiltered})))
    alternatives = "".join(
        f" OR {_alternative(policy, table, number, known)}" for number in range(1, MAX_ALTERNATIVES + 1)
    )
    return (
        f"JSONExtractString({scope} AS {_ALIAS}, 'warehouse') = {_text(warehouse.name)}"
        f" AND (JSONExtractString({_ALIAS}, 'rows') = 'all'{alternatives})"
    )


def _alternative(policy: PolicySet, table: Table, number: int, known: str) -> str:
    place = f"{_ALIAS}_{number}"
    conditions = [
        f"JSONLength(JSONExtractRaw({_ALIAS}, 'rows', {number}) AS {place}) > 0",
        # A dimension that came later is none that could be left out.
        f"hasAll([{known}], JSONExtractKeys({place}))",
    ]
    for count, (dimension, column) in enumerate(table.columns.items(), 1):
        kind = policy.dimensions[dimension].type
        bound = f"{place}_{count}"
        conditions.append(
            f"((JSONExtractRaw({place}, {_text(dimension)}) AS {bound}) = '' OR {_within(kind, _name(column), bound)})"
        )
    return f"({' AND '.join(conditions)})"


def _within(kind: ValueType, column: str, bound: str) -> str:
    value = _TYPES[kind]
    listed = f"JSONExtract({bound}, 'in', 'Array(String)')"
    if kind is not ValueType.STRING:
        listed = f"arrayMap(each -> {value.format('each')}, {listed})"
    parts = []
    if kind is not ValueType.BOOLEAN:
        for count, (key, sign) in enumerate(_BOUNDS):
            limit = f"{bound}_{count}"
            parts.append(
                f"((JSONExtractString({bound}, '{key}') AS {limit}) = '' OR {column} {sign} {value.format(limit)})"
            )
        # What has neither a list nor a bound would be every value.
        parts.append(f"concat({', '.join(f'{bound}_{count}' for count in range(len(_BOUNDS)))}) != ''")
    # INVARIANT: an array finds NULL in itself, so a column that is NULL is asked first.
    inside = f"has({listed}, {column})"
    if parts:
        inside = f"if(JSONHas({bound}, 'in'), {inside}, {' AND '.join(parts)})"
    return f"(JSONExtractString({bound}, 'type') = '{kind.value}' AND isNotNull({column}) AND ifNull({inside}, 0))"


def _element(name: str) -> str:
    if not name.isascii() or not name.replace("_", "a").isalnum() or name[0].isdigit():
        raise EdgeError(f"`{name}`: expected letters, digits and `_`, as the name of an element")
    return name


def _path(name: str) -> str:
    return ".".join(map(_name, name.split(".")))


def _name(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="clickhouse")


def _text(text: str) -> str:
    return exp.Literal.string(text).sql(dialect="clickhouse")
