"""The shared edge cache. Its key is the cluster and the whole target, so the partition in the query is the guard."""

from betterproto2 import Message
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.common.async_files import v3 as async_files
from envoy_data_plane.envoy.extensions.filters.http.cache_v2 import v3 as cache_v2
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.extensions.http.cache_v2.file_system_http_cache import v3 as file_system
from envoy_data_plane.envoy.extensions.http.cache_v2.simple_http_cache import v3 as simple
from envoy_data_plane.google import protobuf

from authz.edge.messages import http_filter, pack
from authz.edge.names import CACHE

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Longer answers are not kept."""
MAX_TOTAL_BYTES = 512 * 1024 * 1024
"""With a directory: when there is more, the oldest answers go."""


def cache_filter(directory: str | None) -> hcm.HttpFilter:
    """cache_v2, off by default. The first cache filter of Envoy crashes on `Vary`, and lets every asker through at once."""
    return http_filter(
        CACHE,
        cache_v2.CacheV2Config(
            typed_config=pack(_store(directory)),
            max_body_bytes=MAX_ANSWER_BYTES,
            # Else everybody could make the warehouse work by `Cache-Control: no-cache`.
            ignore_request_cache_control_header=True,
        ),
        # Where it were forgotten to switch it off, it would share answers that no partition keeps apart.
        disabled=True,
    )


def switched_on() -> route.FilterConfig:
    """For a route on which a filter that is off by default must run with its own settings."""
    return route.FilterConfig(config=protobuf.Any())


def switched_off() -> route.FilterConfig:
    """For a route on which a filter of the chain must not run."""
    return route.FilterConfig(disabled=True)


def _store(directory: str | None) -> Message:
    if directory is None:
        return simple.SimpleHttpCacheV2Config()
    # `create_cache_path` is not used: with it Envoy 1.40 made no directory, kept nothing and asked upstream twice.
    return file_system.FileSystemHttpCacheV2Config(
        manager_config=async_files.AsyncFileManagerConfig(
            thread_pool=async_files.AsyncFileManagerConfigThreadPool(thread_count=2)
        ),
        cache_path=directory,
        max_cache_size_bytes=MAX_TOTAL_BYTES,
        max_individual_cache_entry_size_bytes=MAX_ANSWER_BYTES,
    )
