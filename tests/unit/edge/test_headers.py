"""What goes before anything sees it."""

import json

import pytest

from authz.edge.headers import early_removals
from authz.policy.tables import WarehouseKind
from authz.rendering.owned import EARLY_OF_KIND, OWNED_HEADERS
from authz.rendering.targets.trino import CLIENT_HEADERS


def removed(*kinds: WarehouseKind) -> str:
    extension = early_removals(kinds)
    assert extension.typed_config is not None
    return json.dumps(extension.to_dict())


@pytest.mark.parametrize("name", [*EARLY_OF_KIND[WarehouseKind.TRINO], "x-presto-"])
def test_who_a_client_says_it_is_goes_where_a_trino_is_behind(name: str) -> None:
    """And nowhere else: another warehouse may have such a header for itself."""
    assert f'"{name}"' in removed(WarehouseKind.TRINO)
    assert f'"{name}"' in removed(WarehouseKind.HTTP, WarehouseKind.TRINO)
    assert f'"{name}"' not in removed(WarehouseKind.HTTP)


def test_what_an_envoy_would_act_on_goes_where_it_does() -> None:
    """A header that it copies into spans is another's business where it makes none."""
    assert early_removals([], ["tracestate"]) != early_removals([])
    assert '"tracestate"' not in removed()


def test_what_drivers_may_say_stays() -> None:
    """Nothing that the answer lets through has gone before."""
    assert not CLIENT_HEADERS & set(EARLY_OF_KIND[WarehouseKind.TRINO])
    assert all(f'"{name}"' in removed() for name in OWNED_HEADERS)
