"""Names taken apart, and what they say: each that says something beside one that only looks so."""

import pytest

from authz.labels.categories import Category, Confidence
from authz.labels.names import MAX_CHARACTERS, found_in, words_of

LIKELY, POSSIBLE = Confidence.LIKELY, Confidence.POSSIBLE


def said(name: str, table: str = "") -> dict[Category, Confidence]:
    return {rule.category: confidence for rule, confidence, _ in found_in(name, table)}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("customer_email", ("customer", "email")),
        ("customerEmail", ("customer", "email")),
        ("CustomerEMail", ("customer", "e", "mail")),
        ("IPAddress", ("ip", "address")),
        ("CUSTOMEREMAIL", ("customer", "email")),
        ("customeremail", ("customer", "email")),
        ("address2", ("address", "2")),
        ("Straße", ("strasse",)),
        ("prénom", ("prenom",)),
        ("телефон", ("телефон",)),
        ("e-mail address", ("e", "mail", "address")),
        ("telemetry", ("telemetry",)),
        ("description", ("description",)),
        ("report", ("report",)),
        ("", ()),
        ("\x1b[31m", ("31", "m")),
    ],
)
def test_a_name_is_the_words_that_it_is_made_of(name: str, words: tuple[str, ...]) -> None:
    """With capitals, with signs, and written together, as warehouses that fold names leave it."""
    assert words_of(name) == words


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("email", Category.EMAIL),
        ("e_mail", Category.EMAIL),
        ("EMAIL_ADDR", Category.EMAIL),
        ("user_email_hash", Category.EMAIL),
        ("email2", Category.EMAIL),
        ("courriel", Category.EMAIL),
        ("homephone", Category.PHONE),
        ("tel_no", Category.PHONE),
        ("Telefonnummer", Category.PHONE),
        ("contactFirstName", Category.PERSON_NAME),
        ("customer_name", Category.PERSON_NAME),
        ("nachname", Category.PERSON_NAME),
        ("date_of_birth", Category.BIRTH),
        ("dob", Category.BIRTH),
        ("fecha_nacimiento", Category.BIRTH),
        ("billing_postal_code", Category.POSTAL_ADDRESS),
        ("zip", Category.POSTAL_ADDRESS),
        ("client_ip", Category.NETWORK_ADDRESS),
        ("mac_addr", Category.NETWORK_ADDRESS),
        ("ssn", Category.NATIONAL_ID),
        ("passport_no", Category.NATIONAL_ID),
        ("codice_fiscale", Category.NATIONAL_ID),
        ("iban", Category.BANK_ACCOUNT),
        ("acctno", Category.BANK_ACCOUNT),
        ("CreditCardNumber", Category.PAYMENT_CARD),
        ("cvv", Category.PAYMENT_CARD),
        ("avg_salary", Category.PAY),
        ("gehalt", Category.PAY),
        ("password_hash", Category.CREDENTIAL),
        ("accesstoken", Category.CREDENTIAL),
        ("gender", Category.TRAIT),
        ("blood_type", Category.HEALTH),
        ("latitude", Category.LOCATION),
        ("device_id", Category.DEVICE),
        ("username", Category.USER_NAME),
        ("wallet_address", Category.BANK_ACCOUNT),
        ("device_token", Category.DEVICE),
        ("social_security_number", Category.NATIONAL_ID),
    ],
)
def test_a_name_says_what_it_is(name: str, category: Category) -> None:
    """And nothing else beside."""
    assert said(name) == {category: LIKELY}


@pytest.mark.parametrize(
    "name",
    [
        "email_sent_count",
        "is_email",
        "email_verified",
        "email_campaign_id",
        "total_emails",
        "no_email",
        "without_email",
        "ship_date",
        "shipdate",
        "description",
        "telemetry",
        "mailbox_size",
        "mobile_app",
        "ip_version",
        "zip_file",
        "trip_id",
        "product_name",
        "name",
        "file_name",
        "card_type",
        "token_count",
        "pwd_changed_at",
        "account_id",
        "address_id",
        "has_passport",
        "average_age",
        "race_id",
        "translate",
        "latency",
        "plan",
        "panel",
        "company",
        "passport_type",
        "phone_model",
        "memory_address",
        "web_address",
        "export",
        "report",
        "strip",
        "recipient",
        "amount",
        "created_at",
        "currency",
        "country",
        "state",
        "status",
        "order_number",
    ],
)
def test_a_name_that_only_looks_so_says_nothing(name: str) -> None:
    """A fact about the thing is not the thing, and a part of a word is none."""
    assert said(name) == {}


@pytest.mark.parametrize(
    ("name", "category", "confidence"),
    [
        ("phone", Category.PHONE, LIKELY),
        ("phone_home", Category.PHONE, LIKELY),
        ("phone_manual", Category.PHONE, POSSIBLE),
        ("store_phone", Category.PHONE, POSSIBLE),
        ("pan", Category.PAYMENT_CARD, POSSIBLE),
        ("lat", Category.LOCATION, POSSIBLE),
        ("age", Category.TRAIT, POSSIBLE),
        ("customer_age", Category.TRAIT, POSSIBLE),
    ],
)
def test_what_has_other_meanings_is_possible_only(
    name: str, category: Category, confidence: Confidence
) -> None:
    """A noun behind that nobody knows, an organisation in front, a short word."""
    assert said(name) == {category: confidence}


def test_a_longer_term_means_what_it_says() -> None:
    """An IP address is no postal address, and no other `address` is that of an e-mail."""
    assert said("ip_address") == {Category.NETWORK_ADDRESS: LIKELY}
    assert said("email_address") == {Category.EMAIL: LIKELY}
    assert said("home_address") == {Category.POSTAL_ADDRESS: LIKELY}


def test_a_name_is_a_persons_in_a_table_of_persons() -> None:
    """As `name` and with a prefix of one letter; of products it is nobody's."""
    assert said("name", "customers") == {Category.PERSON_NAME: LIKELY}
    assert said("c_name", "customer") == {Category.PERSON_NAME: LIKELY}
    assert said("name", "products") == said("p_name", "part") == said("name") == {}


def test_a_name_without_end_is_read_to_a_bound() -> None:
    """It can come from anybody who may create a table."""
    assert said("x" * MAX_CHARACTERS + "_email") == {}
    assert said("email_" + "q_" * 100_000) == {Category.EMAIL: POSSIBLE}
