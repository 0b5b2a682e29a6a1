"""What a value can look like, and how much that says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final


class Shape(StrEnum):
    EMAIL = "email"
    TEXT_WITH_EMAIL = "text_with_email"
    PHONE = "phone"
    NATIONAL_PHONE = "national_phone"
    CARD = "card"
    IBAN = "iban"
    BIC = "bic"
    US_SSN = "us_ssn"
    FR_NIR = "fr_nir"
    IT_CODICE = "it_codice"
    CH_AHV = "ch_ahv"
    CN_RIC = "cn_ric"
    FI_HETU = "fi_hetu"
    ES_DNI = "es_dni"
    BR_CPF = "br_cpf"
    PL_PESEL = "pl_pesel"
    NL_BSN = "nl_bsn"
    DE_IDNR = "de_idnr"
    IN_AADHAAR = "in_aadhaar"
    GB_NHS = "gb_nhs"
    IP = "ip"
    MAC = "mac"
    IMEI = "imei"
    SECRET = "secret"


class Weight(Enum):
    """How much a shape says where the name of the column says nothing."""

    DISTINCT = auto()
    """Nothing else looks so: one value is enough for a question."""
    CHECKED = auto()
    """Among ten thousand keys there are some with the right check digits: most values have to have them."""
    SUPPORTS = auto()
    """Too many other things look so: it counts beside a name only."""


@dataclass(frozen=True, slots=True)
class ShapeFacts:
    """`noun` stands in "… in 97 of 100 values". Only what looks as `written` is looked at more closely: by a `module` of
    python-stdnum, if it names one.
    """

    noun: str
    weight: Weight
    written: re.Pattern[str] | None = None
    module: str | None = None


def _number(noun: str, weight: Weight, written: str, module: str) -> ShapeFacts:
    return ShapeFacts(noun, weight, re.compile(rf"(?:{written})\Z", re.ASCII), f"stdnum.{module}")


_DISTINCT, _CHECKED = Weight.DISTINCT, Weight.CHECKED

FACTS: Final[Mapping[Shape, ShapeFacts]] = {
    Shape.EMAIL: ShapeFacts("e-mail addresses", _DISTINCT),
    Shape.TEXT_WITH_EMAIL: ShapeFacts("text with an e-mail address", _DISTINCT),
    Shape.PHONE: ShapeFacts("phone numbers with a country code", _DISTINCT),
    Shape.NATIONAL_PHONE: ShapeFacts("phone numbers of the region", Weight.SUPPORTS),
    # ISO/IEC 7812: Luhn's check digit, and the first digits of the schemes that issue payment cards.
    Shape.CARD: ShapeFacts("payment card numbers", _CHECKED, re.compile(r"(?:4|5[0-8]|2[2-7]|3[04-9]|6)[0-9]{11,18}\Z", re.ASCII)),
    Shape.IBAN: _number("IBANs", _DISTINCT, r"[A-Za-z]{2}[0-9]{2}[ \-]?[0-9A-Za-z \-]{10,45}", "iban"),
    Shape.BIC: _number("BICs", Weight.SUPPORTS, r"[A-Z]{6}[0-9A-Z]{2}(?:[0-9A-Z]{3})?", "bic"),
    Shape.US_SSN: _number("US social security numbers", _DISTINCT, r"[0-9]{3}-[0-9]{2}-[0-9]{4}", "us.ssn"),
    Shape.FR_NIR: _number("French social security numbers", _CHECKED, r"[1-8][ ]?[0-9]{2}[ ]?[01][0-9][ ]?[0-9AB ]{8,14}", "fr.nir"),
    Shape.IT_CODICE: _number("Italian tax codes", _DISTINCT, r"[A-Za-z]{6}[0-9A-Za-z]{2}[A-Za-z][0-9A-Za-z]{2}[A-Za-z][0-9A-Za-z]{3}[A-Za-z]", "it.codicefiscale"),
    Shape.CH_AHV: _number("Swiss social security numbers", _CHECKED, r"756[.]?[0-9]{4}[.]?[0-9]{4}[.]?[0-9]{2}", "ch.ssn"),
    Shape.CN_RIC: _number("Chinese identity numbers", _CHECKED, r"[0-9]{17}[0-9Xx]", "cn.ric"),
    Shape.FI_HETU: _number("Finnish identity codes", _DISTINCT, r"[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-Y]", "fi.hetu"),
    Shape.ES_DNI: _number("Spanish identity numbers", _CHECKED, r"[0-9]{8}-?[A-Za-z]", "es.dni"),
    Shape.BR_CPF: _number("Brazilian tax numbers", _DISTINCT, r"[0-9]{3}[.][0-9]{3}[.][0-9]{3}-[0-9]{2}", "br.cpf"),
    Shape.PL_PESEL: _number("Polish identity numbers", _CHECKED, r"[0-9]{11}", "pl.pesel"),
    Shape.NL_BSN: _number("Dutch service numbers", Weight.SUPPORTS, r"[0-9]{9}", "nl.bsn"),
    Shape.DE_IDNR: _number("German tax numbers", _CHECKED, r"[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}", "de.idnr"),
    Shape.IN_AADHAAR: _number("Indian identity numbers", _CHECKED, r"[2-9][0-9]{3}[ \-]?[0-9]{4}[ \-]?[0-9]{4}", "in_.aadhaar"),
    Shape.GB_NHS: _number("NHS numbers", Weight.SUPPORTS, r"[0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{4}", "gb.nhs"),
    Shape.IP: ShapeFacts("IP addresses", _CHECKED, re.compile(r"[0-9]{1,3}(?:[.][0-9]{1,3}){3}\Z|(?=.*:.*:)[0-9A-Fa-f:.]{2,45}\Z", re.ASCII)),
    Shape.MAC: _number("MAC addresses", _DISTINCT, r"[0-9A-Fa-f]{2}(?:[:\-][0-9A-Fa-f]{2}){5}", "mac"),
    Shape.IMEI: _number("IMEIs", Weight.SUPPORTS, r"[0-9]{15}", "imei"),
    Shape.SECRET: ShapeFacts(
        "passwords' hashes, keys or tokens",
        _DISTINCT,
        re.compile(
            r"""eyJ[\w\-]{8,}[.]eyJ[\w\-]+[.][\w\-]*\Z                     # a JWT
            |\$(?:2[abxy]|argon2(?:id?|d)|[156y]|scrypt|pbkdf2[\w\-]*)\$   # crypt(5), PHC
            |(?:pbkdf2_sha256|bcrypt_sha256|argon2)\$                      # Django
            |\{(?:SSHA|SSHA256|SSHA512|CRYPT)\}                            # LDAP, RFC 2307
            |-----BEGIN\ [A-Z ]{0,20}PRIVATE\ KEY-----
            |(?:AKIA|ASIA)[0-9A-Z]{16}\Z|AIza[\w\-]{35}\Z
            |gh[pousr]_[0-9A-Za-z]{36}|github_pat_|glpat-[\w\-]{20}|xox[abeoprs]-[\w\-]{10}|[rs]k_(?:live|test)_[0-9A-Za-z]{10}
            """,
            re.ASCII | re.VERBOSE,
        ),
    ),
}  # fmt: skip
