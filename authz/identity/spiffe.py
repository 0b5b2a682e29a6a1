"""SPIFFE IDs, read strictly.

https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md section 2. There is one spelling of each
ID: no percent-encoding, no port, no upper-case trust domain, so that equality of text is equality of identity.
"""

import re
from dataclasses import dataclass
from typing import Self

MAX_SPIFFE_ID_BYTES = 2_048
MAX_TRUST_DOMAIN_BYTES = 255

TRUST_DOMAIN_PATTERN = re.compile(r"[a-z0-9._\-]+\Z", re.ASCII)
_SEGMENT = re.compile(r"[A-Za-z0-9._\-]+\Z", re.ASCII)
_SCHEME = "spiffe://"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpiffeId:
    """`path` is empty (the trust domain itself) or starts with `/`."""

    trust_domain: str
    path: str

    @property
    def text(self) -> str:
        """The one spelling of this ID."""
        return f"{_SCHEME}{self.trust_domain}{self.path}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a SPIFFE ID. Raises `ValueError` with what is wrong; the text is never quoted."""
        if len(text) > MAX_SPIFFE_ID_BYTES:
            raise ValueError(f"longer than {MAX_SPIFFE_ID_BYTES} bytes")
        if not text.startswith(_SCHEME):
            raise ValueError("does not start with `spiffe://`")
        trust_domain, slash, path = text.removeprefix(_SCHEME).partition("/")
        parse_trust_domain(trust_domain)
        if not slash:
            return cls(trust_domain=trust_domain, path="")
        for segment in path.split("/"):
            if segment in {"", ".", ".."}:
                raise ValueError("the path has an empty segment or a dot segment")
            if not _SEGMENT.match(segment):
                raise ValueError("the path has a character outside of letters, digits, `.`, `-` and `_`")
        return cls(trust_domain=trust_domain, path=f"/{path}")


def parse_trust_domain(text: str) -> str:
    """The trust domain, if it is the name of one. Raises `ValueError`."""
    if len(text) > MAX_TRUST_DOMAIN_BYTES:
        raise ValueError(f"the trust domain is longer than {MAX_TRUST_DOMAIN_BYTES} bytes")
    if not TRUST_DOMAIN_PATTERN.match(text):
        raise ValueError(
            "the trust domain is empty or has a character outside of lower-case letters, digits, `.`, `-` and `_`"
        )
    return text
