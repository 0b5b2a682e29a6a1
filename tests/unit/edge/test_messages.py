"""Messages as text: what a YAML reader of any version takes for the same."""

import json

import pytest
import yaml
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.google import protobuf
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.edge.messages import pack, to_dict, to_json, to_yaml


def written(text: str) -> str:
    return to_yaml(core.Node(id=text)).removeprefix("id: ").rstrip("\n")


@pytest.mark.parametrize(
    "text", ["y", "no", "NO", "1e5", "0x1f", "0o17", "1_000", "12:30", "~", "a b", "a: b", "- a", "é"]
)
def test_doubtful_words_are_in_quotes(text: str) -> None:
    """YAML 1.1 and yaml-cpp each see numbers and booleans where the other sees text."""
    assert written(text)[0] in "\"'"


@pytest.mark.parametrize(
    "text", ["sales", "warehouse.sales", "0.250s", "/run/a.sock", "envoy.filters.http.router"]
)
def test_plain_words_stay_plain(text: str) -> None:
    """A configuration is read by people."""
    assert written(text) == text


def test_several_lines_stay_lines() -> None:
    """A script inside the configuration can be read."""
    assert written("a = 1\nb = 2\n") == "|\n  a = 1\n  b = 2"


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_text_survives(text: str) -> None:
    """Whatever it is, in YAML and in JSON."""
    node = core.Node(id=text)

    assert (yaml.safe_load(to_yaml(node)) or {}).get("id", "") == text
    assert json.loads(to_json(node)).get("id", "") == text


def test_a_packed_message_tells_its_type() -> None:
    """As Envoy's JSON mapping wants it."""
    packed = core.TypedExtensionConfig(name="x", typed_config=pack(core.Node(id="a")))

    assert to_dict(packed)["typed_config"] == {
        "@type": "type.googleapis.com/envoy.config.core.v3.Node",
        "id": "a",
    }


def test_an_empty_any_is_empty() -> None:
    """Envoy refuses an empty `@type`."""
    assert to_dict(route.FilterConfig(config=protobuf.Any())) == {"config": {}}


def test_names_of_fields_are_those_of_the_protobuf_files() -> None:
    """Digits inside a name start no new word."""
    from envoy_data_plane.envoy.config.cluster import v3 as cluster

    assert to_dict(cluster.OutlierDetection(consecutive_5xx=5)) == {"consecutive_5xx": 5}
