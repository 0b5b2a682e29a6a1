"""The warehouses' side of a scope is what the renderer writes: whoever changes it sees what changes there."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from authz.cli.main import main

GOLDEN = Path(__file__).parent / "warehouses"
POLICY = GOLDEN / "scopegate.yaml"


@pytest.mark.parametrize(("kind", "warehouse"), [("postgres", "crm"), ("cube", "metrics"), ("trino", "lake")])
def test_the_committed_files_are_the_rendered_ones(kind: str, warehouse: str, tmp_path: Path) -> None:
    """File by file, none more and none less."""
    command = ["render", kind, "--policy", str(POLICY), "--warehouse", warehouse, "-o"]
    anew = f"write them anew and read the difference: scopegate {' '.join(command[:2])} … -o tests/golden/warehouses/{kind}"

    if kind == "trino":
        command[2:2] = ["--jwks-uri", "https://scopegate:9090/.well-known/jwks.json"]

    done = CliRunner().invoke(main, [*command, str(tmp_path)])

    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in (GOLDEN / kind).iterdir()), anew
    for name in names:
        assert (tmp_path / name).read_text() == (GOLDEN / kind / name).read_text(), anew
