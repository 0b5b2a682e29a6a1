"""Limits before the decision (per address) and after it (per principal)."""

from collections.abc import Iterable

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.common.ratelimit import v3 as ratelimit
from envoy_data_plane.envoy.extensions.filters.http.local_ratelimit import v3 as local_ratelimit
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.type import v3 as envoy_type
from envoy_data_plane.envoy.type.metadata import v3 as metadata

from authz.edge.messages import http_filter, seconds
from authz.edge.names import ADDRESS_LIMIT, EXT_AUTHZ, PRINCIPAL_LIMIT
from authz.policy.policyset import RateLimit, Warehouse

MAX_BUCKETS = 100_000
"""Buckets are forgotten least recently used; Envoy's own default of 20 would forget them at once."""

# A descriptor without metadata never forms: such a request falls into a bucket that lets one through a minute.
_NEARLY_NOTHING = RateLimit(requests=1, seconds=60)


def address_limit(limit: RateLimit) -> hcm.HttpFilter:
    """Before anything else is done for a request."""
    return http_filter(ADDRESS_LIMIT, per_address(limit))


def per_address(limit: RateLimit) -> local_ratelimit.LocalRateLimit:
    """One bucket for each IPv4 address and each IPv6 /64 (a subscriber's own network)."""
    key = route.RateLimitAction(
        masked_remote_address=route.RateLimitActionMaskedRemoteAddress(
            v4_prefix_mask_len=32, v6_prefix_mask_len=64
        )
    )
    return _limit(
        "address",
        default=RateLimit(requests=limit.requests, seconds=limit.seconds),
        actions=[key],
        descriptors=[_descriptor({"masked_remote_address": ""}, limit)],
    )


def principal_limit(warehouses: Iterable[Warehouse]) -> hcm.HttpFilter | None:
    """One bucket for each principal at each warehouse that has a limit; None if there is no such warehouse.

    It reads the metadata of the decision. Routes of warehouses without a limit switch it off.
    """
    limits = [(w.name, w.per_principal) for w in warehouses if w.per_principal is not None]
    if not limits:
        return None
    config = _limit(
        "principal",
        default=_NEARLY_NOTHING,
        actions=[from_decision("warehouse"), from_decision("principal")],
        descriptors=[_descriptor({"warehouse": name, "principal": ""}, limit) for name, limit in limits],
    )
    # The outer filter would overwrite the figures of this one, so only this one tells them.
    config.enable_x_ratelimit_headers = ratelimit.XRateLimitHeadersRfcVersion.DRAFT_VERSION_03
    return http_filter(PRINCIPAL_LIMIT, config)


def _limit(
    stat_prefix: str,
    *,
    default: RateLimit,
    actions: list[route.RateLimitAction],
    descriptors: list[ratelimit.LocalRateLimitDescriptor],
) -> local_ratelimit.LocalRateLimit:
    # Both fractions are 0 % unless they are given.
    always = core.RuntimeFractionalPercent(
        default_value=envoy_type.FractionalPercent(
            numerator=100, denominator=envoy_type.FractionalPercentDenominatorType.HUNDRED
        )
    )
    return local_ratelimit.LocalRateLimit(
        stat_prefix=stat_prefix,
        token_bucket=_bucket(default),
        filter_enabled=always,
        filter_enforced=always,
        descriptors=descriptors,
        always_consume_default_token_bucket=False,
        rate_limits=[route.RateLimit(actions=actions)],
        max_dynamic_descriptors=MAX_BUCKETS,
    )


def _descriptor(entries: dict[str, str], limit: RateLimit) -> ratelimit.LocalRateLimitDescriptor:
    """An empty value stands for any value, with a bucket for each."""
    return ratelimit.LocalRateLimitDescriptor(
        entries=[ratelimit.RateLimitDescriptorEntry(key=key, value=value) for key, value in entries.items()],
        token_bucket=_bucket(limit),
    )


def from_decision(key: str) -> route.RateLimitAction:
    """What Scopegate said under `key` about this request; nothing is counted without it."""
    return route.RateLimitAction(
        metadata=route.RateLimitActionMetaData(
            descriptor_key=key,
            metadata_key=metadata.MetadataKey(key=EXT_AUTHZ, path=[metadata.MetadataKeyPathSegment(key=key)]),
            source=route.RateLimitActionMetaDataSource.DYNAMIC,
        )
    )


def _bucket(limit: RateLimit) -> envoy_type.TokenBucket:
    return envoy_type.TokenBucket(
        max_tokens=limit.requests, tokens_per_fill=limit.requests, fill_interval=seconds(limit.seconds)
    )
