"""The auditor's questions to a trail: DuckDB over its files, plain and compressed.

Nothing is imported or kept: the files are read at each question. What is asked of them is not verified here; that is
`authz.audit.verify`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Final

from authz.audit.reading import MAX_LINE_BYTES

_COLUMNS: Final = {
    "kind": "VARCHAR",
    "writer": "VARCHAR",
    "seq": "BIGINT",
    "at": "DOUBLE",
    "decision_id": "VARCHAR",
    "outcome": "VARCHAR",
    "reason": "VARCHAR",
    "detail": "VARCHAR",
    "warehouse": "VARCHAR",
    "rules": "VARCHAR[]",
    "scope_id": "VARCHAR",
    "policy_version": "VARCHAR",
    "actor": 'STRUCT("key" VARCHAR, issuer VARCHAR, subject VARCHAR, methods VARCHAR[], groups VARCHAR[], '
    "claims JSON, absent JSON, spiffe_id VARCHAR, certificate_name VARCHAR, certificate_trust VARCHAR, "
    "certificate_fingerprint VARCHAR, token_id VARCHAR)",
    "asked": "STRUCT(method VARCHAR, host VARCHAR, route VARCHAR, path VARCHAR, source_address VARCHAR, "
    "request_id VARCHAR, trace_id VARCHAR, statement STRUCT(kind VARCHAR, tables VARCHAR[], fingerprint VARCHAR))",
    "lost": "BIGINT",
    "since": "DOUBLE",
    "until": "DOUBLE",
    "cause": "VARCHAR",
    "why": "VARCHAR",
}

_DECISIONS: Final = """
CREATE TEMP VIEW decisions AS SELECT
    make_timestamp(CAST("at" * 1e6 AS BIGINT)) AS time, outcome, reason, warehouse,
    actor.issuer AS issuer, actor.subject AS subject, actor."key" AS principal, actor.methods AS methods,
    actor.groups AS groups, actor.claims AS claims, actor.certificate_name AS certificate_name,
    actor.token_id AS token_id, rules, scope_id, policy_version, detail, asked.method AS method,
    asked.host AS host, asked.route AS route, asked.path AS path, asked.source_address AS source_address,
    asked.request_id AS request_id, asked.trace_id AS trace_id, asked.statement.kind AS statement,
    asked.statement.tables AS tables, asked.statement.fingerprint AS fingerprint, decision_id, writer, seq
FROM lines WHERE kind = 'decision'
"""

_WHO: Final = """
    ($principal IS NULL OR subject = $principal OR principal = $principal OR issuer || ':' || subject = $principal
        OR certificate_name = $principal)
    AND ($warehouse IS NULL OR warehouse = $warehouse)
    AND ($since IS NULL OR time >= $since::TIMESTAMP) AND ($until IS NULL OR time < $until::TIMESTAMP)
