"""One JSON line for each request. No query string, no header of the client's that could carry a secret."""

from envoy_data_plane.envoy.config.accesslog import v3 as accesslog
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.access_loggers.stream import v3 as stream
from envoy_data_plane.google import protobuf

from authz.edge.messages import pack
from authz.edge.names import EXT_AUTHZ


def _decided(key: str) -> str:
    return f"%DYNAMIC_METADATA({EXT_AUTHZ}:{key})%"


FIELDS = {
    "time": "%START_TIME%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "tls": "%DOWNSTREAM_TLS_VERSION%",
    "method": "%REQ(:METHOD)%",
    "host": "%REQ(:AUTHORITY)%",
    # Without the query: it holds what was asked, and the cache partition.
    "path": "%PATH(NQ)%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "decision_id": _decided("decision_id"),
    "reason": _decided("reason"),
    "warehouse": _decided("warehouse"),
    "principal": _decided("principal"),
    "scope_id": _decided("scope_id"),
    "policy_version": _decided("policy_version"),
    "check_ms": _decided("ext_authz_duration"),
    "duration_ms": "%DURATION%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "upstream": "%UPSTREAM_HOST%",
}


def access_log() -> accesslog.AccessLog:
    return accesslog.AccessLog(
        name="envoy.access_loggers.stdout",
        typed_config=pack(
            stream.StdoutAccessLog(
                log_format=core.SubstitutionFormatString(json_format=protobuf.Struct.from_dict(FIELDS))
            )
        ),
    )
