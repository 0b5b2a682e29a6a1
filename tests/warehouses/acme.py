"""One company, one policy, three warehouses: what they hold, and who may see what of it.

The rows are made here, by rule and not by chance, so that every warehouse holds the same ones and every test may ask
plain Python, which knows nothing of scopes in SQL, what somebody should see.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

REGIONS: Final = ("EU", "UK", "US", "JP", None)
FIRST_DAY: Final = date(2025, 1, 1)


@dataclass(frozen=True, slots=True)
class Order:
    id: int
    region: str | None
    ordered_at: date
    amount: Decimal
    email: str
    paid: bool
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Target:
    region: str
    quarter: int
    amount: int


def orders(number: int = 400) -> Iterator[Order]:
    """Every region on every kind of day; some rows without a region, which no list of regions selects."""
    for n in range(1, number + 1):
        yield Order(
            id=n,
            region=REGIONS[n % len(REGIONS)],
            ordered_at=FIRST_DAY + timedelta(days=(n * 7) % 600),
            amount=Decimal(n * 37 % 5000) / 4,
            email=f"customer-{n % 90}@example.com",
            paid=n % 3 == 0,
            seen_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=n * 11),
        )


def targets() -> Iterator[Target]:
    for region in ("EU", "UK", "US", "JP"):
        for quarter in range(1, 5):
            yield Target(region, quarter, 1000 * quarter + len(region))


def days() -> Iterator[date]:
    """A table that is not told apart by anything."""
    for n in range(31):
        yield FIRST_DAY + timedelta(days=n)


SINCE: Final = date(2025, 9, 1)

PEOPLE: Final[Mapping[str, str]] = {"emma": "emea", "uma": "us", "carlos": "contractors"}
"""Who asks, and their group."""


def may_see(person: str, order: Order) -> bool:
    """The policy in plain words, by hand."""
    match person:
        case "emma":
            return order.region in {"EU", "UK"}
        case "uma":
            # Two grants, each one whole.
            return order.region == "US" or (order.region == "JP" and order.ordered_at >= SINCE)
        case "carlos":
            return order.region in {"EU", "UK"} and order.ordered_at >= SINCE
        case _:
            return False


RULES: Final = f"""\
grants:
  - id: emea
    to: {{groups: [emea, contractors]}}
    on: all
    scope: {{region: [EU, UK], ordered_at: all}}
    clear: [financial]
    mask: {{pii: hash}}
  - id: us
    to: {{groups: [us]}}
    on: all
    scope: {{region: [US], ordered_at: all}}
    clear: [financial, pii]
  - id: us-new-in-japan
    to: {{groups: [us]}}
    on: all
    scope: {{region: [JP], ordered_at: {{from: {SINCE}}}}}
    clear: [financial, pii]
restrictions:
  - id: contractors-see-what-is-new
    to: {{groups: [contractors]}}
    scope: {{ordered_at: {{from: {SINCE}}}}}
    hide: [pii]
    mask: {{financial: "null"}}
"""
