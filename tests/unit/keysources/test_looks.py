"""Who waits for a look, and for how long."""

import asyncio

from authz.keysources.looks import Looks


async def test_a_look_that_has_ended_is_not_waited_for() -> None:
    """It is over."""
    looks = Looks()
    looks.begin()
    looks.end()
    assert await looks.wait_for(1, 10.0) is True
    assert await looks.wait_for(0, 10.0) is True


async def test_the_wait_ends_with_its_look_and_not_before() -> None:
    """Whoever needs the second is not woken by the first."""
    looks = Looks()
    looks.begin()
    first = asyncio.create_task(looks.wait_for(1, 10.0))
    second = asyncio.create_task(looks.wait_for(2, 10.0))
    await asyncio.sleep(0)
    assert looks.waiting == 2
    looks.end()
    assert await first is True
    assert not second.done()
    looks.begin()
    looks.end()
    assert await second is True
    assert looks.waiting == 0


async def test_the_wait_is_bounded() -> None:
    """And leaves nothing behind, also when it is cancelled."""
    looks = Looks()
    assert await looks.wait_for(1, 0.01) is False
    cancelled = asyncio.create_task(looks.wait_for(1, 10.0))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    assert looks.waiting == 0
