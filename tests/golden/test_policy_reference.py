"""The reference and the schema of the policy file are what the types say."""

from pathlib import Path

from authz.cli.schema import schema_text
from authz.config.load import load_policy
from authz.policy.names import DIALECTS, RESERVED_DIMENSIONS
from authz.policy.parse import SourceText, parse_policy
from authz.policy.reference import SECTIONS, tables, with_tables
from authz.policy.schema import parts
from authz.rendering.dialects import DIALECTS as WRITTEN_DIALECTS
from authz.rendering.owned import RESERVED_DIMENSIONS as OWNED_DIMENSIONS
from tests.policies import SMALL

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "policy.md"


def test_the_committed_schema_is_the_generated_one() -> None:
    """Editors get what the program checks."""
    anew = "write it anew: scopegate schema > docs/policy.schema.json"
    assert (ROOT / "docs" / "policy.schema.json").read_text(encoding="utf-8") == schema_text(), anew


def test_the_tables_of_the_reference_are_those_of_the_types() -> None:
    """A key without its line in the reference does not pass, nor does an old default."""
    text = REFERENCE.read_text(encoding="utf-8")
    anew = "write docs/policy.md anew with authz.policy.reference.with_tables"
    assert with_tables(text) == text, anew


def test_the_reference_has_a_heading_for_each_kind_of_mapping() -> None:
    """The links in the tables lead somewhere."""
    assert {part.__name__ for part in parts()} == set(SECTIONS)
    headings = [
        line.lstrip("# ") for line in REFERENCE.read_text(encoding="utf-8").splitlines() if line[:1] == "#"
    ]
    assert all(f"`{section}`" in headings for section in tables())
    assert "Scope terms" in headings


def test_the_example_of_the_reference_is_a_good_policy() -> None:
    """It is the one that the tests use, but for the line for editors."""
    example = REFERENCE.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    assert example.startswith("# yaml-language-server: $schema=")
    assert example.partition("\n")[2] == SMALL
    parse_policy([SourceText("scopegate.yaml", example)])


def test_the_policy_of_the_demo_is_a_good_one() -> None:
    """The file that people copy from."""
    assert load_policy(ROOT / "authz" / "demo" / "scopegate.yaml").warehouses


def test_words_that_two_rooms_share_are_the_same() -> None:
    """The policy may not look into the room that writes SQL and headers."""
    assert set(DIALECTS) == set(WRITTEN_DIALECTS)
    assert RESERVED_DIMENSIONS == OWNED_DIMENSIONS
