"""The published schema of audit trails is what the types say."""

from pathlib import Path

from authz.cli.audit import schema_text

ROOT = Path(__file__).parents[2]


def test_the_committed_schema_is_the_generated_one() -> None:
    """Whoever reads trails with their own tools is told of every change."""
    anew = "write it anew: scopegate audit schema > docs/audit.schema.json"
    assert (ROOT / "docs" / "audit.schema.json").read_text(encoding="utf-8") == schema_text(), anew
