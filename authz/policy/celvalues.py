"""Facts in the shapes that CEL takes, within bounds."""

from collections.abc import Mapping

MAX_DEPTH = 32
"""Deepest nesting of a claim that a condition is shown: cel-cpp recurses, and overruns its stack otherwise."""


class UnfitError(ValueError):
    """A fact that a condition cannot be shown. The text never contains its value."""


def cel_value(value: object, depth: int = 0) -> object:
    """`value` with lists for every sequence and dicts for every mapping. Raises `UnfitError` if it is too deep."""
    if isinstance(value, str):
        return value
    if depth > MAX_DEPTH:
        raise UnfitError(f"a claim is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        return {key: cel_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cel_value(item, depth + 1) for item in value]
    return value


def cel_size(value: object) -> int:
    """How many values there are in a `cel_value`, counting what is nested."""
    if isinstance(value, dict):
        return sum(map(cel_size, value.values()))
    if isinstance(value, list):
        return sum(map(cel_size, value))
    return 1
