"""PostgREST's own parser reads what Scopegate writes, and `tests.postgrest_reading` reads as it does.

The parser is two modules of PostgREST's source, built by GHC with what is in `pgrst/` in place of the rest of it.
"""

import os
import random
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from authz.errors import Denied
from authz.rendering.filters import postgrest
from authz.rendering.filters.parameters import read_parameters, written
from authz.scopes.constraints import OneOf
from authz.scopes.rowfilter import EVERYTHING, NOTHING, RowFilter, any_of, where
from tests.postgrest_reading import Group, ReadingError, Tree, read

SHIMS = Path(__file__).parent / "pgrst"
EXTENSIONS = (
    "FlexibleContexts",
    "FlexibleInstances",
    "MultiParamTypeClasses",
    "OverloadedStrings",
    "TupleSections",
)
COLUMNS = {"region": "region", "day": "Day of it", "x": "not"}

_NAMES = {
    "neq": "OpNotEqual", "cs": "OpContains", "cd": "OpContained", "ov": "OpOverlap", "sl": "OpStrictlyLeft", "sr": "OpStrictlyRight",
    "nxr": "OpNotExtendsRight", "nxl": "OpNotExtendsLeft", "adj": "OpAdjacent", "eq": "OpEqual", "gte": "OpGreaterThanEqual",
    "gt": "OpGreaterThan", "lte": "OpLessThanEqual", "lt": "OpLessThan", "like": "OpLike", "ilike": "OpILike", "match": "OpMatch",
    "imatch": "OpIMatch", "fts": "FilterFts", "plfts": "FilterFtsPlain", "phfts": "FilterFtsPhrase", "wfts": "FilterFtsWebsearch",
    "isdistinct": "IsDistinctFrom", "null": "IsNull", "not_null": "IsNotNull", "true": "IsTriTrue", "false": "IsTriFalse",
    "unknown": "IsTriUnknown", "any": "QuantAny", "all": "QuantAll",
}  # fmt: skip


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pgrst")
    shutil.copytree(SHIMS, place, dirs_exist_ok=True)
    source = Path(os.environ["POSTGREST_SOURCE"]) / "src" / "library" / "PostgREST" / "ApiRequest"
    (place / "PostgREST" / "ApiRequest").mkdir()
    for name in ("QueryParams.hs", "Types.hs"):
        text = (source / name).read_text().replace("import Protolude\n", "import Protolude hiding (Sum)\n")
        (place / "PostgREST" / "ApiRequest" / name).write_text(text)
    extensions = [f"-X{name}" for name in ("NoImplicitPrelude", *EXTENSIONS)]
    built = subprocess.run(
        ["ghc", "-O0", *extensions, "Main.hs", "-o", "pgrst"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return place / "pgrst"


def _asked(parser: Path, queries: list[str]) -> list[list[str] | None]:
    done = subprocess.run([str(parser)], input="\n".join(queries), capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(queries)
    return [None if line == "400" else sorted(line.split()) for line in lines]


def _hex(text: str) -> str:
    return text.encode().hex()


def _said(tree: Tree) -> str:
    if isinstance(tree, Group):
        return f"{'!' if tree.negated else ''}{tree.operator}({','.join(map(_said, tree.parts))})"
    path = "".join(f"{arrow}{_hex(key.lstrip('+'))}" for arrow, key in map(_step, tree.path))
    before = f"{_hex(tree.column)}{path}:{'!' if tree.negated else ''}"
    operator, _, modifier = tree.operator.removesuffix(")").partition("(")
    match operator:
        case "in":
            return f"{before}In:{'/'.join(map(_hex, tree.value))}"
        case "is":
            return before + _NAMES[tree.value]
        case _:
            said = (_NAMES.get(modifier) or _hex(modifier)) if modifier else ""
            return f"{before}{_NAMES[operator]}{said}:{_hex(tree.value)}"


def _step(step: str) -> tuple[str, str]:
    return ("->>", step[3:]) if step.startswith("->>") else ("->", step[2:])


def _read(query: str) -> list[str] | None:
    try:
        reading = read(query)
    except ReadingError:
        return None
    conditions = [f"{'.'.join(map(_hex, path))}|{_said(tree)}" for path, tree in reading.conditions]
    embedded = [f"embedded:{_hex(name.partition('(')[0].strip())}" for name in reading.embedded]
    return sorted(conditions + embedded)


_PIECES = [
    "and", "or", "not.", "(", ")", ",", ".", "eq", "gte", "in", "is", "null", "like", "a", "day", "1", '"', '"x,y"', "\\", '"a\\"b"', "{a,b}",
    "{", "}", "->", "->>", "k", " ", "*", "(any)", "(simple)", "true", "é", "'", ":", "!", "...", "count()", "-", "2026-01-01",
]  # fmt: skip
_VALUES = [
    "1",
    '"x,y"',
    '"a\\"b"',
    "x y",
    "{a,b}",
    "null",
    "true",
    "(1,2)",
    '("a","b,c")',
    '("a\\")",b)',
    "()",
    '"a"b',
    "",
]
_OPERATORS = ["eq", "gte", "lt", "neq", "like", "is", "in", "isdistinct", "cs", "fts", "fts(simple)"]
_SELECTED = [
    "a",
    "*",
    "b:a",
    "a::text",
    "a.sum()",
    "count()",
    "a->>k",
    "c(*)",
    "...c(*)",
    "x:c!inner(a,d(*))",
]


def _junk(random_: random.Random, most: int) -> str:
    return "".join(random_.choice(_PIECES) for _ in range(random_.randint(1, most)))


def _condition(random_: random.Random, *, wild: bool) -> str:
    columns = ["a", "region", "day", "a->>k"] + (['"we ird"', "a-b", " a "] if wild else [])
    operator = random_.choice(_OPERATORS + (["eq(any)", "nope"] if wild else []))
    value = random_.choice([*_VALUES, _junk(random_, 3)])
    if not wild:
        value = {"is": "null", "in": random_.choice(['(1,"b,c")', "()", '("a\\")",b)'])}.get(operator, value)
    return f"{random_.choice(columns)}.{random_.choice(['', '', 'not.'])}{operator}.{value}"


def _tree(random_: random.Random, depth: int, *, wild: bool) -> str:
    if depth == 0 or random_.random() < 0.5:
        return _condition(random_, wild=wild)
    parts = (_tree(random_, depth - 1, wild=wild) for _ in range(random_.randint(1, 3)))
    comma = random_.choice([",", " , "]) if wild else ","
    return f"{random_.choice(['', 'not.'])}{random_.choice(['and', 'or'])}({comma.join(parts)})"


def _parameter(random_: random.Random, *, wild: bool) -> tuple[str, str]:
    match random_.choice(["logic", "logic", "condition", "select", "order", "junk" if wild else "condition"]):
        case "logic":
            trees = ",".join(_tree(random_, 2, wild=wild) for _ in range(random_.randint(1, 3)))
            names = ["and", "or", "not.and"] + (["x.or"] if wild else [])
            return random_.choice(names), f"({trees}){random_.choice(['', 'junk']) if wild else ''}"
        case "condition":
            name, _, value = _condition(random_, wild=wild).partition(".")
            return name, value
        case "select":
            items = _SELECTED if wild else _SELECTED[:-3]
            return "select", ",".join(random_.choice(items) for _ in range(random_.randint(1, 3)))
        case "order":
            return "order", random_.choice(
                ["a", "a.desc", "a.asc.nullslast"] + (["c(a).desc"] if wild else [])
            )
        case _:
            return _junk(random_, 3), _junk(random_, 4)


def _query(random_: random.Random, *, wild: bool) -> str:
    parameters = dict(_parameter(random_, wild=wild) for _ in range(random_.randint(1, 3)))
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items())


def test_the_reading_of_the_tests_is_the_real_one(parser: Path) -> None:
    """Of thousands of queries, good ones and bad: the same conditions, the same embedded resources, the same refusals."""
    random_ = random.Random(20261129)
    queries = [_query(random_, wild=True) for _ in range(10_000)]
    answers = _asked(parser, queries)
    for query, answer in zip(queries, answers, strict=True):
        assert _read(query) == answer, query
    assert sum(answer is not None for answer in answers) > 2_000


def _scope(random_: random.Random) -> RowFilter:
    def one() -> RowFilter:
        return where(
            {
                name: OneOf(tuple(sorted({_junk(random_, 4) for _ in range(random_.randint(1, 3))})))
                for name in random_.sample(list(COLUMNS), random_.randint(1, 3))
            }
        )

    return random_.choice(
        [EVERYTHING, NOTHING, *(any_of([one() for _ in range(random_.randint(1, 3))]) for _ in range(8))]
    )


def test_the_real_parser_finds_our_filter_and_within_it_what_the_client_meant(parser: Path) -> None:
    """Nothing is embedded, ours comes first, and the client's conditions are those that were written, and all of them."""
    random_ = random.Random(20261130)
    cases: list[tuple[str, str, str]] = []
    for _ in range(6_000):
        client, scope = _query(random_, wild=random_.random() < 0.2), _scope(random_)
        own = postgrest.row_conditions(scope, COLUMNS)
        try:
            cases.append(
                (
                    client,
                    written(postgrest.query(own, read_parameters(client))),
                    written(postgrest.query(own, ())),
                )
            )
        except Denied:
            continue
    assert len(cases) > 1_000
    clients, everything, ours = (_asked(parser, list(queries)) for queries in zip(*cases, strict=True))
    for case, client, whole, own_ in zip(cases, clients, everything, ours, strict=True):
        assert whole is not None, case
        assert client is not None, case
        assert all(entry.startswith("|") for entry in whole), case
        for entry in own_ or []:
            inside = entry.removesuffix(")")
            assert any(each.startswith((f"{inside})", f"{inside},")) for each in whole), case
        for entry in client:
            group = entry.lstrip("|!").startswith(("and(", "or("))
            assert any(entry[1:] in each for each in whole) if group else entry in whole, case
