"""The memory that counts."""

from authz.memory import Memory


def test_asking_is_counted_and_remembering_is_not() -> None:
    """A hit is what was there, a miss what was not."""
    memory = Memory[str, int](2)
    assert memory.recall("a") is None
    memory["a"] = 1
    assert memory.recall("a") == 1
    assert (memory.hits, memory.misses) == (1, 1)


def test_it_forgets_what_was_asked_for_longest_ago() -> None:
    """A recall counts as asking."""
    memory = Memory[str, int](2)
    memory["a"], memory["b"] = 1, 2
    memory.recall("a")
    memory["c"] = 3
    assert (memory.recall("a"), memory.recall("b"), memory.recall("c")) == (1, None, 3)
