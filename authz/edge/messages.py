"""Envoy's typed messages: packing into `Any`, and their readable text."""

import json
import re
from datetime import timedelta
from typing import Any

import yaml
from betterproto2 import Message
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.google import protobuf

# yaml-cpp and PyYAML read some plain words differently (`y`, `1e5`, `0o17`): plain only where nobody doubts.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@:\-]+\Z|[0-9]+(?:\.[0-9]+)?s\Z")


class EdgeError(ValueError):
    """The policy's edge cannot be rendered. The text names the setting first, then got and expected."""


def pack(message: Message) -> protobuf.Any:
    """The message as `google.protobuf.Any`; in text it carries its `@type`."""
    return protobuf.Any.pack(message)


def extension(name: str, message: Message) -> core.TypedExtensionConfig:
    return core.TypedExtensionConfig(name=name, typed_config=pack(message))


def http_filter(name: str, message: Message, *, disabled: bool = False) -> hcm.HttpFilter:
    """An HTTP filter; `disabled` ones run only on routes that enable them."""
    return hcm.HttpFilter(name=name, typed_config=pack(message), disabled=disabled)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def to_dict(message: Message) -> dict[str, Any]:
    """Proto3 JSON mapping with the field names of the `.proto` files; defaults are left out."""
    # `Casing.SNAKE` would write `consecutive_5_xx`; the names are snake case already.
    found: dict[str, Any] = _tidy(message.to_dict(casing=str))  # type: ignore[arg-type] # any function of a name does
    return found


def _tidy(value: Any) -> Any:
    """An empty `Any` is `{}` in Envoy's JSON; betterproto2 0.9 gives it an empty `@type`, which Envoy refuses."""
    match value:
        case {"@type": ""}:
            return {}
        case dict():
            return {key: _tidy(part) for key, part in value.items()}
        case list():
            return [_tidy(part) for part in value]
        case _:
            return value


def to_json(message: Message) -> str:
    return json.dumps(to_dict(message), indent=2) + "\n"


def to_yaml(message: Message) -> str:
    """Block style, fields in the order of their definition, every doubtful word in quotes."""
    return yaml.dump(to_dict(message), Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=False)


class _Dumper(yaml.SafeDumper):
    """Safe, with our own idea of which words need quotes."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    """Plain, quoted, or a block of lines; where a style cannot carry the text PyYAML takes double quotes."""
    if _PLAIN.match(text):
        return None
    if "\n" in text:
        return "|"
    return "'" if "'" not in text else '"'


_Dumper.add_representer(str, _text)
