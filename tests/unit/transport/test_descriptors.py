"""Shares of a process' descriptors."""

import pytest

from authz.transport.descriptors import MOST_CHECKING, checking_connections, operators_connections


@pytest.mark.parametrize("descriptors", [8, 100, 256, 1_024, 20_000, 1_048_576])
@pytest.mark.parametrize("listeners", [1, 2, 5])
def test_something_is_left_to_files(descriptors: int, listeners: int) -> None:
    """Whatever is opened at the listeners, an eighth stays free."""
    taken = listeners * checking_connections(descriptors, listeners) + operators_connections(descriptors)
    assert taken <= max(descriptors * 7 // 8, listeners + 1)


def test_each_listener_takes_something() -> None:
    """A tiny limit is no reason to answer nobody; a huge one none to fill the memory."""
    assert checking_connections(1, 3) == operators_connections(1) == 1
    assert checking_connections(10**9) == MOST_CHECKING
