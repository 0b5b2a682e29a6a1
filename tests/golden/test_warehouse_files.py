"""The warehouses' side of a scope is what the renderer writes: whoever changes it sees what changes there."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from authz.cli.main import main

GOLDEN = Path(__file__).parent / "warehouses"
POLICY = GOLDEN / "scopegate.yaml"


@pytest.mark.parametrize(
    ("kind", "warehouse"),
    [("postgres", "crm"), ("cube", "metrics"), ("trino", "lake"), ("clickhouse", "events")],
)
def test_the_committed_files_are_the_rendered_ones(kind: str, warehouse: str, tmp_path: Path) -> None:
    """File by file, none more and none less."""
    command = ["render", kind, "--policy", str(POLICY), "--warehouse", warehouse, "-o"]
    anew = f"write them anew and read the difference: scopegate {' '.join(command[:2])} … -o tests/golden/warehouses/{kind}"

    if kind == "trino":
        command[2:2] = ["--jwks-uri", "https://scopegate:9090/.well-known/jwks.json"]
        command[2:2] = ["--opa-uri", "http://scopegate:8181"]

    done = CliRunner().invoke(main, [*command, str(tmp_path)])

    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in (GOLDEN / kind).iterdir()), anew
    for name in names:
        assert (tmp_path / name).read_text() == (GOLDEN / kind / name).read_text(), anew


@pytest.mark.parametrize(
    ("uri", "old", "problem"),
    [
        ("scopegate:8181", "", "expected a URL such as"),
        ("http://scopegate:8181/?x=", "", "expected a URL such as"),
        ("http://scope gate", "", "expected a URL such as"),
        ("http://scopegate:8181", "    trino: {opa: {issuer: okta}}\n", "say whose people"),
    ],
)
def test_what_trino_could_not_ask_is_not_written(uri: str, old: str, problem: str, tmp_path: Path) -> None:
    """A file with half of its addresses would filter nothing."""
    policy = tmp_path / "scopegate.yaml"
    text = POLICY.read_text()
    policy.write_text(text.replace(old, "") if old else text)
    options = ["--warehouse", "lake", "--jwks-uri", "https://scopegate:9090/.well-known/jwks.json"]
    done = CliRunner().invoke(
        main,
        ["render", "trino", "--policy", str(policy), *options, "--opa-uri", uri, "-o", str(tmp_path / "o")],
    )
    assert done.exit_code != 0
    assert problem in done.output
    assert not (tmp_path / "o").exists()
