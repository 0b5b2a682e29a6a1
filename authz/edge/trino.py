"""Routes of a Trino: statements, whose first answer is bound to who asked, and the polls that are bound so.

Only what the drivers need leads to Trino at all. Everything else is asked about, too, so that its denial is in the
audit trail, and has nowhere to go.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from betterproto2 import Message
from envoy_data_plane.envoy.config.common.mutation_rules import v3 as mutation_rules
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.filters.http.ext_proc import v3 as ext_proc
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.type import v3 as envoy_type
from envoy_data_plane.envoy.type.matcher import v3 as matcher
from envoy_data_plane.google import protobuf

from authz.edge import sharedcache
from authz.edge.messages import http_filter, pack, seconds
from authz.edge.names import (
    ADDRESS_LIMIT,
    AUTHZ_CLUSTER,
    BINDING,
    EXT_AUTHZ,
    PRINCIPAL_LIMIT,
    warehouse_cluster,
)
from authz.edge.ratelimits import per_address
from authz.edge.upstreams import MAX_STREAM_SECONDS
from authz.guardrails.trino import STATEMENT
from authz.policy.policyset import RateLimit
from authz.rendering.targets.trino import OPEN, POLL_METHODS

_BINDING_SECONDS: Final = 0.5
_STREAM_SECONDS: Final = 2.0

# Looser than the grammar that Scopegate holds a path against: RE2's programs for `{24}` and `{40}` are large.
_POLL: Final = "/~[^/]+/v1/statement/(queued|executing)/.+"
_UNBOUND: Final = "^/~[^/]+(/v1/statement/)"

Settings = Mapping[str, Message]
_Mode = ext_proc.ProcessingModeHeaderSendMode
_Body = ext_proc.ProcessingModeBodySendMode


def binding_filter() -> hcm.HttpFilter:
    """Asks Scopegate to bind a first answer; off but for the one route that switches it on.

    Closed in every failure but one: a stream that ends without an answer passes the answer on unbound, and then
    its polls are refused.
    """
    return http_filter(
        BINDING,
        ext_proc.ExternalProcessor(
            grpc_service=core.GrpcService(
                envoy_grpc=core.GrpcServiceEnvoyGrpc(cluster_name=AUTHZ_CLUSTER),
                timeout=seconds(_STREAM_SECONDS),
            ),
            message_timeout=seconds(_BINDING_SECONDS),
            failure_mode_allow=False,
            status_on_error=envoy_type.HttpStatus(code=envoy_type.StatusCode.ServiceUnavailable),
            # Scopegate leaves bodies of errors alone.
            allow_mode_override=True,
            processing_mode=_mode(_Mode.SKIP, _Body.NONE),
            # Who asked is what the check has said, which no client can write.
            metadata_options=ext_proc.MetadataOptions(
                forwarding_namespaces=ext_proc.MetadataOptionsMetadataNamespaces(untyped=[EXT_AUTHZ])
            ),
            mutation_rules=mutation_rules.HeaderMutationRules(
                disallow_all=True,
                disallow_is_error=True,
                allow_expression=matcher.RegexMatcher(regex="^(content-length|cache-control)$"),
            ),
        ),
        disabled=True,
    )


def trino_routes(
    name: str, settings: Settings, address: RateLimit, *, limited: bool
) -> Iterator[route.Route]:
    """The routes of the warehouse `name`. `limited`: some warehouse has a limit for each principal."""
    bound = ext_proc.ExtProcPerRoute(
        # SKIP for the headers would be 0.2 ms cheaper, and a refusal would come after a 200.
        overrides=ext_proc.ExtProcOverrides(processing_mode=_mode(_Mode.SEND, _Body.BUFFERED))
    )
    yield _route(
        f"{name} statement",
        _exactly(STATEMENT, "POST"),
        name,
        {**settings, BINDING: bound},
        # Trino compresses even 726 bytes, and what is compressed is not bound.
        without=["accept-encoding"],
    )
    unlimited: dict[str, Message] = {PRINCIPAL_LIMIT: sharedcache.switched_off()} if limited else {}
    for method, path in sorted(OPEN - {("POST", STATEMENT)}):
        yield _route(f"{name} {method} {path}", _exactly(path, method), name, {**settings, **unlimited})
    # Trino's JDBC driver gives a query up at the first 429; 503 it asks again.
    patient = per_address(address)
    patient.status = envoy_type.HttpStatus(code=envoy_type.StatusCode.ServiceUnavailable)
    poll = _route(
        f"{name} poll",
        route.RouteMatch(
            safe_regex=matcher.RegexMatcher(regex=_POLL), headers=[_method("|".join(sorted(POLL_METHODS)))]
        ),
        name,
        {**settings, **unlimited, ADDRESS_LIMIT: patient},
    )
    if poll.route is not None:
        poll.route.regex_rewrite = matcher.RegexMatchAndSubstitute(
            pattern=matcher.RegexMatcher(regex=_UNBOUND), substitution="\\1"
        )
    yield poll


def _route(
    title: str,
    match: route.RouteMatch,
    warehouse: str,
    settings: Settings,
    *,
    without: list[str] | None = None,
) -> route.Route:
    return route.Route(
        name=title,
        match=match,
        route=route.RouteAction(cluster=warehouse_cluster(warehouse), timeout=seconds(MAX_STREAM_SECONDS)),
        request_headers_to_remove=without or [],
        typed_per_filter_config=_packed(settings),
    )


def _packed(settings: Settings) -> dict[str, protobuf.Any]:
    return {name: pack(message) for name, message in settings.items()}


def _exactly(path: str, method: str) -> route.RouteMatch:
    return route.RouteMatch(path=path, headers=[_method(method)])


def _method(expression: str) -> route.HeaderMatcher:
    return route.HeaderMatcher(
        name=":method",
        string_match=matcher.StringMatcher(safe_regex=matcher.RegexMatcher(regex=expression)),
    )


def _mode(response_headers: _Mode, response_body: _Body) -> ext_proc.ProcessingMode:
    return ext_proc.ProcessingMode(
        request_header_mode=_Mode.SKIP,
        response_header_mode=response_headers,
        request_body_mode=_Body.NONE,
        response_body_mode=response_body,
        request_trailer_mode=_Mode.SKIP,
        response_trailer_mode=_Mode.SKIP,
    )
