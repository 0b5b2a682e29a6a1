"""The memory that counts."""

from authz.memory import MAX_REMEMBERED_TEXT, REMEMBERED_TEXTS, Memory, remembering_texts


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


def test_what_is_made_of_a_text_is_made_once_and_of_a_long_one_each_time() -> None:
    """What is kept of a client's texts has a bound, in their number and in their length, and the result is the same."""
    asked: list[int] = []

    @remembering_texts
    def length(text: str) -> int:
        asked.append(len(text))
        return len(text)

    longest, longer = "a" * MAX_REMEMBERED_TEXT, "a" * (MAX_REMEMBERED_TEXT + 1)
    assert [length(text) for text in (longest, longer, longest, longer)] == [*map(len, (longest, longer) * 2)]
    assert asked == [len(longest), len(longer), len(longer)]
    for number in range(REMEMBERED_TEXTS):
        length(str(number))
    asked.clear()
    length(longest)
    assert asked == [len(longest)]
