"""The packaged policy's places are replaced, each of them."""

import pytest

from authz.demo.places import PlaceMissingError, packaged_policy, relocate


def test_a_place_that_is_not_mentioned_is_an_error() -> None:
    """Else the demo would listen or look somewhere that nobody meant."""
    with pytest.raises(PlaceMissingError, match="nowhere"):
        relocate("listen: here", {"nowhere": "there"})


def test_each_place_is_replaced() -> None:
    """Everywhere it occurs."""
    assert relocate("a b a", {"a": "x", "b": "y"}) == "x y x"


def test_the_packaged_policy_comes_with_the_package() -> None:
    """It is data of the distribution, not of the checkout."""
    assert "contractors" in packaged_policy()
