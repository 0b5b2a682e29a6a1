"""Text in lexemes, the same for every reader."""

import pytest

from authz.errors import Denied
from authz.guardrails.dialects import DIALECTS
from authz.guardrails.lexer import LexemeKind, fingerprint, read_lexemes
from authz.guardrails.rules import Bounds

TRINO, CLICKHOUSE = DIALECTS["trino"], DIALECTS["clickhouse"]


def _read(text: str, dialect: str = "trino") -> list[tuple[str, str]]:
    return [(lexeme.kind.value, lexeme.text) for lexeme in read_lexemes(text, DIALECTS[dialect], Bounds())]


def test_kinds() -> None:
    """Words, quoted names, strings, numbers and marks; spaces and comments are none."""
    assert _read("select \"a b\", 'it''s' /* x */ || 1.5e3 -- end\r\n, date'2024-01-01' <> ?") == [
        ("word", "select"),
        ("quoted", "a b"),
        ("mark", ","),
        ("string", "'it''s'"),
        ("mark", "||"),
        ("number", "1.5e3"),
        ("mark", ","),
        ("word", "date"),
        ("string", "'2024-01-01'"),
        ("mark", "<>"),
        ("mark", "?"),
    ]


def test_places() -> None:
    """Where a lexeme stands in the text, its quotes included."""
    text = "select 'x', \"y\""
    for lexeme in read_lexemes(text, TRINO, Bounds()):
        assert lexeme.text in text[lexeme.start : lexeme.end]
    assert [text[x.start : x.end] for x in read_lexemes(text, TRINO, Bounds())] == [
        "select",
        "'x'",
        ",",
        '"y"',
    ]


def test_backslashes_escape_where_the_warehouse_says_so() -> None:
    r"""`'\'` is a whole string to Trino and an unfinished one to ClickHouse, whose `'\''` is unfinished to Trino."""
    assert _read("select '\\'")[-1] == ("string", "'\\'")
    with pytest.raises(Denied, match="statement_malformed"):
        _read("select '\\'", "clickhouse")
    assert _read("select '\\''", "clickhouse")[-1] == ("string", "'\\''")
    with pytest.raises(Denied, match="statement_malformed"):
        _read("select '\\''")


def test_backquotes_where_the_warehouse_has_them() -> None:
    """ClickHouse's names; to Trino they are nothing."""
    assert _read("`a b`", "clickhouse") == [("quoted", "a b")]
    with pytest.raises(Denied, match="statement_malformed"):
        _read("`a b`")


@pytest.mark.parametrize(
    "text", ["/**/", "/***/", "/*/ x */", "/* -- */", "-- /*", "--", "/* ' */", "/* * / */"]
)
def test_comments(text: str) -> None:
    """What everybody takes for one comment."""
    assert _read(f"{text}\n1") == [("number", "1")]


@pytest.mark.parametrize(
    "text",
    [
        "/*",
        "/* /* */",
        "/* /* */ */",
        "/*+ x */",
        "/*! x */",
        "*/",
        "--\r1",
        "#x",
        "/* x *",
        "1 /",
        "/* \x00 */",
    ],
)
def test_no_comments(text: str) -> None:
    """What warehouses end in different places, or read as more than a comment."""
    if text == "1 /":
        assert _read(text)  # a division is a mark
        return
    with pytest.raises(Denied, match="statement_malformed"):
        _read(text)


@pytest.mark.parametrize(
    "character", [chr(c) for c in (*range(9), 11, 12, *range(14, 32), 127, 0xA0, 0x2028, 0xFEFF)]
)
def test_characters_that_are_spaces_to_some(character: str) -> None:
    """Control characters and the spaces of Unicode are refused between words; only spaces, tabs and line ends are spaces."""
    with pytest.raises(Denied, match="statement_malformed"):
        _read(f"select{character}1")


def test_bounds() -> None:
    """Bytes, tokens and depth, each at its edge."""
    bounds = Bounds(bytes=20, tokens=5, depth=2)
    assert read_lexemes("((1))", TRINO, bounds)
    for text in ("1" * 21, "'" + "ü" * 10 + "'", "1 1 1 1 1 1", "(((", "[[["):
        with pytest.raises(Denied, match="statement_too_large"):
            read_lexemes(text, TRINO, bounds)
    assert read_lexemes("'" + "ü" * 9 + "'", TRINO, bounds)[0].kind is LexemeKind.STRING


@pytest.mark.parametrize("text", ["a" + "[1]" * 10, "a[" * 41, ",".join("a[1]" for _ in range(257))])
def test_subscripts_have_a_bound(text: str) -> None:
    """SQLGlot takes longest for them."""
    with pytest.raises(Denied, match="statement_too_large"):
        _read(text)


def test_fingerprint_forgets_literals() -> None:
    """Values, the length of a list, letters, spaces and comments make no difference; names do."""

    def of(text: str) -> str:
        return fingerprint(read_lexemes(text, TRINO, Bounds()))

    base = of("select a from t where b in (1, 2) and c = 'x'")
    assert of("SELECT A  FROM t -- c\nWHERE b IN (3) AND c = 'yyy'") == base
    assert of("select a from t where b in ('q', 2, 3, 4) and c = 5") == base
    for other in (
        "select b from t where b in (1) and c = 'x'",
        "select \"a\" from t where b in (1) and c = 'x'",
    ):
        assert of(other) != base
    assert len(base) == 32
