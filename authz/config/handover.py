"""What one process of ours has made of policy files, as bytes for another one. Of the same code: no format for keeping."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from types import MappingProxyType
from typing import IO, Any, Final, cast

_TOGETHER: Final = 8
"""Parts that are read in one go, and share their words: a tenth of a millisecond."""


def write_outcome(
    outcome: object, parts: Sequence[object], file: IO[bytes], *, made: Sequence[object] = ()
) -> None:
    """A policy, or the `PolicyError` with what is wrong.

    `parts` of it, of which there may be many, can be read by turns. What is `made` of them is not written: whoever reads
    does so as well.
    """
    groups = [parts[start : start + _TOGETHER] for start in range(0, len(parts), _TOGETHER)]
    pickle.dump(len(groups), file)
    for group in groups:
        _Pickler(file, {}).dump(group)
    _Pickler(file, {id(part): number for number, part in enumerate((*parts, *made))}).dump(outcome)


# Both read what a process has written that this one has started, and that could have been told to do anything else as well.


def read_parts(file: IO[bytes]) -> Iterator[list[object]]:
    """The parts that `write_outcome` was given, a few in each step."""
    for _ in range(pickle.load(file)):  # noqa: S301 - see above
        yield pickle.load(file)  # noqa: S301 - see above


def read_outcome(file: IO[bytes], parts: Sequence[object], *, made: Sequence[object] = ()) -> object:
    """What `write_outcome` was given, once all `parts` have been read; `made` of them, in the order that it had there."""
    return _Unpickler(file, (*parts, *made)).load()


class _Pickler(pickle.Pickler):
    """`known` is what is not written, by identity."""

    def __init__(self, file: IO[bytes], known: dict[int, int]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._known = known

    # Python 3.11 has no typing.override, hence the remarks.
    def persistent_id(self, obj: object) -> int | None:  # type: ignore[explicit-override]
        return self._known.get(id(obj))

    def reducer_override(self, obj: Any) -> Any:  # type: ignore[explicit-override]
        kind = type(obj)
        if kind is MappingProxyType:
            return _wrapped, (dict(obj),)
        if is_dataclass(kind) and hasattr(kind, "__slots__") and kind.__reduce__ is object.__reduce__:
            return _made, (kind, *(getattr(obj, field.name) for field in fields(kind)))
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], parts: Sequence[object]) -> None:
        super().__init__(file)
        self._parts = parts

    # As above.
    def persistent_load(self, pid: int) -> object:  # type: ignore[explicit-override]
        return self._parts[pid]


def _made(kind: Any, *values: object) -> object:
    """A frozen dataclass with slots. Its own `__setstate__` looks its fields up anew each time, for half of the whole work."""
    return _maker(kind)(*values)


@cache
def _maker(kind: Any) -> Callable[..., object]:
    """Code for each class, as `dataclasses` writes it: a loop over the fields makes all that is read a third dearer."""
    scope = {"kind": kind, "new": object.__new__}
    values = []
    for number, field in enumerate(fields(kind)):
        scope[f"put{number}"] = getattr(kind, field.name).__set__
        values.append(f"value{number}")
    puts = "".join(f"    put{number}(made, {value})\n" for number, value in enumerate(values))
    code = f"def make({', '.join(values)}):\n    made = new(kind)\n{puts}    return made\n"
    exec(code, scope)  # noqa: S102 - it has no word in it that is not written here
    return cast("Callable[..., object]", scope["make"])


def _wrapped(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    # The type says of itself that it is in `builtins`, where it is not.
    return MappingProxyType(mapping)
