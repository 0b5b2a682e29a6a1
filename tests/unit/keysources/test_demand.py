"""When tokens with unknown keys may have an issuer asked."""

from authz.keysources.demand import Demand
from authz.keysources.schedule import Schedule

SCHEDULE = Schedule(demand_burst=2, demand_interval=2.0, same_key_interval=5.0)


def test_made_up_keys_use_the_permits_up() -> None:
    """A thousand of them in one moment are two looks, and after that one in each interval."""
    demand = Demand(SCHEDULE)
    looks = 0
    for number in range(1_000):
        look = demand.look_for(b"%d" % number, begun=looks, now=100.0)
        looks = max(looks, look or 0)
    assert looks == 2
    assert demand.look_for(b"x", begun=2, now=101.9) is None
    assert demand.look_for(b"y", begun=2, now=102.1) == 3
    assert demand.look_for(b"z", begun=3, now=102.2) is None


def test_permits_do_not_gather_beyond_the_burst() -> None:
    """A quiet day does not pay for a storm."""
    demand = Demand(SCHEDULE)
    assert demand.look_for(b"a", begun=0, now=0.0) == 1
    given = [demand.look_for(b"%d" % number, begun=1 + number, now=86_400.0) for number in range(4)]
    assert given == [2, 3, None, None]


def test_one_key_is_looked_for_once_in_its_interval() -> None:
    """A client that goes on with a withdrawn key leaves the permits to others."""
    demand = Demand(SCHEDULE)
    assert demand.look_for(b"old", begun=0, now=0.0) == 1
    assert {demand.look_for(b"old", begun=1, now=second / 10) for second in range(49)} == {1}
    assert demand.look_for(b"new", begun=1, now=4.9) == 2
    assert demand.look_for(b"old", begun=2, now=5.1) == 3


def test_those_that_ask_before_a_look_begins_share_it() -> None:
    """Without a permit each."""
    demand = Demand(Schedule(demand_burst=1))
    assert [demand.look_for(b"%d" % number, begun=7, now=0.0) for number in range(50)] == [8] * 50


def test_a_look_that_has_begun_settles_nothing_new() -> None:
    """It may bring what the issuer said before it had the key."""
    demand = Demand(SCHEDULE)
    assert demand.look_for(b"a", begun=0, now=0.0) == 1
    assert demand.look_for(b"b", begun=1, now=0.1) == 2


def test_the_memory_of_keys_is_bounded() -> None:
    """Whoever makes keys up cannot fill it."""
    demand = Demand(Schedule(demand_burst=1_000_000))
    for number in range(5_000):
        demand.look_for(b"%d" % number, begun=number, now=0.0)
    assert len(demand._sought) == 1_024
