"""Integration tests start real processes. One module shares one running system; xdist keeps a module together."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of a module run in one worker (`--dist loadgroup`), or each worker would start the system anew."""
    for item in items:
        if "/integration/" in item.path.as_posix() and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
