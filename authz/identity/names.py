"""DNS names and e-mail addresses of certificates, in one canonical form."""

import re

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\Z", re.ASCII)
# RFC 5321 section 4.1.2, Dot-string only: a quoted local part can hold anything.
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$&'*+/=?^_`{|}~\-]+(?:\.[A-Za-z0-9!#$&'*+/=?^_`{|}~\-]+)*\Z", re.ASCII)


def parse_dns_name(text: str) -> str:
    """The host name in lower case. Raises `ValueError` for wildcards, addresses, trailing dots and the like."""
    name = text.lower() if text.isascii() else ""
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.match(label) for label in labels):
        raise ValueError("not a host name (letters, digits and hyphens; no wildcard, no trailing dot)")
    if labels[-1].isdigit():
        # RFC 1123 section 2.1: the last label of a host name is never a number; 10.0.0.1 is an address.
        raise ValueError("an address, not a host name")
    return name


def parse_email_address(text: str) -> str:
    """The address with its domain in lower case; the local part is kept as it is (RFC 5321 section 2.4).

    Raises `ValueError`.
    """
    local, at, domain = text.rpartition("@")
    if not at or len(local) > 64 or not _LOCAL_PART.match(local):
        raise ValueError("not an e-mail address")
    return f"{local}@{parse_dns_name(domain)}"
