"""What Envoy answers by itself, in the form of Scopegate's own denials (RFC 9457), each with a stable reason.

Scopegate's denials pass through unchanged: they are told apart by Envoy's account of why it answered.
"""

from envoy_data_plane.envoy.config.accesslog import v3 as accesslog
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.access_loggers.filters.cel import v3 as cel
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.google import protobuf

from authz.edge.messages import pack

_PROBLEM = "application/problem+json"

# Envoy's response code details, the status to answer with, the reason and the title.
_REPLIES = (
    ('response.code_details == "ext_authz_error"', 503, "decision_unavailable", "No decision could be made"),
    ('response.code_details == "ext_authz_invalid"', 503, "decision_invalid", "No decision could be made"),
    (
        'response.code_details.startsWith("rbac_access_denied")',
        503,
        "decision_incomplete",
        "No decision could be made",
    ),
    ("response.code == 429", 429, "rate_limited", "Too many requests"),
    ('response.code_details == "route_not_found"', 404, "route_unknown", "No warehouse is served here"),
    (
        'response.code >= 500 && response.code_details != "ext_authz_denied"',
        None,
        "warehouse_unavailable",
        "The warehouse cannot be reached",
    ),
)


def local_replies() -> hcm.LocalReplyConfig:
    """Envoy takes the first mapper whose condition holds."""
    return hcm.LocalReplyConfig(
        mappers=[
            hcm.ResponseMapper(
                filter=_when(condition),
                status_code=status,
                body_format_override=core.SubstitutionFormatString(
                    json_format=protobuf.Struct.from_dict(
                        {"type": "about:blank", "title": title, "status": "%RESPONSE_CODE%", "reason": reason}
                    ),
                    content_type=_PROBLEM,
                ),
            )
            for condition, status, reason, title in _REPLIES
        ]
    )


def _when(condition: str) -> accesslog.AccessLogFilter:
    return accesslog.AccessLogFilter(
        extension_filter=accesslog.ExtensionFilter(
            name="envoy.access_loggers.extension_filters.cel",
            typed_config=pack(cel.ExpressionFilter(expression=condition)),
        )
    )
