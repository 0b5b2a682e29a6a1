"""What values look like. They come in one by one and only numbers are kept: no function here returns one, or a part of one.

Check digits and grammars are those of libraries that are an extra (`scopegate[label]`), so they are looked for when a
sample is, and not before.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache, partial
from importlib import import_module
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address
from itertools import islice
from typing import Any, Final

from authz.labels.schema import ValueCounts
from authz.labels.shapes import FACTS, Shape

MAX_CHARACTERS: Final = 4_096
"""Of a longer text the beginning is looked at."""
MAX_PARTS: Final = 256
"""Of an array or a document so many parts are looked at, lists and mappings in it among them."""
_MAX_DEPTH: Final = 8
_MAX_NUMBER: Final = 10**40
_MAX_ADDRESSES: Final = 4

NEEDED: Final = ("email_validator", "phonenumbers", "stdnum")

_WHOLE: Final = re.compile(r"[^\s@,;:<>()\[\]\"]+@[^\s@,;:<>()\[\]\"]+[.][^\s@,;:<>()\[\]\"]+\Z")
_EMBEDDED: Final = re.compile(r"[\w.%+\-]{1,64}@[\w\-]{1,63}(?:[.][\w\-]{1,63}){1,4}")
# Nobody delivers to these, so the validator refuses them; inside a company there are people behind them all the same.
_INTERNAL: Final = re.compile(r"[.](?:corp|example|home|internal|intranet|invalid|lan|local|localhost|test)\Z", re.IGNORECASE)  # fmt: skip
_PHONE: Final = re.compile(r"\+[0-9 ().\-/]{6,24}\Z", re.ASCII)
_NATIONAL: Final = re.compile(r"[0-9(][0-9 ().\-/]{5,20}\Z", re.ASCII)

Test = Callable[[str], bool]


def missing_libraries() -> list[str]:
    """Those that looking at values needs and that are not installed."""
    found = []
    for name in NEEDED:
        try:
            import_module(name)
        except ImportError:
            found.append(name)
    return found


def known_regions() -> frozenset[str]:
    """The regions whose phone numbers are known, such as `DE`."""
    import phonenumbers  # noqa: PLC0415 - an extra

    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def count_values(rows: Iterable[Sequence[object]], columns: int, region: str | None) -> tuple[int, list[ValueCounts]]:  # fmt: skip
    """How many rows there were, and what the values of each of their `columns` look like."""
    tests = _tests(region)
    seen, values = 0, [0] * columns
    shapes: list[dict[Shape, int]] = [{} for _ in range(columns)]
    for row in rows:
        seen += 1
        for number, value in enumerate(row):
            if value is None:
                continue
            values[number] += 1
            for shape in _shapes(value, tests):
                shapes[number][shape] = shapes[number].get(shape, 0) + 1
    return seen, [
        ValueCounts(values=count, shapes=found) for count, found in zip(values, shapes, strict=True)
    ]


def shapes_of(value: object, region: str | None = None) -> frozenset[Shape]:
    """What a value looks like. Never raises, whatever the value is."""
    return _shapes(value, _tests(region))


def _shapes(value: object, tests: Mapping[Shape, Test]) -> frozenset[Shape]:
    if not isinstance(value, list | tuple | set | dict):
        text = _text(value)
        return frozenset() if text is None else _of_text(text, tests)
    found = frozenset[Shape]().union(*(_of_text(text, tests) for text in _leaves(value)))
    # In a document there is an address, which is not to say that it is one.
    return (found - {Shape.EMAIL}) | {Shape.TEXT_WITH_EMAIL} if Shape.EMAIL in found else found


def _of_text(text: str, tests: Mapping[Shape, Test]) -> frozenset[Shape]:
    found = {shape for shape, test in tests.items() if _passes(test, text)}
    if "@" in text and Shape.EMAIL not in found and _passes(_has_email, text):
        found.add(Shape.TEXT_WITH_EMAIL)
    return frozenset(found)


def _passes(test: Test, text: str) -> bool:
    try:
        return test(text)
    except Exception:  # noqa: BLE001 - a library that stumbles would say over what in its traceback: over a value
        return False


def _text(value: object) -> str | None:
    """As what it is looked at; None for what has no shape that is looked for."""
    if isinstance(value, str):
        return value[:MAX_CHARACTERS].strip()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value[:MAX_CHARACTERS]).decode("utf-8", errors="replace").strip()
    if isinstance(value, IPv4Interface | IPv6Interface):
        return str(value.ip)
    if isinstance(value, bool) or not isinstance(value, int | Decimal | IPv4Address | IPv6Address):
        return None
    if isinstance(value, Decimal):
        if not value.is_finite() or value.adjusted() > 40 or value != value.to_integral_value():
            return None
        value = int(value)
    if isinstance(value, int) and not 0 <= value < _MAX_NUMBER:
        return None
    return str(value)


def _leaves(value: object) -> Iterator[str]:
    waiting: list[tuple[object, int]] = [(value, 0)]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        each, depth = waiting.pop()
        if isinstance(each, dict):
            inner: Iterable[object] = each.values()
        elif isinstance(each, list | tuple | set):
            inner = each
        else:
            text = _text(each)
            if text is not None:
                yield text
            continue
        if depth < _MAX_DEPTH:
            waiting.extend((part, depth + 1) for part in islice(inner, MAX_PARTS))


@cache
def _tests(region: str | None) -> Mapping[Shape, Test]:
    tests: dict[Shape, Test] = {
        Shape.EMAIL: _is_email,
        Shape.PHONE: _is_phone,
        Shape.CARD: partial(_is_card, luhn=import_module("stdnum.luhn")),
        Shape.IP: _is_ip,
        Shape.SECRET: _is_secret,
    }
    if region is not None:
        tests[Shape.NATIONAL_PHONE] = partial(_is_national_phone, region=region)
    for shape, facts in FACTS.items():
        if facts.module is not None and facts.written is not None:
            tests[shape] = partial(_is_number, written=facts.written, module=import_module(facts.module))
    return tests


def _is_number(text: str, *, written: re.Pattern[str], module: Any) -> bool:
    if len(text) > 64 or written.match(text) is None:
        return False
    return _is_meant(text) and bool(module.is_valid(text))


def _is_card(text: str, *, luhn: Any) -> bool:
    digits = text.replace(" ", "").replace("-", "") if len(text) <= 24 else text
    written = FACTS[Shape.CARD].written
    return (
        written is not None
        and written.match(digits) is not None
        and _is_meant(digits)
        and bool(luhn.is_valid(digits))
    )


def _is_meant(text: str) -> bool:
    """One digit all over has right check digits now and then, and is what people write who have no number."""
    return len(set(text) - set(" -.")) > 1


def _is_email(text: str) -> bool:
    # The validator takes its time to say what is wrong with a text that is no address at all.
    if not 6 <= len(text) <= 320 or _WHOLE.match(text) is None:
        return False
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - an extra

    local, _, domain = text.rpartition("@")
    try:
        validate_email(f"{local}@{_INTERNAL.sub('.com', domain)}", check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def _has_email(text: str) -> bool:
    found = _EMBEDDED.finditer(text)
    return any(_is_email(each.group()) for each, _ in zip(found, range(_MAX_ADDRESSES), strict=False))


def _is_phone(text: str) -> bool:
    return _PHONE.match(text) is not None and _is_valid_phone(text, None)


def _is_national_phone(text: str, *, region: str) -> bool:
    return _NATIONAL.match(text) is not None and _is_valid_phone(text, region)


def _is_valid_phone(text: str, region: str | None) -> bool:
    import phonenumbers  # noqa: PLC0415 - an extra

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(text, region)))
    except phonenumbers.NumberParseException:
        return False


def _is_ip(text: str) -> bool:
    written = FACTS[Shape.IP].written
    if written is None or written.match(text) is None:
        return False
    address = ip_address(text)
    return not (address.is_unspecified or address.is_loopback)


def _is_secret(text: str) -> bool:
    written = FACTS[Shape.SECRET].written
    return written is not None and written.match(text) is not None
