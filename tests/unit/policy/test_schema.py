"""The schema for editors."""

from authz.policy.schema import DIALECT, json_schema


def test_it_is_closed_and_of_the_draft_that_it_names() -> None:
    """An unknown key is marked while it is typed."""
    schema = json_schema()
    assert schema["$schema"] == DIALECT
    assert schema["additionalProperties"] is False
    assert all(part["additionalProperties"] is False for part in schema["$defs"].values())
    assert schema["properties"]["issuers"]["additionalProperties"] is False


def test_defaults_are_written_as_in_the_file() -> None:
    """A duration is `1m`, not an object of Python's."""
    parts = json_schema()["$defs"]
    assert parts["IssuerPart"]["properties"]["leeway"]["default"] == "1m"
    assert parts["EdgePart"]["properties"]["per_address"]["default"] == "200/s"
    assert "default" not in parts["GrantPart"]["properties"]["when"]


def test_no_key_may_be_null() -> None:
    """What stands there empty was forgotten; only the mask `null` is a word that YAML reads so."""

    def nulls(node: object) -> int:
        if isinstance(node, dict):
            return sum(map(nulls, node.values())) + (node.get("type") == "null")
        return sum(map(nulls, node)) if isinstance(node, list) else 0

    assert nulls(json_schema()) == 0


def test_every_key_is_described() -> None:
    """Editors show it, and so does the reference."""
    schema = json_schema()
    for part in (schema, *schema["$defs"].values()):
        assert part["description"]
        assert all(field.get("description") for field in part["properties"].values())
