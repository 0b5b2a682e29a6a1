"""DNS names and e-mail addresses of certificates."""

import pytest

from authz.identity.names import parse_dns_name, parse_email_address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "*.acme.example",
        "*",
        "acme.example.",
        ".acme.example",
        "acme..example",
        "-acme.example",
        "acme-.example",
        "acme_x.example",
        "acme example",
        "acme.example\n",
        "acme.example\x00",
        "acm\u00e9.example",
        "\u212acme.example",
        "10.0.0.1",
        "1",
        "acme.123",
        "x" * 64 + ".example",
        ".".join(["x" * 60] * 5),
        "acme.example:443",
        "acme.example/x",
    ],
)
def test_what_is_no_host_name_is_refused(text: str) -> None:
    """A wildcard is not a client; the Kelvin sign is no `k`."""
    with pytest.raises(ValueError, match="host name"):
        parse_dns_name(text)


def test_a_host_name_is_read_in_lower_case() -> None:
    """RFC 4343: case does not matter, so there is one form."""
    assert parse_dns_name("Extract-1.ACME.example") == "extract-1.acme.example"
    assert parse_dns_name("xn--bcher-kva.example") == "xn--bcher-kva.example"
    assert parse_dns_name("localhost") == "localhost"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "@acme.example",
        "alice@",
        "alice@@acme.example",
        "a@b@acme.example",
        '"alice x"@acme.example',
        "alice @acme.example",
        "alice@acme.example\n",
        ".alice@acme.example",
        "alice.@acme.example",
        "al..ice@acme.example",
        "alice@*.example",
        "alice@10.0.0.1",
        "alice@[10.0.0.1]",
        "Alice <alice@acme.example>",
        "alice,bob@acme.example",
        "ali\u00e7e@acme.example",
        "x" * 65 + "@acme.example",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """A quoted local part can hold anything."""
    with pytest.raises(ValueError, match=r"not an|host name"):
        parse_email_address(text)


def test_an_address_keeps_its_local_part() -> None:
    """RFC 5321 section 2.4: only the host may know whether its case matters."""
    assert parse_email_address("Alice.B+x@ACME.example") == "Alice.B+x@acme.example"