"""

QUESTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "access": (
        "who was let into which warehouse with which scope",
        """SELECT issuer, subject, warehouse, scope_id, rules, policy_version, count(*) AS allows,
            min(time) AS first, max(time) AS last
        FROM decisions WHERE outcome = 'allow' AND {who}
        GROUP BY ALL ORDER BY subject, warehouse, first""",
    ),
    "denials": (
        "every denial, the latest first",
        """SELECT time, issuer, subject, warehouse, reason, detail, rules, method, host, route, source_address,
            decision_id
        FROM decisions WHERE outcome = 'deny' AND {who} ORDER BY time DESC, seq DESC""",
    ),
    "changes": (
        "whose answer for a warehouse changed when the policy did",
        """WITH answers AS (
            SELECT issuer, subject, warehouse, policy_version, min(time) AS first,
                arg_max(CASE outcome WHEN 'allow' THEN 'allow ' || scope_id ELSE 'deny ' || reason END, time) AS answer
            FROM decisions WHERE subject IS NOT NULL AND {who}
            GROUP BY issuer, subject, warehouse, policy_version
        ), steps AS (
            SELECT *, lag(policy_version) OVER w AS before, lag(answer) OVER w AS was
            FROM answers WINDOW w AS (PARTITION BY issuer, subject, warehouse ORDER BY first)
        )
        SELECT first AS time, issuer, subject, warehouse, before AS policy_before, policy_version AS policy_after,
            was, answer AS became
        FROM steps WHERE was IS NOT NULL AND was <> answer ORDER BY time, subject""",
    ),
    "policies": (
        "each policy that was in force, with its answers",
        """SELECT policy_version, min(time) AS first, max(time) AS last, count(*) AS decisions,
            count(*) FILTER (outcome = 'allow') AS allows, count(DISTINCT (issuer, subject)) AS principals
        FROM decisions WHERE {who} GROUP BY policy_version ORDER BY first""",
    ),
    "reasons": (
        "how often each reason was given",
        """SELECT reason, warehouse, count(*) AS decisions, count(DISTINCT (issuer, subject)) AS principals,
            min(time) AS first, max(time) AS last
        FROM decisions WHERE {who} GROUP BY reason, warehouse ORDER BY decisions DESC, reason, warehouse""",
    ),
    "gaps": (
        "where the writer says that records are missing",
        """SELECT make_timestamp(CAST(since * 1e6 AS BIGINT)) AS first,
            make_timestamp(CAST("until" * 1e6 AS BIGINT)) AS last, lost, cause, writer, seq
        FROM lines WHERE kind = 'gap' ORDER BY lines."at" ASC""",
    ),
}
"""What can be asked by name: what it answers, and how."""


class QueryError(Exception):
    """A question that cannot be answered. The text is for the auditor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a question is about. `since` and `until` are ISO 8601 texts, the second one exclusive."""

    principal: str | None = None
    warehouse: str | None = None
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, and what their columns are called. `rows` can be gone through once."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


class TrailDatabase:
    """Files of a trail as the tables `decisions` and `lines`."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Raises `QueryError`."""
        try:
            import duckdb  # noqa: PLC0415 - an extra: the server does without
        except ImportError:
            raise QueryError("DuckDB is not installed: pip install 'scopegate[audit]'") from None
        self._error = duckdb.Error
        self._connection: duckdb.DuckDBPyConnection = duckdb.connect(":memory:")
        try:
            self._open([str(path.resolve()) for path in files])
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from None

    def _open(self, files: Sequence[str]) -> None:
        run = self._connection.execute
        run("SET TimeZone = 'UTC'")
        run("SET enable_progress_bar = true")
        run("SET enable_progress_bar_print = false")
        # Whatever is asked can read these files and nothing else, and write nothing.
        run(f"SET allowed_paths = [{', '.join(map(_quoted, files))}]")
        run("SET enable_external_access = false")
        run("SET lock_configuration = true")
        columns = ", ".join(f"'{name}': {_quoted(kind)}" for name, kind in _COLUMNS.items())
        names = ", ".join(map(_quoted, files))
        run(
            "CREATE TEMP VIEW lines AS SELECT * FROM read_json("  # noqa: S608 - quoted, and the auditor's own files
            f"[{names}], format = 'newline_delimited', columns = {{{columns}}}, "
            f"ignore_errors = true, maximum_object_size = {MAX_LINE_BYTES})"
        )
        run(_DECISIONS)

    def ask(self, question: str, filters: Filters, progress: Callable[[float], None]) -> Answer:
        """A question by its name. `progress` is told percents. Raises `QueryError`."""
        sql = QUESTIONS[question][1].replace("{who}", _WHO)
        given = {
            "principal": filters.principal,
            "warehouse": filters.warehouse,
            "since": filters.since,
            "until": filters.until,
        }
        return self.ask_sql(
            sql, progress, {name: value for name, value in given.items() if f"${name}" in sql}
        )

    def ask_sql(
        self, sql: str, progress: Callable[[float], None], parameters: Mapping[str, object] | None = None
    ) -> Answer:
        """The auditor's own question. Raises `QueryError`."""
        failed: list[Exception] = []

        def work() -> None:
            try:
                self._connection.execute(sql, dict(parameters or {}))
            except self._error as error:
                failed.append(error)

        thread = Thread(target=work, name="audit-query", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.1)
            progress(max(0.0, float(self._connection.query_progress())))
        if failed:
            raise QueryError(_first_line(failed[0]))
        described = self._connection.description or []
        return Answer(tuple(str(column[0]) for column in described), self._rows() if described else iter(()))

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        try:
            while rows := self._connection.fetchmany(10_000):
                yield from rows
        except self._error as error:
            raise QueryError(_first_line(error)) from None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n\n")[0]
