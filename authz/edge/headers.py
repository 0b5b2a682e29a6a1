"""Headers that are removed or set at the edge, beside those that Scopegate sets itself."""

from collections.abc import Iterable

from envoy_data_plane.envoy.config.common.mutation_rules import v3 as mutation_rules
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.filters.http.header_mutation import v3 as header_mutation
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.extensions.http.early_header_mutation.header_mutation import v3 as early
from envoy_data_plane.envoy.type.matcher import v3 as matcher

from authz.edge.messages import extension, http_filter
from authz.edge.names import CLIENT_HEADERS
from authz.policy.tables import WarehouseKind
from authz.rendering.owned import EARLY_OF_KIND, EARLY_PREFIXES_OF_KIND, OWNED_HEADERS, OWNED_PREFIXES

Mutation = mutation_rules.HeaderMutation

# Envoy writes the peer's address to the end of the client's list: without this the warehouse would read the
# client's invention first.
_CONNECTION = ("x-forwarded-for",)

# A condition or a range makes cache_v2 ask upstream again, or answer in parts of what others filled in.
_CONDITIONS = ("if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since")


def early_removals(
    kinds: Iterable[WarehouseKind] = (), more: Iterable[str] = ()
) -> core.TypedExtensionConfig:
    """Runs before routing and every filter, so that nothing ever sees a client's copy of an owned header.

    `kinds` are those of the warehouses: some have headers of their own, which none of the others reads. `more` are
    names that this Envoy would do something with.
    """
    known = frozenset(kinds)
    prefixes = {prefix for kind in known for prefix in EARLY_PREFIXES_OF_KIND.get(kind, ())}
    names = {name for kind in known for name in EARLY_OF_KIND.get(kind, ())}
    removals = [remove_prefix(prefix) for prefix in (*OWNED_PREFIXES, *sorted(prefixes))]
    removals += [remove(name) for name in sorted({*OWNED_HEADERS, *_CONNECTION, *names, *more})]
    return extension(
        "envoy.http.early_header_mutation.header_mutation", early.HeaderMutation(mutations=removals)
    )


def client_filter() -> hcm.HttpFilter:
    """Stands outside the cache: what the client, and any cache between, may keep of an answer is nothing.

    The lifetime that makes an answer cacheable here would otherwise reach caches that do not know scopes.
    """
    return http_filter(
        CLIENT_HEADERS,
        header_mutation.HeaderMutation(
            mutations=header_mutation.Mutations(
                response_mutations=[
                    overwrite("cache-control", "private, no-store"),
                    remove("age"),
                    remove_prefix("x-envoy-"),
                ]
            )
        ),
    )


def shared_answer_settings() -> header_mutation.HeaderMutationPerRoute:
    """On routes with a cache: conditions go before the cache could act on them."""
    return header_mutation.HeaderMutationPerRoute(
        mutations=header_mutation.Mutations(request_mutations=[remove(name) for name in _CONDITIONS])
    )


def remove(name: str) -> Mutation:
    return Mutation(remove=name)


def remove_prefix(prefix: str) -> Mutation:
    return Mutation(
        remove_on_match=mutation_rules.HeaderMutationRemoveOnMatch(
            key_matcher=matcher.StringMatcher(prefix=prefix, ignore_case=True)
        )
    )


def overwrite(name: str, value: str) -> Mutation:
    return Mutation(
        append=core.HeaderValueOption(
            header=core.HeaderValue(key=name, value=value),
            append_action=core.HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
        )
    )
