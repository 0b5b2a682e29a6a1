"""What is looked for. A policy's labels are free words, so a category is one step away from them."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Final


class Category(StrEnum):
    """In the order in which one is preferred where a column is as likely to be two: the worse one to lose first."""

    CREDENTIAL = "credential"
    PAYMENT_CARD = "payment_card"
    BANK_ACCOUNT = "bank_account"
    NATIONAL_ID = "national_id"
    HEALTH = "health"
    TRAIT = "trait"
    PAY = "pay"
    EMAIL = "email"
    PHONE = "phone"
    PERSON_NAME = "person_name"
    BIRTH = "birth"
    POSTAL_ADDRESS = "postal_address"
    LOCATION = "location"
    NETWORK_ADDRESS = "network_address"
    DEVICE = "device"
    USER_NAME = "user_name"


DEFAULT_LABELS: Final[Mapping[Category, str]] = {
    Category.CREDENTIAL: "credential",
    Category.PAYMENT_CARD: "financial",
    Category.BANK_ACCOUNT: "financial",
    Category.PAY: "financial",
    **{
        category: "pii"
        for category in Category
        if category not in {Category.CREDENTIAL, Category.PAYMENT_CARD, Category.BANK_ACCOUNT, Category.PAY}
    },
}


class Confidence(IntEnum):
    """How sure a proposal is. It says nothing of how bad it would be to overlook it."""

    POSSIBLE = 1
    LIKELY = 2
    CERTAIN = 3

    @property
    def word(self) -> str:
        return self.name.lower()
